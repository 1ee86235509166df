"""Digests of entries, and MACs of links and heads.

Secrets Manager holds the keys by version: the newest signs, and older ones verify what they have signed.
"""

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from oms.audit.models import ChainHead, ChainLink
from oms.core.secret_store import Reloaded, read_secret
from oms.core.settings import settings
from oms.events.streams import RawItem

type Keys = Mapping[str, str]


def load_keys(secret_name: str) -> Keys:
    keys: Keys = json.loads(read_secret(secret_name))
    return keys


KEYS: Reloaded[Keys] = Reloaded(lambda: load_keys(settings().audit_keys_secret))


def digest(entry: RawItem) -> str:
    """The SHA-256 of an entry as it is stored, with its key and every attribute; the same from table and stream."""
    return hashlib.sha256(_canonical(entry)).hexdigest()


def opening_mac(head: ChainHead, keys: Keys) -> str:
    """The MAC that the first link of a chain follows. It binds the chain to the end of the chain before it."""
    return _mac(keys, head.key, ["opening", head.day, head.previous_day, head.previous_mac])


def link_mac(link: ChainLink, keys: Keys) -> str:
    return _mac(keys, link.key, ["link", link.pk, link.sk, link.chain, link.position, link.digest, link.previous])


def head_seal(head: ChainHead, keys: Keys) -> str:
    return _mac(keys, head.key, ["head", *signed_fields(head).values()])


def signed_fields(head: ChainHead) -> dict[str, Any]:
    """The fields of a head that are signed and stored in its anchor. `next` is not signed: the next head implies it."""
    return {
        "day": head.day,
        "position": head.position,
        "mac": head.mac,
        "previous_day": head.previous_day,
        "previous_mac": head.previous_mac,
        "earliest": head.earliest,
        "latest": head.latest,
        "key": head.key,
    }


def newest_version(keys: Keys) -> str:
    return max(keys, key=int)


def is_authentic_link(link: ChainLink, keys: Keys) -> bool:
    """Whether a link equals what the sealer signed."""
    return link.key in keys and hmac.compare_digest(link.mac.encode(), link_mac(link, keys).encode())


def is_authentic_head(head: ChainHead, keys: Keys) -> bool:
    return head.key in keys and hmac.compare_digest(head.seal.encode(), head_seal(head, keys).encode())


def _mac(keys: Keys, version: str, content: list[Any]) -> str:
    return hmac.digest(keys[version].encode(), _canonical(content), "sha256").hex()


def _canonical(content: Any) -> bytes:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=lambda it: b64encode(it).decode())
    return text.encode()
