"""E-mail addresses: the one form that is claimed, stored and mailed to, and the key by which an address is unique."""

import re
import string
import unicodedata
from contextlib import suppress

# RFC 5321, section 4.5.3.1: octets of a path less its angle brackets, of a local part, and of a label.
_MAX_BYTES = 254
_MAX_LOCAL = 64
_MAX_LABEL = 63
# RFC 5321, section 4.1.2: a dot-string. ASCII, since SES has no SMTPUTF8 (RFC 6531):
# https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_Destination.html
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_FORBIDDEN = re.compile(r'[\s"(),:;<>\[\]\\]')
# What an international label begins with (RFC 5890, section 2.3.2.1).
_A_LABEL = "xn--"
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

_REFUSAL = "must be an e-mail address, such as ada@example.org"


def canonical(email: str) -> str:
    """The form of an address that is claimed, stored and mailed to. ValueError for an address without one.

    No white space at its ends; the local part as given, in ASCII; the domain in lower case, its international labels
    as IDNA 2008's A-labels by the non-transitional mapping of UTS #46, so that `ß` stays a letter of its own.
    """
    local, at, domain = email.strip().rpartition("@")
    if not at or len(local) > _MAX_LOCAL:
        raise ValueError(_REFUSAL)
    if local and not local.isascii():
        raise ValueError(f"{_REFUSAL}: before the @ with ASCII characters only, as no mail can be sent to others")
    form = f"{local}@{_in_ascii(domain)}"
    if not _LOCAL.fullmatch(local) or len(form) > _MAX_BYTES:
        raise ValueError(_REFUSAL)
    return form


def fold(email: str) -> str:
    """The key by which an address is unique: the canonical form in lower case.

    Text without a canonical form is kept apart from all keys: only its ASCII letters become lower case.
    """
    try:
        return canonical(email).lower()
    except ValueError:
        return email.strip().translate(_LOWER)


def fold_prefix(beginning: str) -> str:
    """As `fold`, for the beginning of an address: the international labels that it has become A-labels.

    Other text is folded as keys were before `canonical`, by which accounts of that time are found.
    """
    local, at, domain = beginning.strip().partition("@")
    if not domain.isascii():
        with suppress(ValueError):
            domain = _encoded(domain)
    return _fold_wide(f"{local}{at}{domain}")


def mailbox(folded: str) -> str:
    """The key without its tag: what is mailed to `ada+orders@…` is in the mailbox of `ada@…` at most providers."""
    local, at, domain = folded.rpartition("@")
    return f"{local.partition('+')[0] or local}{at}{domain}"


def domain_forms(domain: str) -> set[str]:
    """The domain as it is written, with international labels as A-labels, and with them in letters; where it has these
    forms. A domain of ASCII without such labels has one.
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
    """Whether an account may have this key. Wider than `canonical`: keys are as old as their accounts."""
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
    """The form to send mail to, of an address as it is stored. None if no mail can be sent to it.

    Accounts from before `canonical` have addresses in other forms: see `oms.commands.normalize_addresses`.
    """
    try:
        return canonical(email)
    except ValueError:
        return email if is_plausible(email) else None


def _in_ascii(domain: str) -> str:
    """In lower case, international labels as A-labels. ValueError unless it has two or more valid labels."""
    # UTS #46 drops some invisible characters, so the user cannot see which domain results.
    if any(unicodedata.category(character)[0] in "CZ" for character in domain):
        raise ValueError(_REFUSAL)
    is_plain = domain.isascii() and _A_LABEL not in domain.lower()
    form = domain.lower() if is_plain else _encoded(domain)
    labels = form.split(".")
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(_REFUSAL)
    return form


def _encoded(domain: str) -> str:
    import idna  # its tables take a tenth of a second, which only international domains need

    try:
        return idna.encode(domain, uts46=True, std3_rules=True).decode()
    except UnicodeError as error:  # IDNAError is one
        raise ValueError(_REFUSAL) from error


def _fold_wide(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _is_label(label: str) -> bool:
    return 0 < len(label) <= _MAX_LABEL and not (label.startswith("-") or label.endswith("-"))
