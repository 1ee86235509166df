"""E-mail addresses: the canonical form, which is stored and mailed to, and the folded form, which must be unique."""

import re
import string
import unicodedata
from contextlib import suppress

# RFC 5321, section 4.5.3.1: bytes of a path without its angle brackets, of a local part, and of a label.
_MAX_BYTES = 254
_MAX_LOCAL = 64
_MAX_LABEL = 63
# RFC 5321, section 4.1.2: a dot-string. ASCII, since SES has no SMTPUTF8 (RFC 6531):
# https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_Destination.html
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_FORBIDDEN = re.compile(r'[\s"(),:;<>\[\]\\]')
# The prefix of an international label (RFC 5890, section 2.3.2.1).
_A_LABEL = "xn--"
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

_REFUSAL = "must be an e-mail address, such as ada@example.org"


def canonical(email: str) -> str:
    """Returns the canonical form of an address, which is stored and mailed to. Raises ValueError for an invalid
    address.

    White space at the ends is removed. The local part must be ASCII and is unchanged. The domain becomes lower case.
    Its international labels become IDNA 2008's A-labels, by the non-transitional mapping of UTS #46: `ß` does not
    become `ss`.
    """
    local, at, domain = email.strip().rpartition("@")
    if not at or len(local) > _MAX_LOCAL:
        raise ValueError(_REFUSAL)
    if local and not local.isascii():
        raise ValueError(f"{_REFUSAL}, with only ASCII characters before the @")
    form = f"{local}@{_in_ascii(domain)}"
    if not _LOCAL.fullmatch(local) or len(form) > _MAX_BYTES:
        raise ValueError(_REFUSAL)
    return form


def fold(email: str) -> str:
    """Returns the key by which an address is unique: the canonical form in lower case.

    For text without a canonical form, only ASCII letters become lower case, so the result equals no key.
    """
    try:
        return canonical(email).lower()
    except ValueError:
        return email.strip().translate(_LOWER)


def fold_prefix(beginning: str) -> str:
    """Returns `fold` of the beginning of an address: its complete international labels become A-labels.

    Other text is folded as keys were before `canonical` existed, to find the accounts of that time.
    """
    local, at, domain = beginning.strip().partition("@")
    if not domain.isascii():
        with suppress(ValueError):
            domain = _encoded(domain)
    return _fold_wide(f"{local}{at}{domain}")


def mailbox(folded: str) -> str:
    """Returns the key without its tag: at most providers, `ada+orders@…` delivers to the mailbox of `ada@…`."""
    local, at, domain = folded.rpartition("@")
    return f"{local.partition('+')[0] or local}{at}{domain}"


def domain_forms(domain: str) -> set[str]:
    """Returns the forms of a domain: as written, with A-labels, and with letters instead of A-labels.

    An ASCII domain without international labels has one form.
    """
    if domain.isascii() and _A_LABEL not in domain.lower():
        return {domain}
    import idna  # as in `_encoded`

    forms = {domain}
    with suppress(ValueError):
        forms.add(_encoded(domain))
    with suppress(UnicodeError):
        forms.add(idna.decode(domain, uts46=True))
    return forms


def is_plausible(folded: str) -> bool:
    """Returns whether an account may have this key.

    It allows more than `canonical`, since old accounts have old keys.
    """
    if not folded.isascii() or _FORBIDDEN.search(folded) or not folded.isprintable():
        return False
    local, _, domain = folded.partition("@")
    labels = domain.split(".")
    return (
        len(folded) <= _MAX_BYTES
        and 0 < len(local) <= _MAX_LOCAL
        and not (local.startswith(".") or local.endswith(".") or ".." in local)
        and "@" not in domain
        and len(labels) > 1
        and all(_is_label(label) for label in labels)
    )


def deliverable(email: str) -> str | None:
    """Returns the form of a stored address to which mail is sent, or None if no mail can be sent to it.

    Accounts that are older than `canonical` have addresses in other forms: see `oms.commands.normalize_addresses`.
    """
    try:
        return canonical(email)
    except ValueError:
        return email if is_plausible(email) else None


def _in_ascii(domain: str) -> str:
    """Returns the domain in lower case, with A-labels. Raises ValueError unless it has two or more valid labels."""
    # UTS #46 drops some invisible characters, so the user would not see which domain results.
    if any(unicodedata.category(character)[0] in "CZ" for character in domain):
        raise ValueError(_REFUSAL)
    is_plain = domain.isascii() and _A_LABEL not in domain.lower()
    form = domain.lower() if is_plain else _encoded(domain)
    labels = form.split(".")
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(_REFUSAL)
    return form


def _encoded(domain: str) -> str:
    import idna  # here, because loading its tables takes 0.1 s and only international domains need them

    try:
        return idna.encode(domain, uts46=True, std3_rules=True).decode()
    except UnicodeError as error:  # IDNAError is one
        raise ValueError(_REFUSAL) from error


def _fold_wide(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _is_label(label: str) -> bool:
    return 0 < len(label) <= _MAX_LABEL and not (label.startswith("-") or label.endswith("-"))
