"""The keys of access tokens: the private key that signs, and the public keys that verify.

Both lists are reloaded by age alone. A token that names an unknown key causes no call: it is refused from memory.
"""

import base64
import json
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from cryptography.hazmat.primitives.asymmetric import ec

from oms.core import clock
from oms.core.errors import UnavailableError
from oms.core.secret_store import Reloaded, read_parameter, read_secret
from oms.core.settings import settings

logger = Logger(child=True)
metrics = Metrics()


@dataclass(frozen=True)
class SigningKey:
    """A private key with its id (`kid`). It signs from `signs_from` (epoch seconds) until a newer key does."""

    kid: str
    private: ec.EllipticCurvePrivateKey
    signs_from: int


@dataclass(frozen=True)
class PublicKey:
    """A public key that verifies until `valid_until`, in epoch seconds; None for the newest key."""

    jwk: dict[str, str]
    key: ec.EllipticCurvePublicKey
    valid_until: int | None

    @property
    def is_valid(self) -> bool:
        return self.valid_until is None or clock.now().timestamp() < self.valid_until


def load_signing() -> tuple[SigningKey, ...]:
    """Reads all private keys from the secret."""
    stored = json.loads(read_secret(settings().signing_keys_secret))
    return tuple(SigningKey(key["kid"], _private_key(key["private_pem"]), key["signs_from"]) for key in stored["keys"])


def _private_key(pem: str) -> ec.EllipticCurvePrivateKey:
    # Imported here, because few functions sign, and it imports all kinds of keys.
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("a signing key is not an EC key")
    return key


def load_public() -> dict[str, PublicKey]:
    """Reads all public keys from the parameter, by key id."""
    stored = json.loads(read_parameter(settings().jwks_parameter) or '{"keys": []}')
    return {key["kid"]: _public_key(key) for key in stored["keys"]}


def _public_key(stored: dict[str, Any]) -> PublicKey:
    jwk = {name: value for name, value in stored.items() if name != "valid_until"}
    x, y = (int.from_bytes(base64.b64decode(jwk[name] + "=", altchars=b"-_", validate=True)) for name in ("x", "y"))
    return PublicKey(jwk, ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key(), stored["valid_until"])


SIGNING = Reloaded(load_signing)
PUBLIC = Reloaded(load_public)


def signing_key() -> SigningKey:
    """Returns the newest key whose `signs_from` has passed. Without one, raises an alarm and UnavailableError."""
    now = clock.now().timestamp()
    ready = [key for key in SIGNING.get() if key.signs_from <= now]
    if not ready:
        logger.error("there is no signing key: run `make keys`")
        metrics.add_metric(name="SigningKeyMissing", unit=MetricUnit.Count, value=1)
        raise UnavailableError("Signing in is not available yet. Try again later.", retry_after=60)
    return max(ready, key=lambda key: key.signs_from)


def verification_key(kid: str) -> ec.EllipticCurvePublicKey | None:
    """Returns the public key of this id; None if it is unknown or no longer valid."""
    public = PUBLIC.get().get(kid)
    return public.key if public and public.is_valid else None


def public_jwks() -> dict[str, list[dict[str, str]]]:
    """Returns the JWK Set (RFC 7517) with which other systems verify access tokens. It has no private keys."""
    return {"keys": [public.jwk for public in PUBLIC.get().values() if public.is_valid]}
