"""Rules for new passwords: long enough for the user's role, not common, and not the user's name or address.

Existing passwords are not checked: they sign in as before.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

from oms.core import email_addresses
from oms.core.errors import InvalidRequestError
from oms.core.settings import settings
from oms.identity.models import User
from oms.identity.passwords import normalized

MIN_LENGTH = 8
MAX_LENGTH = 128
# NFKC makes up to 18 characters of one. No good password begins with one pattern of so many.
_EXAMINED = MAX_LENGTH
# As `11/11/1991`.
_LONGEST_DATE = 10
# A shorter name may be a part of any password.
_SHORTEST_NAME = 4
_DIGITS = "0123456789"
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


def check_length(password: str) -> str:
    """The password; ValueError if no user may have one of this length."""
    _check_length(password, shortest_for("customer"), "")
    return password


def check_new(password: str) -> str:
    """The password; ValueError with the reason if no user may have it."""
    check_length(password)
    if _is_common(password):
        raise ValueError(_COMMON + _ADVICE)
    return password


def check_of(owner: Owner, password: str) -> None:
    """Raises ValueError for a password that is not good for its owner, though it may be for others."""
    if owner.role != "customer":
        _check_length(password, shortest_for(owner.role), " for a manager or an admin")
    text = _compact(password)
    core = text.strip(_DIGITS)
    names = set(_names(owner))
    if text in names or (len(core) >= _SHORTEST_NAME and core in names | {name.strip(_DIGITS) for name in names}):
        raise ValueError(_OWN + _ADVICE)


def require(owner: Owner, password: str, *, pointer: str) -> None:
    """As `check_new` and `check_of`, for the password of a request: raises InvalidRequestError.

    It takes milliseconds, and the first time in a process a tenth of a second: callers limit how often it runs.
    """
    try:
        check_of(owner, check_new(password))
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
    """Not by zxcvbn's `omnimatch`: it looks for words in each part of the text, once for each way to read its l33t
    signs, which takes a second of CPU for 40 signs. Here the work grows in proportion to the length.
    """
    # They load 95,000 words, which a login does not need.
    from zxcvbn.matching import date_match, regex_match, sequence_match, spatial_match

    plain = text.translate(_l33t_signs())
    is_word = plain in _words() or plain[::-1] in _words()
    # A text that is a part of its own repetition, less the ends, is a shorter one repeated.
    is_repetition = text in (text + text)[1:-1]
    matches = [*spatial_match(text), *sequence_match(text), *regex_match(text)]
    if len(text) <= _LONGEST_DATE:
        matches += date_match(text)
    return is_word or is_repetition or any(match["i"] == 0 and match["j"] == len(text) - 1 for match in matches)


@cache
def _words() -> frozenset[str]:
    """The words of zxcvbn's lists, read as `_l33t_signs` has them."""
    from zxcvbn.matching import RANKED_DICTIONARIES

    return frozenset(word.translate(_l33t_signs()) for words in RANKED_DICTIONARIES.values() for word in words)


@cache
def _l33t_signs() -> dict[int, str]:
    """One letter for all that can be read as each other: `4` and `@` are an a; i, l and t share the signs 1 and 7."""
    from zxcvbn.matching import L33T_TABLE

    letters: dict[str, str] = {}
    for letter, signs in L33T_TABLE.items():
        known = next((letters[sign] for sign in signs if sign in letters), letter)
        letters.update(dict.fromkeys((letter, *signs), known))
    return str.maketrans(letters)


def _first_of(text: str) -> int:
    """Where its first letter or digit is."""
    return next((place for place, character in enumerate(text) if character.isalnum()), len(text))


def _names(owner: Owner) -> Iterator[str]:
    """What is known of the owner to others, and the shop's names: letters and digits alone, in lower case."""
    first, last = owner.first_name, owner.last_name or ""
    known = (first, last, first + last, last + first, *_forms_of_address(owner.email))
    hosts = (urlsplit(settings().public_url).hostname or "", settings().mail_from.rpartition("@")[2])
    forms = [form for host in hosts for form in email_addresses.domain_forms(host)]
    labels = [label for form in forms for label in form.split(".")[:-1]]
    yield from map(_compact, (*known, *forms, *labels))


def _forms_of_address(email: str) -> Iterator[str]:
    """As it is written, and as its mailbox, which has no tag: whole, with the domain in letters or as A-labels, and the
    local part alone.
    """
    for address in (email, email_addresses.mailbox(email)):
        local, _, domain = address.rpartition("@")
        yield local
        yield from (f"{local}@{form}" for form in email_addresses.domain_forms(domain))


def _compact(text: str) -> str:
    return "".join(character for character in normalized(text).casefold() if character.isalnum())
