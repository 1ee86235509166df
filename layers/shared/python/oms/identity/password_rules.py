"""Rules for new passwords: long enough for the user's role, not common, and not the user's name or address.

Existing passwords are not checked: users can still sign in with them.
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
# NFKC expands one character to up to 18. A password that begins with one pattern of this length is weak as a whole.
_MAX_EXAMINED = MAX_LENGTH
# The length of `11/11/1991`.
_MAX_DATE_LENGTH = 10
# A shorter name may be a part of any password.
_MIN_NAME_LENGTH = 4
_DIGITS = "0123456789"
_COMMON = "must not be one common password, word, name, date, keyboard row, sequence or repetition. "
_OWN = "must not be made of your e-mail address, your name or the shop's name. "
_ADVICE = "Choose several words that do not belong together."


@dataclass(frozen=True)
class Owner:
    """The user of a new password: details that must not be in it, and the role, which sets its minimum length."""

    role: str
    email: str
    first_name: str
    last_name: str | None

    @classmethod
    def of(cls, user: User) -> "Owner":
        return cls(user.role, user.email, user.first_name, user.last_name)


def min_length_for(role: str) -> int:
    """Returns the minimum length of a new password, in characters, for a user of this role."""
    minimum = settings().password_min_length
    return minimum if role == "customer" else max(minimum, settings().staff_password_min_length)


def check_length(password: str) -> str:
    """Returns the password. Raises ValueError if the length is not allowed for any user."""
    _check_length(password, min_length_for("customer"), "")
    return password


def check_new(password: str) -> str:
    """Returns the password. Raises ValueError, with the reason, if it is not allowed for any user."""
    check_length(password)
    if _is_common(password):
        raise ValueError(_COMMON + _ADVICE)
    return password


def check_for_owner(owner: Owner, password: str) -> None:
    """Checks a password against its owner. Raises ValueError, with the reason, if this user must not have it."""
    if owner.role != "customer":
        _check_length(password, min_length_for(owner.role), " for a manager or an admin")
    text = _compact(password)
    core = text.strip(_DIGITS)
    names = set(_names(owner))
    if text in names or (len(core) >= _MIN_NAME_LENGTH and core in names | {name.strip(_DIGITS) for name in names}):
        raise ValueError(_OWN + _ADVICE)


def check_password(owner: Owner, password: str, *, pointer: str) -> None:
    """Checks the new password of a request, as `check_new` and `check_for_owner` do. Raises InvalidRequestError.

    A call takes milliseconds, and the first one in a process a tenth of a second, so callers must limit the calls.
    """
    try:
        check_for_owner(owner, check_new(password))
    except ValueError as error:
        raise InvalidRequestError.at(str(error), pointer=pointer) from error


def _check_length(password: str, minimum: int, whose: str) -> None:
    if len(normalized(password)) < minimum or len(password) > MAX_LENGTH:
        raise ValueError(f"must have {minimum} to {MAX_LENGTH} characters{whose}")


def _is_common(password: str) -> bool:
    """Returns whether one pattern of zxcvbn matches the entire password.

    The patterns are the words of its lists (leaked passwords, English words, names), also reversed or in l33t, and
    walks over the keyboard, repetitions, sequences and dates. Case, and punctuation at both ends, are ignored.
    """
    folded = normalized(password).casefold()
    core = folded[_index_of_first(folded) : len(folded) - _index_of_first(folded[::-1])] or folded
    # Also with its signs, since a few leaked passwords begin or end with some.
    return any(_is_one_pattern(text[:_MAX_EXAMINED]) for text in {folded, core})


def _is_one_pattern(text: str) -> bool:
    """Returns whether the whole text is one pattern. The work is proportional to its length.

    zxcvbn's `omnimatch` is not used. It searches words in each part of the text, once for each reading of its l33t
    signs, which takes a second of CPU for 40 signs.
    """
    # Imported here, since the import loads 95,000 words, which a login does not need.
    from zxcvbn.matching import date_match, regex_match, sequence_match, spatial_match

    plain = text.translate(_l33t_signs())
    is_word = plain in _words() or plain[::-1] in _words()
    # A text that is found in its own doubling, without the first and the last character, is a repeated shorter text.
    is_repetition = text in (text + text)[1:-1]
    matches = [*spatial_match(text), *sequence_match(text), *regex_match(text)]
    if len(text) <= _MAX_DATE_LENGTH:
        matches += date_match(text)
    return is_word or is_repetition or any(match["i"] == 0 and match["j"] == len(text) - 1 for match in matches)


@cache
def _words() -> frozenset[str]:
    """Returns the words of zxcvbn's lists, translated by `_l33t_signs`."""
    from zxcvbn.matching import RANKED_DICTIONARIES

    return frozenset(word.translate(_l33t_signs()) for words in RANKED_DICTIONARIES.values() for word in words)


@cache
def _l33t_signs() -> dict[int, str]:
    """Returns a table that maps look-alikes to one letter: `4` and `@` to a; i, l and t share the signs 1 and 7."""
    from zxcvbn.matching import L33T_TABLE

    letters: dict[str, str] = {}
    for letter, signs in L33T_TABLE.items():
        known = next((letters[sign] for sign in signs if sign in letters), letter)
        letters.update(dict.fromkeys((letter, *signs), known))
    return str.maketrans(letters)


def _index_of_first(text: str) -> int:
    """Returns the index of the first letter or digit."""
    return next((index for index, character in enumerate(text) if character.isalnum()), len(text))


def _names(owner: Owner) -> Iterator[str]:
    """Yields the public details of the owner and the names of the shop, as lower-case letters and digits."""
    first, last = owner.first_name, owner.last_name or ""
    known = (first, last, first + last, last + first, *_forms_of_address(owner.email))
    hosts = (urlsplit(settings().public_url).hostname or "", settings().mail_from.rpartition("@")[2])
    forms = [form for host in hosts for form in email_addresses.domain_forms(host)]
    labels = [label for form in forms for label in form.split(".")[:-1]]
    yield from map(_compact, (*known, *forms, *labels))


def _forms_of_address(email: str) -> Iterator[str]:
    """Yields the address and its mailbox, which has no tag: the local part alone, and the whole with each domain form.

    A domain has two forms: letters, and A-labels.
    """
    for address in (email, email_addresses.mailbox(email)):
        local, _, domain = address.rpartition("@")
        yield local
        yield from (f"{local}@{form}" for form in email_addresses.domain_forms(domain))


def _compact(text: str) -> str:
    return "".join(character for character in normalized(text).casefold() if character.isalnum())
