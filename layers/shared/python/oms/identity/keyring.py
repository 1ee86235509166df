"""The keys at run time: the one that signs, and those that verify.

Both lists are loaded by age alone. A token that names an unknown key is refused from memory.
"""

import base64
import json
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from oms.core import clock
from oms.core.errors import UnavailableError
from oms.core.secret_store import Reloaded, read_parameter, read_secret
from oms.core.settings import settings

logger = Logger(child=True)
metrics = Metrics()


@dataclass(frozen=True)
class SigningKey:
    kid: str
    private: ec.EllipticCurvePrivateKey
    signs_from: int


@dataclass(frozen=True)
class PublicKey:
    """`valid_until` in epoch seconds; None for the newest key."""

    jwk: dict[str, str]
    key: ec.EllipticCurvePublicKey
    valid_until: int | None

    @property
    def is_valid(self) -> bool:
        return self.valid_until is None or clock.now().timestamp() < self.valid_until


def load_signing() -> tuple[SigningKey, ...]:
    stored = json.loads(read_secret(settings().signing_keys_secret))
    return tuple(SigningKey(key["kid"], _private_key(key["private_pem"]), key["signs_from"]) for key in stored["keys"])


def _private_key(pem: str) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("a signing key is not an EC key")
    return key


def load_public() -> dict[str, PublicKey]:
    stored = json.loads(read_parameter(settings().jwks_parameter) or '{"keys": []}')
    return {key["kid"]: _public_key(key) for key in stored["keys"]}


def _public_key(stored: dict[str, Any]) -> PublicKey:
    jwk = {name: value for name, value in stored.items() if name != "valid_until"}
    x, y = (int.from_bytes(base64.b64decode(jwk[name] + "=", altchars=b"-_", validate=True)) for name in ("x", "y"))
    return PublicKey(jwk, ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key(), stored["valid_until"])


SIGNING = Reloaded(load_signing)
PUBLIC = Reloaded(load_public)


def signing_key() -> SigningKey:
    """The newest key whose time to sign has come. UnavailableError, counted for an alarm, when there is none."""
    now = clock.now().timestamp()
    ready = [key for key in SIGNING.get() if key.signs_from <= now]
    if not ready:
        logger.error("there is no signing key: run `make keys`")
        metrics.add_metric(name="SigningKeyMissing", unit=MetricUnit.Count, value=1)
        raise UnavailableError("Signing in is not set up yet.", retry_after=60)
    return max(ready, key=lambda key: key.signs_from)


def verification_key(kid: str) -> ec.EllipticCurvePublicKey | None:
    public = PUBLIC.get().get(kid)
    return public.key if public and public.is_valid else None


def public_jwks() -> dict[str, list[dict[str, str]]]:
    """The JWK Set (RFC 7517) that others verify access tokens with; without private parts by construction."""
    return {"keys": [public.jwk for public in PUBLIC.get().values() if public.is_valid]}
