"""Request and response schemas of the routes for service keys."""

from ipaddress import IPv6Network, ip_network
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints

from oms.core import clock
from oms.core.schemas import NextCursor, PartialRequest, Request, Response, Timestamp, To, VisibleText, at_second
from oms.service_keys import scopes
from oms.service_keys.models import ServiceKey

MAX_ADDRESSES = 20
DEFAULT_RATE_LIMIT, MAX_RATE_LIMIT = 6_000, 100_000


def _network(text: str) -> str:
    """Returns the network in its canonical form. A single address is a network too."""
    words = "must be a network such as 192.0.2.0/24 or 2001:db8::/32, or one address"
    try:
        network = ip_network(text)
    except ValueError:
        raise ValueError(words) from None
    if isinstance(network, IPv6Network) and ("%" in text or network.network_address.ipv4_mapped):
        raise ValueError(words)
    return str(network)


def _each_once[T](values: list[T]) -> list[T]:
    return list(dict.fromkeys(values))


def _later(text: str) -> str:
    if clock.instant(text) <= clock.now():
        raise ValueError("must be in the future")
    return text


type Scope = Annotated[scopes.Scope, Field(description="A group of operations that a service key may call.")]
Name = Annotated[str, VisibleText(100)]
Scopes = Annotated[list[Scope], Field(min_length=1), AfterValidator(_each_once)]
ExpiresAt = Annotated[To, AfterValidator(_later)]
RateLimit = Annotated[int, Field(ge=1, le=MAX_RATE_LIMIT)]
AllowedAddresses = Annotated[
    list[Annotated[str, StringConstraints(max_length=49), AfterValidator(_network)]],
    Field(max_length=MAX_ADDRESSES),
    AfterValidator(_each_once),
]

_NAME = "The name of the system that uses the key."
_BY_DEFAULT = f" The default is {DEFAULT_RATE_LIMIT:,}."
_SCOPES = "The operations that the key may call: each names its scope."
_EXPIRES_AT = "When the key expires; a date includes that whole day in the shop's time zone. Null: it does not expire."
_RATE_LIMIT = "The number of requests in a minute."
_ALLOWED_ADDRESSES = (
    "The networks (CIDR) from which the key may be used, of IPv4 or IPv6. Empty: it may be used from any address."
)
_NETWORKS = [["192.0.2.0/24"]]


class CreateServiceKeyRequest(Request):
    """A new service key."""

    name: Name = Field(description=_NAME, examples=["Warehouse"])
    scopes: Scopes = Field(description=_SCOPES, examples=[["orders:read", "orders:manage"]])
    expires_at: ExpiresAt | None = Field(None, description=_EXPIRES_AT)
    rate_limit: RateLimit = Field(DEFAULT_RATE_LIMIT, description=_RATE_LIMIT + _BY_DEFAULT, examples=[600])
    allowed_addresses: AllowedAddresses = Field(
        default_factory=list, description=_ALLOWED_ADDRESSES, examples=_NETWORKS
    )


class UpdateServiceKeyRequest(PartialRequest):
    """Fields to change. Omitted fields are unchanged; `expires_at: null` removes the expiry."""

    name: Name = Field(default_factory=str, description=_NAME, examples=["Warehouse"])
    scopes: Scopes = Field(default_factory=list, description=_SCOPES, examples=[["orders:read"]])
    expires_at: ExpiresAt | None = Field(None, description=_EXPIRES_AT)
    rate_limit: RateLimit = Field(default_factory=lambda: DEFAULT_RATE_LIMIT, description=_RATE_LIMIT, examples=[600])
    allowed_addresses: AllowedAddresses = Field(
        default_factory=list, description=_ALLOWED_ADDRESSES, examples=_NETWORKS
    )
    status: Literal["active", "disabled"] = Field(
        default_factory=lambda: "active",
        description="`disabled`: requests with the key are refused until it is active again.",
        examples=["disabled"],
    )


type ServiceKeyStatus = Annotated[
    Literal["active", "disabled", "expired"], Field(description="Whether a service key can be used: `active` ones can.")
]


class ServiceKeyResponse(Response):
    """A service key, without its secret."""

    id: str = Field(description="The id, which is also a part of the key.", examples=["0C8Z4V6T2R9QKX1M5N7P"])
    name: str = Field(description=_NAME, examples=["Warehouse"])
    scopes: list[Scope] = Field(description=_SCOPES, examples=[["orders:read", "orders:manage"]])
    status: ServiceKeyStatus = Field(description="Whether the key can be used.")
    expires_at: Timestamp | None = Field(description="When the key expires; null if it does not.")
    rate_limit: int = Field(description=_RATE_LIMIT, examples=[6000])
    allowed_addresses: list[str] = Field(description=_ALLOWED_ADDRESSES, examples=_NETWORKS)
    previous_valid_until: Timestamp | None = Field(
        description="Until when the secret before the latest rotation is valid too; null if it is not."
    )
    last_used_at: Timestamp | None = Field(
        description="When the key was last used, to ten minutes; null if it was never used."
    )
    version: int = Field(description="The version, which each change raises; also in the `ETag`.", examples=[1])
    created_at: Timestamp = Field(description="When the key was created.")
    created_by: str = Field(
        description="The id of the admin who created it, or `system` for an operator. The key remains valid if the "
        "account is disabled.",
        examples=["YVT65M7QNAW9TXAQ7PHA"],
    )
    updated_at: Timestamp = Field(description="When the key last changed.")

    @classmethod
    def of(cls, key: ServiceKey, *, last_used: int | None) -> Self:
        """Returns the response. `last_used` is in epoch seconds.

        A scope of a later version, which was rolled back, is left out: this version has no operation for it.
        """
        now = clock.now()
        overlaps = key.previous_until is not None and now.timestamp() < key.previous_until
        return cls.model_validate(
            {
                **{name: getattr(key, name) for name in _SHOWN},
                "scopes": [scope for scope in key.scopes if scope in scopes.SCOPES],
                "status": "expired" if key.status == "active" and key.is_expired(now) else key.status,
                "expires_at": _time(key.valid_until),
                "previous_valid_until": _time(key.previous_until) if overlaps else None,
                "last_used_at": _time(last_used),
            }
        )


# The fields whose values are those of the stored key.
_SHOWN = (
    *("id", "name", "rate_limit", "allowed_addresses"),
    *("version", "created_at", "created_by", "updated_at"),
)


def _time(epoch_seconds: int | None) -> str | None:
    return None if epoch_seconds is None else at_second(epoch_seconds)


class CreatedServiceKeyResponse(ServiceKeyResponse):
    """The new service key, with its text."""

    key: str = Field(
        description="The key to send as `Authorization: Bearer <key>`. Only this response has it.",
        examples=["oms_prod_0C8Z4V6T2R9QKX1M5N7P_4Xq9…"],
    )


class RotatedServiceKeyResponse(Response):
    """The new text of a service key."""

    key: str = Field(
        description="The key to send from now on. Only this response has it.",
        examples=["oms_prod_0C8Z4V6T2R9QKX1M5N7P_7Bw2…"],
    )
    previous_valid_until: Timestamp = Field(description="Until when the previous key is valid too.")


class ServiceKeyPage(Response):
    """A page of service keys, newest first."""

    items: list[ServiceKeyResponse] = Field(description="The service keys of this page.")
    next_cursor: NextCursor
