"""Where webhooks may go: which URLs are taken, and which addresses a connection may be opened to.

A name is resolved once, all of its addresses are checked, and the connection goes to one that was checked. So a name
that changes between check and connection gains nothing.
"""

import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

# A label of a host name (RFC 1123); the name in all has at most 253 characters.
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.IGNORECASE)
# What resolvers take for a number: decimal, octal and hexadecimal forms of an IPv4 address end in one.
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)

# https://www.iana.org/assignments/iana-ipv6-special-registry and -ipv4-: what `is_global` alone lets pass.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_SPECIAL_6 = tuple(
    IPv6Network(it) for it in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)
_SPECIAL_4 = tuple(
    IPv4Network(it)
    for it in ("192.0.0.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.175.48.0/24")
)


class ForbiddenTargetError(Exception):
    """The URL, or an address that its name has, is not one that webhooks go to; the message says why."""


@dataclass(frozen=True)
class Target:
    """A URL taken apart. `path` holds the query too; `host` is bare, without the brackets of an IPv6 address."""

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
    """The target of a URL. Raises ForbiddenTargetError. `private` (the local stage) takes http and any port as well."""
    if not url.isascii() or not url.isprintable() or any(character in url for character in ' "<>\\^`{|}'):
        raise ForbiddenTargetError("must be a URL in ASCII, with what is special in it escaped")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ForbiddenTargetError("is not a URL") from error
    if parts.scheme not in (("https", "http") if private else ("https",)):
        raise ForbiddenTargetError("must begin with https://")
    if parts.username is not None or parts.password is not None:
        raise ForbiddenTargetError("must not hold a user name or a password")
    if parts.fragment or url.endswith("#"):
        raise ForbiddenTargetError("must not have a fragment")
    if not private and port not in (None, 443):
        raise ForbiddenTargetError("must be on port 443")
    host = _host(parts.hostname or "")
    # Nothing beside host and port, in brackets or behind them: parsers differ in what they make of it.
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
        raise ForbiddenTargetError("must not write an address as a number")
    return name


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


type Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a host name, in the order to try them. OSError when there are none."""


def resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def addresses_of(target: Target, *, private: bool = False, resolve: Resolve = resolve) -> list[str]:
    """The addresses to connect to, all of them checked. Raises ForbiddenTargetError if one is forbidden, OSError."""
    addresses = list(resolve(target.host, target.port))
    for address in addresses:
        if not (is_public(address) or private):
            raise ForbiddenTargetError("leads to an address that is not public")
    return addresses


def is_public(address: str) -> bool:
    """Whether it is unicast of the public internet: neither private, special, translated nor tunnelled."""
    ip = _literal(address.partition("%")[0])
    if ip is None or not ip.is_global or ip.is_multicast or "%" in address:
        return False
    if isinstance(ip, IPv4Address):
        return not ip.is_reserved and not any(ip in network for network in _SPECIAL_4)
    return ip in _GLOBAL_UNICAST and not any(ip in network for network in _SPECIAL_6)
