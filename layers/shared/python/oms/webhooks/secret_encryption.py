"""Encryption of stored webhook secrets: AES-256-GCM, with keys that only two Lambda functions can read.

Signing needs the plain secret, so a hash is not enough. Each encrypted secret is bound to its subscription: copied to
another item, it cannot be decrypted.
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
    """The key is missing, or the encrypted secret was changed or belongs to another subscription."""


def _load_keys() -> dict[str, str]:
    keys: dict[str, str] = json.loads(read_secret(settings().webhook_keys_secret))
    return keys


KEYS = Reloaded(_load_keys)


def encrypt(secret: str, *, subscription_id: str) -> bytes:
    """Encrypts a secret with the newest key, and returns `<version>.<nonce><ciphertext>`."""
    version = max(KEYS.get(), key=int)
    nonce = os.urandom(_NONCE_BYTES)
    return version.encode() + b"." + nonce + _cipher(version).encrypt(nonce, secret.encode(), subscription_id.encode())


def decrypt(sealed: bytes, *, subscription_id: str) -> str:
    """Decrypts a secret. Raises DecryptionError, or UnavailableError if the keys cannot be read."""
    version, _, rest = sealed.partition(b".")
    nonce, ciphertext = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
    try:
        return _cipher(version.decode()).decrypt(nonce, ciphertext, subscription_id.encode()).decode()
    except (InvalidTag, ValueError, LookupError) as error:
        raise DecryptionError("the secret of the webhook cannot be decrypted") from error


def _cipher(version: str) -> AESGCM:
    return AESGCM(hmac.digest(KEYS.get()[version].encode(), b"oms webhook secrets", "sha256"))
