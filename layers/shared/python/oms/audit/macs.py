"""What is signed, how, and with which key.

The key is in Secrets Manager, by version: the newest signs, and the older ones stay for what they have signed.
"""

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from oms.audit.models import Head, Link
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


def opening_mac(head: Head, keys: Keys) -> str:
    """What the first link of a chain goes on from: by it the chain is bound to that of the day before."""
    return _mac(keys, head.key, ["opening", head.day, head.previous_day, head.previous_mac])


def link_mac(link: Link, keys: Keys) -> str:
    return _mac(keys, link.key, ["link", link.pk, link.sk, link.chain, link.position, link.digest, link.previous])


def head_seal(head: Head, keys: Keys) -> str:
    return _mac(keys, head.key, ["head", *shown(head).values()])


def shown(head: Head) -> dict[str, Any]:
    """What of a head is signed, and goes into its object. Not `next`: that is told by the next head."""
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


def newest(keys: Keys) -> str:
    return max(keys, key=int)


def link_stands(link: Link, keys: Keys) -> bool:
    """Whether a link is as it was signed."""
    return link.key in keys and hmac.compare_digest(link.mac.encode(), link_mac(link, keys).encode())


def head_stands(head: Head, keys: Keys) -> bool:
    return head.key in keys and hmac.compare_digest(head.seal.encode(), head_seal(head, keys).encode())


def _mac(keys: Keys, version: str, content: list[Any]) -> str:
    return hmac.digest(keys[version].encode(), _canonical(content), "sha256").hex()


def _canonical(content: Any) -> bytes:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=lambda it: b64encode(it).decode())
    return text.encode()
