"""The client address of a request, behind a trusted proxy or not."""

import hmac
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from oms.core.secret_store import Reloaded, read_secret
from oms.core.settings import settings

ORIGIN_SECRET = Reloaded(lambda: read_secret(settings().origin_secret))


def client_address(source_ip: str, headers: Mapping[str, str]) -> str:
    """The client's IPv4 address, or the /64 of its IPv6 address, which is what one subscriber is given.

    CloudFront's word for it counts only beside the secret that CloudFront alone adds to requests. Header names are
    lower-case. X-Forwarded-For is never read: anyone can write it.
    """
    return _counted(_viewer(headers) or source_ip)


def _viewer(headers: Mapping[str, str]) -> str | None:
    presented = headers.get("x-origin-secret")
    if not presented or not settings().origin_secret:
        return None
    if not hmac.compare_digest(presented.encode("utf-8", "replace"), ORIGIN_SECRET.get().encode()):
        return None
    # `ip:port`, with IPv6 addresses bare or in brackets.
    viewer = headers.get("cloudfront-viewer-address", "").rpartition(":")[0].strip("[]")
    return viewer if _parsed(viewer) else None


def _counted(address: str) -> str:
    ip = _parsed(address)
    if ip is None:
        return "unknown"
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped:
            return str(ip.ipv4_mapped)
        return str(IPv6Network((int(ip), 64), strict=False))
    return str(ip)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address)
    except ValueError:
        return None
