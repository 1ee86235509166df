"""Digests of entries, and MACs of links and heads.

Secrets Manager has the keys by version: the newest one signs, and older ones verify their earlier signatures.
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

type SealKeys = Mapping[str, str]


def load_seal_keys(secret_name: str) -> SealKeys:
    keys: SealKeys = json.loads(read_secret(secret_name))
    return keys


KEYS: Reloaded[SealKeys] = Reloaded(lambda: load_seal_keys(settings().audit_keys_secret))


def digest(entry: RawItem) -> str:
    """Returns the SHA-256 of a stored entry, with its key and all attributes. It is the same for the table and the
    stream.
    """
    return hashlib.sha256(_canonical(entry)).hexdigest()


def opening_mac(head: ChainHead, keys: SealKeys) -> str:
    """Returns the MAC that the first link of a chain follows. It binds the chain to the end of the chain before it."""
    return _mac(keys, head.key, ["opening", head.day, head.previous_day, head.previous_mac])


def link_mac(link: ChainLink, keys: SealKeys) -> str:
    return _mac(keys, link.key, ["link", link.pk, link.sk, link.chain, link.position, link.digest, link.previous])


def head_seal(head: ChainHead, keys: SealKeys) -> str:
    return _mac(keys, head.key, ["head", *signed_fields(head).values()])


def signed_fields(head: ChainHead) -> dict[str, Any]:
    """Returns the fields of a head that are signed and stored in its anchor. `next` is not signed, since the next head
    has it.
    """
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


def newest_version(keys: SealKeys) -> str:
    return max(keys, key=int)


def is_authentic_link(link: ChainLink, keys: SealKeys) -> bool:
    """Returns whether a link equals the one that the sealer signed."""
    return link.key in keys and hmac.compare_digest(link.mac.encode(), link_mac(link, keys).encode())


def is_authentic_head(head: ChainHead, keys: SealKeys) -> bool:
    return head.key in keys and hmac.compare_digest(head.seal.encode(), head_seal(head, keys).encode())


def _mac(keys: SealKeys, version: str, content: list[Any]) -> str:
    return hmac.digest(keys[version].encode(), _canonical(content), "sha256").hex()


def _canonical(content: Any) -> bytes:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=lambda value: b64encode(value).decode())
    return text.encode()
