"""Webhook secrets at rest: AES-256-GCM under a key that only the functions that show or use them can read.

The secret must be had in the clear to sign, so a hash will not do. Bound to its subscription, a sealed secret that is
copied to another item opens nowhere.
"""

import hmac
import json
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from oms.core.secret_store import Reloaded, read_secret
from oms.core.settings import settings

_NONCE_BYTES = 12


class DecryptionError(Exception):
    """A sealed secret whose key is not there, that is another subscription's, or was changed."""


def _load_keys() -> dict[str, str]:
    keys: dict[str, str] = json.loads(read_secret(settings().webhook_keys_secret))
    return keys


KEYS = Reloaded(_load_keys)


def seal(secret: str, *, subscription_id: str) -> bytes:
    """`<version>.<nonce><ciphertext>`, under the newest key."""
    version = max(KEYS.get(), key=int)
    nonce = os.urandom(_NONCE_BYTES)
    return version.encode() + b"." + nonce + _cipher(version).encrypt(nonce, secret.encode(), subscription_id.encode())


def unseal(sealed: bytes, *, subscription_id: str) -> str:
    """Raises DecryptionError; UnavailableError while no key can be had."""
    version, _, rest = sealed.partition(b".")
    nonce, ciphertext = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
    try:
        return _cipher(version.decode()).decrypt(nonce, ciphertext, subscription_id.encode()).decode()
    except (InvalidTag, ValueError, LookupError) as error:
        raise DecryptionError("the secret of the webhook cannot be opened") from error


def _cipher(version: str) -> AESGCM:
    return AESGCM(hmac.digest(KEYS.get()[version].encode(), b"oms webhook secrets", "sha256"))
