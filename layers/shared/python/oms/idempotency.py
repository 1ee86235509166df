"""Idempotency: ids drawn from keys, the hash that tells whether a request is the same, the look before a refusal."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel

from oms.clock import encoded, random_id
from oms.dynamodb import last_look, retrying
from oms.errors import IdempotencyKeyReusedError, OmsError, UnavailableError


@dataclass(frozen=True)
class Written[T]:
    """What a write left, and whether an earlier request with the same key had made it."""

    thing: T
    replayed: bool


def keyed_id(user_id: str, route: str, key: str | None) -> str:
    """20 characters of Crockford's base 32 over SHA-256 of [user, route, key]; a random id without a key.

    `route` names method, path and target, so that one key means different things at different places.
    """
    if key is None:
        return random_id()
    digest = hashlib.sha256(json.dumps([user_id, route, key]).encode()).digest()
    return encoded(int.from_bytes(digest) >> 156, 20)


def request_hash(request: BaseModel) -> str:
    """A hash of what the client supplied, in canonical form: `10.00` and `"10.00"` are one amount after validation.

    The tag in front names the scheme, so that a later one can live beside hashes already stored.
    """
    supplied = request.model_dump(mode="json", exclude_unset=True)
    canonical = json.dumps(supplied, sort_keys=True, separators=(",", ":"))
    return "v1:" + hashlib.sha256(canonical.encode()).hexdigest()[:40]


def check_same_request(stored_hash: str, presented_hash: str) -> None:
    if stored_hash != presented_hash:
        raise IdempotencyKeyReusedError


def settle[T](attempt: Callable[[], T], *, made_before: Callable[[], T | None], keyed: bool) -> T:
    """What `attempt` returns, retried while contention passes.

    Before a refusal goes out, `made_before` looks (one consistent read) whether this request has succeeded earlier: an
    answer that was lost must not become "out of stock" or "taken" when the client asks again. Without a key that can
    only be so after a failure whose outcome is unknown.
    """
    try:
        return retrying(attempt)
    except IdempotencyKeyReusedError:
        raise
    except OmsError as refusal:
        if keyed or isinstance(refusal, UnavailableError):
            with last_look():
                earlier = made_before()
            if earlier is not None:
                return earlier
        raise
