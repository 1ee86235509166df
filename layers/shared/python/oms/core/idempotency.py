"""Idempotency: ids derived from keys, hashes that compare requests, and the search for an earlier write."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oms.core.clock import encoded, random_id
from oms.core.errors import ExternalRefTakenError, IdempotencyKeyReusedError, OmsError, UnavailableError
from oms.core.retries import grace_period, retrying

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclass(frozen=True)
class IdempotentResult[T]:
    """The value that a request wrote. `replayed`: an earlier request with the same key wrote it."""

    value: T
    replayed: bool


def keyed_id(user_id: str, route: str, key: str | None) -> str:
    """Returns an id from the SHA-256 of [user, route, key], as 20 characters of base 32; without a key, a random one.

    `route` names the method, the path and the target, so the same key gives another id on another route.
    """
    if key is None:
        return random_id()
    digest = hashlib.sha256(json.dumps([user_id, route, key]).encode()).digest()
    return encoded(int.from_bytes(digest) >> 156, 20)


@dataclass(frozen=True)
class RequestHash:
    """The hash by which a request is compared with the earlier request of the same key.

    The hash `stored` is an attribute of the item that the earlier request created.

    `sent` hashes the fields as sent. `sparse` hashes the shortest equivalent: no fields that repeat a default, and
    unordered lists sorted. `stored` is `v1:<sent>` if both are equal (earlier versions always wrote it), otherwise
    `v2:<sent>:<sparse>`. So a repeated request matches even if defaults or settings have changed.
    """

    sent: str
    sparse: str

    @property
    def stored(self) -> str:
        return f"v1:{self.sent}" if self.sent == self.sparse else f"v2:{self.sent}:{self.sparse}"

    def matches(self, stored: str) -> bool:
        scheme, _, hashes = stored.partition(":")
        if scheme == "v1":
            return hashes in (self.sent, self.sparse)
        sent, _, sparse = hashes.partition(":")
        return scheme == "v2" and (sent == self.sent or sparse == self.sparse)


def request_hash(
    request: "BaseModel",
    *,
    implied: Mapping[str, Any] | None = None,
    unordered: Collection[str] = (),
    null_is_default: bool = True,
) -> RequestHash:
    """Returns the hash of a validated request, in which `10.00` and `"10.00"` are equal.

    `implied` has the values of omitted fields, where these differ from the fields' defaults. `unordered` names the
    lists whose order has no meaning. With `null_is_default` false, null differs from an omitted field, as in a PATCH.
    """
    sent = request.model_dump(mode="json", exclude_unset=True)
    if not null_is_default:
        return RequestHash(_digest(sent), _digest(sent))
    sparse = request.model_dump(mode="json", exclude_unset=True, exclude_defaults=True)
    for name in (implied or {}).keys() & request.model_fields_set:
        sparse[name] = sent[name]
        if sparse[name] in (None, (implied or {})[name]):
            del sparse[name]
    for name in sparse.keys() & set(unordered):
        sparse[name] = sorted(sparse[name])
    return RequestHash(_digest(sent), _digest(sparse))


def _digest(content: dict[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:40]


def check_same_request(stored: str, presented: RequestHash) -> None:
    if not presented.matches(stored):
        raise IdempotencyKeyReusedError


def run_idempotent[T](attempt: Callable[[], T], *, find_previous: Callable[[], T | None], keyed: bool) -> T:
    """Returns the result of `attempt`, and retries it after conflicts and throttling.

    Before it raises an error, it calls `find_previous`, which reads an earlier write of this request by one consistent
    read. So a client that retries after a lost response does not get "out of stock" or "taken". Without a key (`keyed`
    is false), an earlier write is possible only after a failure with an unknown outcome.
    """
    try:
        return retrying(attempt)
    except (ExternalRefTakenError, IdempotencyKeyReusedError):
        raise  # the earlier write was read
    except OmsError as refusal:
        if keyed or isinstance(refusal, UnavailableError):
            with grace_period():
                previous = find_previous()
            if previous is not None:
                return previous
        raise
