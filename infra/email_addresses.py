"""E-mail addresses of the settings, by the rules of `oms.core.email_addresses`: the functions refuse what this refuses.

The infrastructure does not import the functions' code, so the rules stand here too; a test compares the two.
"""

import re

import idna

# RFC 5321, section 4.5.3.1: of an address, and of what is before the @. A label has 63 characters at most.
_MAX_LENGTH = 254
_MAX_LOCAL = 64
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def is_address(text: str) -> bool:
    """Whether it is an address in ASCII, which is the form that SES and SNS take: international domains as A-labels."""
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
    """Whether its A-labels are of letters that a domain may have."""
    try:
        idna.encode(domain, uts46=True, std3_rules=True)
    except UnicodeError:  # IDNAError is one
        return False
    return True
