"""Idempotency: ids derived from keys, hashes that compare requests, and the look for an earlier write."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from oms.core.clock import encoded, random_id
from oms.core.dynamodb import grace_period, retrying
from oms.core.errors import IdempotencyKeyReusedError, OmsError, UnavailableError


@dataclass(frozen=True)
class IdempotentResult[T]:
    """What a request wrote; `replayed` if an earlier request with the same key wrote it."""

    value: T
    replayed: bool


def keyed_id(user_id: str, route: str, key: str | None) -> str:
    """20 characters of Crockford's base 32 over SHA-256 of [user, route, key]; a random id without a key.

    `route` names method, path and target, so that one key means different things at different places.
    """
    if key is None:
        return random_id()
    digest = hashlib.sha256(json.dumps([user_id, route, key]).encode()).digest()
    return encoded(int.from_bytes(digest) >> 156, 20)


@dataclass(frozen=True)
class RequestHash:
    """Tells whether a request is the same as one that was carried out: `stored` is kept with what that one made.

    `sent` is of what the client sent, `sparse` of the least that means the same: without fields that only spell out a
    default, and with what has no order in one. Stored is `v1:<sent>` where both are one, as the versions before wrote
    it of every request, and `v2:<sent>:<sparse>` otherwise. What was sent once stays the same request when defaults
    and settings change.
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
    request: BaseModel, *, implied: Mapping[str, Any] | None = None, unordered: Collection[str] = ()
) -> RequestHash:
    """The hash of a validated request: `10.00` and `"10.00"` are one amount by then.

    `implied` has the values that fields have if they are not sent, where these are not the fields' defaults;
    `unordered` names the lists whose order means nothing.
    """
    sent = request.model_dump(mode="json", exclude_unset=True)
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
    """Returns the result of `attempt`, retried while contention passes.

    Before a refusal is answered, `find_previous` looks (one consistent read) for what this request wrote earlier: an
    answer that was lost must not become "out of stock" or "taken" when the client retries. Without a key (`keyed`) an
    earlier write is possible only after a failure whose outcome is unknown.
    """
    try:
        return retrying(attempt)
    except IdempotencyKeyReusedError:
        raise
    except OmsError as refusal:
        if keyed or isinstance(refusal, UnavailableError):
            with grace_period():
                previous = find_previous()
            if previous is not None:
                return previous
        raise
