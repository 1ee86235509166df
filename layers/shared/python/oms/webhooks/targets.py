"""The targets of webhooks: the rules for their URLs, and for the addresses to which the sender connects.

A host name is resolved once, all its addresses are checked, and the sender connects to a checked address. So it has no
effect if the name changes between check and connection.
"""

import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

# A label of a host name (RFC 1123). The whole name has at most 253 characters.
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.IGNORECASE)
# Resolvers read such a label as a number: decimal, octal and hexadecimal forms of an IPv4 address end in one.
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)

# The special networks that `is_global` alone accepts: https://www.iana.org/assignments/iana-ipv6-special-registry, and
# the same of IPv4.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_SPECIAL_6 = tuple(
    IPv6Network(it) for it in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)
_SPECIAL_4 = tuple(
    IPv4Network(it)
    for it in ("192.0.0.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.175.48.0/24")
)


class ForbiddenTargetError(Exception):
    """A webhook must not use the URL, or an address of its host name; the message says why."""


@dataclass(frozen=True)
class Target:
    """The parts of a URL. `path` includes the query; `host` has no brackets around an IPv6 address."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = _bracketed(self.host)
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


_PORTS = {"https": 443, "http": 80}


def parse(url: str, *, private: bool = False) -> Target:
    """Returns the target of a URL. `private` (the local stage) also allows http and any port.

    Raises ForbiddenTargetError.
    """
    if not url.isascii() or not url.isprintable() or any(character in url for character in ' "<>\\^`{|}'):
        raise ForbiddenTargetError("must be an ASCII URL with special characters percent-encoded")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ForbiddenTargetError("is not a URL") from error
    if parts.scheme not in (("https", "http") if private else ("https",)):
        raise ForbiddenTargetError("must begin with https://")
    if parts.username is not None or parts.password is not None:
        raise ForbiddenTargetError("must not contain a user name or a password")
    if parts.fragment or url.endswith("#"):
        raise ForbiddenTargetError("must not have a fragment")
    if not private and port not in (None, 443):
        raise ForbiddenTargetError("must be on port 443")
    host = _host(parts.hostname or "")
    # Only host and port, without further text in brackets or after them: parsers disagree about its meaning.
    if not re.fullmatch(rf"{re.escape(_bracketed(host))}\.?(:[0-9]*)?", parts.netloc.lower()):
        raise ForbiddenTargetError("must name a host")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port or _PORTS[parts.scheme], path)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _host(host: str) -> str:
    if _literal(host) is not None:
        return host
    name = host.removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ForbiddenTargetError("must name a host")
    if _NUMBER.fullmatch(labels[-1]):
        raise ForbiddenTargetError("must not contain an address in the form of a number")
    return name


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


type Resolve = Callable[[str, int], Sequence[str]]
"""Returns the addresses of a host name, in the order to try them. Raises OSError if it has none."""


def resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def addresses_of(target: Target, *, private: bool = False, resolve: Resolve = resolve) -> list[str]:
    """Returns the addresses of a target, all checked. Raises ForbiddenTargetError for a forbidden one, or OSError."""
    addresses = list(resolve(target.host, target.port))
    for address in addresses:
        if not (is_public(address) or private):
            raise ForbiddenTargetError("resolves to an address that is not public")
    return addresses


def is_public(address: str) -> bool:
    """Whether the address is unicast of the public internet: not private, special, translated or tunnelled."""
    ip = _literal(address.partition("%")[0])
    if ip is None or not ip.is_global or ip.is_multicast or "%" in address:
        return False
    if isinstance(ip, IPv4Address):
        return not ip.is_reserved and not any(ip in network for network in _SPECIAL_4)
    return ip in _GLOBAL_UNICAST and not any(ip in network for network in _SPECIAL_6)
