"""The client's IP address, directly or from a trusted proxy, and the refusal of requests that bypass the proxy."""

import hmac
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from oms.core.errors import DirectRequestError
from oms.core.secret_store import Reloaded, read_secret
from oms.core.settings import settings

ORIGIN_SECRET = Reloaded(lambda: read_secret(settings().origin_secret))


def require_front(headers: Mapping[str, str]) -> None:
    """Raises DirectRequestError for a request without the origin secret, if the stage has a front that sends it.

    Header names are lower-case.
    """
    if settings().front_required and not _is_from_front(headers):
        raise DirectRequestError


def client_address(source_ip: str, headers: Mapping[str, str]) -> str:
    """Returns the client's IPv4 address, or the /64 of its IPv6 address: providers give a /64 to each subscriber.

    CloudFront's header is trusted only with the secret that CloudFront adds to requests. X-Forwarded-For is never read,
    since any client can set it. Header names are lower-case.
    """
    return _counted(exact_address(source_ip, headers))


def exact_address(source_ip: str, headers: Mapping[str, str]) -> str:
    """Returns the client's whole address, for comparisons with networks; "unknown" if it is not an IP address.

    It is found as `client_address` says. An IPv4 address that is mapped to IPv6 is returned as IPv4.
    """
    ip = _parsed(_viewer(headers) or source_ip)
    if ip is None:
        return "unknown"
    return str(ip.ipv4_mapped if isinstance(ip, IPv6Address) and ip.ipv4_mapped else ip)


def _viewer(headers: Mapping[str, str]) -> str | None:
    """Returns the address that the front has added, or None."""
    if not _is_from_front(headers):
        return None
    if settings().front_required:
        # The stack's front replaces this header in each request: see `infra.console`. It does not write
        # CloudFront-Viewer-Address, so a client could.
        viewer = headers.get("true-client-ip", "")
    else:
        # The form is `ip:port`; IPv6 addresses are in brackets or not.
        viewer = headers.get("cloudfront-viewer-address", "").rpartition(":")[0].strip("[]")
    return viewer if _parsed(viewer) else None


def _is_from_front(headers: Mapping[str, str]) -> bool:
    """Returns whether the request has the origin secret.

    While the secret is rotated, it is the old and the new one, separated by a comma, and either is accepted. The front
    may send both.
    """
    presented = headers.get("x-origin-secret")
    if not presented or not settings().origin_secret:
        return False
    accepted = [secret for secret in ORIGIN_SECRET.get().split(",") if secret]
    return any(_equal(sent, secret) for sent in presented.split(",", 1) for secret in accepted)


def _equal(presented: str, secret: str) -> bool:
    return hmac.compare_digest(presented.encode("utf-8", "replace"), secret.encode())


def _counted(address: str) -> str:
    ip = _parsed(address)
    if ip is None:
        return "unknown"
    return str(IPv6Network((int(ip), 64), strict=False)) if isinstance(ip, IPv6Address) else str(ip)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address)
    except ValueError:
        return None
