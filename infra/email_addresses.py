"""The rules for e-mail addresses in settings, the same as in `oms.core.email_addresses`.

The infrastructure does not import the functions' code, so it has its own copy of the rules. A test compares the two.
"""

import re

import idna

# RFC 5321, section 4.5.3.1: of an address, and of its part before the @. A label has at most 63 characters.
_MAX_LENGTH = 254
_MAX_LOCAL = 64
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def is_address(text: str) -> bool:
    """Returns whether SES and SNS accept the text as an address: in ASCII, with A-labels for international domains."""
    local, _, domain = text.rpartition("@")
    labels = domain.split(".")
    return (
        len(text) <= _MAX_LENGTH
        and len(local) <= _MAX_LOCAL
        and _LOCAL.fullmatch(local) is not None
        and len(labels) > 1
        and all(_LABEL.fullmatch(label) for label in labels)
        and ("xn--" not in domain.lower() or _is_international(domain))
    )


def _is_international(domain: str) -> bool:
    """Returns whether the domain's A-labels decode to letters that a domain may have."""
    try:
        idna.encode(domain, uts46=True, std3_rules=True)
    except UnicodeError:  # the base class of IDNAError
        return False
    return True
