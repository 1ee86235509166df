"""Authentication by a service key, with one consistent read in place of session and user."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Literal

from oms.core import clock
from oms.core.dynamodb import batch_get
from oms.core.errors import UnauthenticatedError
from oms.core.settings import settings
from oms.service_keys.models import ServiceKey
from oms.service_keys.tokens import PREFIX, KeyToken, is_hash_of


@dataclass(frozen=True)
class ServiceCaller:
    """The service key that sent a request: the actor of its changes, and what it may do.

    `rate_limit` is in requests a minute.
    """

    id: str
    scopes: frozenset[str]
    rate_limit: int
    allowed_addresses: tuple[str, ...]
    role: Literal["service"] = field(default="service", init=False)
    # Keys see the views of the back office.
    is_manager: Literal[True] = field(default=True, init=False)

    def may_be_used_from(self, address: str) -> bool:
        """Whether the key's allowed addresses, if it has any, include this IP address."""
        return not self.allowed_addresses or _contains(self.allowed_addresses, address)


def is_service_key(token: str) -> bool:
    """Whether a bearer token has the prefix of service keys, which no access token has."""
    return token.startswith(PREFIX)


def authenticate_key(text: str) -> ServiceCaller:
    """Returns the caller of a service key. Raises UnauthenticatedError, UnavailableError.

    A text with another form, stage or checksum causes no read. The stored key decides, so a revoked key, an expired one
    and other scopes take effect with the next request.
    """
    token = KeyToken.parse(text)
    if token is None or token.stage != settings().stage:
        raise _refusal()
    place = ServiceKey.copy_key(token.id)
    stored = batch_get(ServiceKey, [place]).get(place)
    if stored is None or not _is_valid(stored, token.secret, clock.now()):
        raise _refusal()
    return ServiceCaller(
        id=stored.id,
        scopes=frozenset(map(str, stored.scopes)),
        rate_limit=stored.rate_limit,
        allowed_addresses=tuple(map(str, stored.allowed_addresses)),
    )


def _refusal() -> UnauthenticatedError:
    """Returns one error for unknown, wrong, expired and revoked keys."""
    return UnauthenticatedError(
        "The service key is invalid, has expired, or was revoked.", challenge='Bearer error="invalid_token"'
    )


def _is_valid(key: ServiceKey, secret: str, now: datetime) -> bool:
    is_current = is_hash_of(key.secret_hash, secret)
    is_previous = is_hash_of(key.previous_hash or "", secret) and now.timestamp() < (key.previous_until or 0)
    return (is_current or is_previous) and key.status == "active" and not key.is_expired(now)


def _contains(networks: tuple[str, ...], address: str) -> bool:
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    return any(ip in network for network in _networks(networks))


@lru_cache(maxsize=1000)
def _networks(networks: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(map(ip_network, networks))
