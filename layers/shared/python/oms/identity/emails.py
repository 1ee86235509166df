"""E-mail addresses: what is accepted, and when two are the same."""

import re
import unicodedata

# RFC 5321, section 4.5.3.1: octets of a local part and a domain label, and of a path less its angle brackets.
_MAX_BYTES = 254
_MAX_LOCAL = 64
_MAX_LABEL = 63
_FORBIDDEN = re.compile(r'[\s"(),:;<>\[\]\\]')


def fold(email: str) -> str:
    """The form by which an address is unique: `Ada@Example.org` and `ada@example.org` are one."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", email).casefold())


def check(email: str) -> str:
    """The address as given; ValueError if no mail could be sent to it. International names are kept as they are."""
    for form in (email, fold(email)):
        if not is_plausible(form):
            raise ValueError("must be an e-mail address")
    return email


def is_plausible(email: str) -> bool:
    # Categories C and Z: control, format, surrogate and unassigned characters, and every kind of space.
    if _FORBIDDEN.search(email) or any(unicodedata.category(character)[0] in "CZ" for character in email):
        return False
    local, _, domain = email.partition("@")
    labels = domain.split(".")
    return (
        len(email.encode()) <= _MAX_BYTES
        and 0 < len(local.encode()) <= _MAX_LOCAL
        and not (local.startswith(".") or local.endswith(".") or ".." in local)
        and "@" not in domain
        and len(labels) > 1
        and all(_is_label(label) for label in labels)
    )


def _is_label(label: str) -> bool:
    return 0 < len(label.encode()) <= _MAX_LABEL and not (label.startswith("-") or label.endswith("-"))
