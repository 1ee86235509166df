"""What a new password has to be: long enough for its user's role, none that is guessed first, and not the user's name.

Passwords that are set already are never checked: they sign in as before.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from oms.core.errors import InvalidRequestError
from oms.core.settings import settings
from oms.identity.models import User
from oms.identity.passwords import normalized

MIN_LENGTH = 8
MAX_LENGTH = 128
# The time of the check grows faster than the length. No good password begins with one pattern of so many characters.
_EXAMINED = 40
# A shorter name may be a part of any password.
_SHORTEST_NAME = 4
_COMMON = "is guessed early: it is one common password, word, name, date, keyboard row, sequence or repetition. "
_OWN = "is made of your e-mail address, your name or the shop's name. "
_ADVICE = "Choose several words that do not belong together."


@dataclass(frozen=True)
class Owner:
    """Of a user what their password must not be, and the role that says how long it has to be."""

    role: str
    email: str
    first_name: str
    last_name: str | None

    @classmethod
    def of(cls, user: User) -> "Owner":
        return cls(user.role, user.email, user.first_name, user.last_name)


def shortest_for(role: str) -> int:
    """How many characters a new password has at least."""
    least = settings().password_min_length
    return least if role == "customer" else max(least, settings().staff_password_min_length)


def check_new(password: str) -> str:
    """The password; ValueError with the reason if no user may have it."""
    _check_length(password, shortest_for("customer"), "")
    if _is_common(password):
        raise ValueError(_COMMON + _ADVICE)
    return password


def check_of(owner: Owner, password: str) -> None:
    """Raises ValueError for a password that is not good for its owner, though it may be for others."""
    if owner.role != "customer":
        _check_length(password, shortest_for(owner.role), " for a manager or an admin")
    text = _compact(password)
    core = text.strip("0123456789")
    names = set(_names(owner))
    if text in names or (len(core) >= _SHORTEST_NAME and core in names):
        raise ValueError(_OWN + _ADVICE)


def require(owner: Owner, password: str, *, pointer: str) -> None:
    """As `check_of`, for the password of a request: raises InvalidRequestError."""
    try:
        check_of(owner, password)
    except ValueError as error:
        raise InvalidRequestError.at(str(error), pointer=pointer) from error


def _check_length(password: str, least: int, whose: str) -> None:
    if len(normalized(password)) < least or len(password) > MAX_LENGTH:
        raise ValueError(f"must have {least} to {MAX_LENGTH} characters{whose}")


def _is_common(password: str) -> bool:
    """Whether one pattern that zxcvbn knows covers the whole: a word of its lists (leaked passwords, English words,
    names), also reversed or in l33t, a walk over the keyboard, a repetition, a sequence or a date. Case does not count,
    nor do signs around it.
    """
    folded = normalized(password).casefold()
    core = folded[_first_of(folded) : len(folded) - _first_of(folded[::-1])] or folded
    # With its signs too: a few leaked passwords have some at their ends.
    return any(_is_one_pattern(it[:_EXAMINED]) for it in {folded, core})


def _is_one_pattern(text: str) -> bool:
    from zxcvbn.matching import omnimatch  # it loads 95,000 words, which a login does not need

    return any(match["i"] == 0 and match["j"] == len(text) - 1 for match in omnimatch(text))


def _first_of(text: str) -> int:
    """Where its first letter or digit is."""
    return next((place for place, character in enumerate(text) if character.isalnum()), len(text))


def _names(owner: Owner) -> Iterator[str]:
    """What is known of the owner to others, and the shop's names: letters and digits alone, in lower case."""
    first, last = owner.first_name, owner.last_name or ""
    yield from (_compact(it) for it in (owner.email, owner.email.partition("@")[0], first, last))
    yield from (_compact(first + last), _compact(last + first))
    hosts = (urlsplit(settings().public_url).hostname or "", settings().mail_from.rpartition("@")[2])
    for host in hosts:
        yield _compact(host)
        yield from (_compact(label) for label in host.split(".")[:-1])


def _compact(text: str) -> str:
    return "".join(character for character in normalized(text).casefold() if character.isalnum())
