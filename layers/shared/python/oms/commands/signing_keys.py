"""Creates, publishes and rotates the signing key: `python -m oms.commands.signing_keys --stage S [--rotate]`.

It also creates the keys that hash addresses in the audit log.

The secret holds `{"keys": [{kid, private_pem, signs_from}]}`. The parameter holds the public keys as JWKs, each with
`valid_until`. It follows from the secret alone, so the next run completes an interrupted one.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from oms.audit import audit_log
from oms.audit.models import AuditItem
from oms.commands.closed_pipe import run_until_unread
from oms.commands.stacks import ALL_STAGES, acting_on, operator, stage_parser
from oms.core import clock, pseudonyms
from oms.core.secret_store import parameters_client, read_parameter, read_secret, secrets_client
from oms.identity.tokens import ACCESS_TOKEN_SECONDS

PUBLISH_BEFORE_SIGNING_SECONDS = 15 * 60
# The lifetime of a token signed in the key's last second, and a minute for clock differences.
VERIFY_AFTER_SIGNING_SECONDS = ACCESS_TOKEN_SECONDS + 60

type StoredKey = dict[str, Any]
type Jwk = dict[str, Any]
# Called with the action and the new key's kid before that key is stored. An exception prevents the storing.
type Record = Callable[[str, str], None]


def unrecorded(_action: str, _kid: str) -> None:
    pass


def ensure_signing_key(*, secret_name: str, parameter_name: str, record: Record = unrecorded) -> str:
    """The kid of the newest key; creates one if there is none. Also repairs the parameter and removes old keys."""
    keys = _stored_keys(secret_name)
    if not keys:
        # It signs at once, also if the clocks of this machine and of the functions differ.
        new = _new_key(signs_from=0)
        _publish_with(new, parameter_name)
        record("signing-key.created", new["kid"])
        _store([new], secret_name)
        keys = _stored_keys(secret_name)
    _tidy(keys, secret_name, parameter_name)
    return str(keys[-1]["kid"])


def rotate_signing_key(*, secret_name: str, parameter_name: str, record: Record = unrecorded) -> str:
    """The kid of the key that signs next: a new one, or that of a rotation that has not taken effect yet."""
    ensure_signing_key(secret_name=secret_name, parameter_name=parameter_name, record=record)
    keys = _stored_keys(secret_name)
    now = _now()
    if keys[-1]["signs_from"] <= now:
        new = _new_key(signs_from=now + PUBLISH_BEFORE_SIGNING_SECONDS)
        _publish_with(new, parameter_name)
        record("signing-key.rotated", new["kid"])
        _store([*keys, new], secret_name)
        keys = _stored_keys(secret_name)
        _tidy(keys, secret_name, parameter_name)
    return str(keys[-1]["kid"])


def _publish_with(new: StoredKey, parameter_name: str) -> None:
    """Publishes a key before it signs, beside all published ones: if the run ends here, every token can be verified."""
    _publish([*_published(parameter_name), _jwk(new, valid_until=None)], parameter_name)


def _tidy(keys: list[StoredKey], secret_name: str, parameter_name: str) -> None:
    """Publishes the keys of the secret, and removes keys that no valid token can have."""
    now = _now()
    ends = [following["signs_from"] + VERIFY_AFTER_SIGNING_SECONDS for _, following in pairwise(keys)]
    needed = [(key, end) for key, end in zip(keys, [*ends, None], strict=True) if end is None or end > now]
    jwks = [_jwk(key, valid_until=end) for key, end in needed]
    if jwks != _published(parameter_name):
        _publish(jwks, parameter_name)
    if len(needed) < len(keys):
        _store([key for key, _ in needed], secret_name)


def _new_key(*, signs_from: int) -> StoredKey:
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return {"kid": _thumbprint(_coordinates(pem)), "private_pem": pem, "signs_from": signs_from}


def _jwk(key: StoredKey, *, valid_until: int | None) -> Jwk:
    return {
        "kid": key["kid"],
        **_coordinates(key["private_pem"]),
        "use": "sig",
        "alg": "ES256",
        "valid_until": valid_until,
    }


def _coordinates(private_pem: str) -> dict[str, str]:
    private = load_pem_private_key(private_pem.encode(), password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise TypeError("a signing key is not an EC key")
    numbers = private.public_key().public_numbers()
    x, y = (_base64url(coordinate.to_bytes(32)) for coordinate in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def _thumbprint(jwk: dict[str, str]) -> str:
    """RFC 7638: the hash of the required members, sorted, without white space."""
    return _base64url(hashlib.sha256(json.dumps(jwk, sort_keys=True, separators=(",", ":")).encode()).digest())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _stored_keys(secret_name: str) -> list[StoredKey]:
    """Oldest first."""
    return sorted(json.loads(read_secret(secret_name))["keys"], key=lambda key: int(key["signs_from"]))


def _store(keys: list[StoredKey], secret_name: str) -> None:
    secrets_client().put_secret_value(SecretId=secret_name, SecretString=json.dumps({"keys": keys}))


def _published(parameter_name: str) -> list[Jwk]:
    keys: list[Jwk] = json.loads(read_parameter(parameter_name) or '{"keys": []}')["keys"]
    return keys


def _publish(jwks: list[Jwk], parameter_name: str) -> None:
    parameters_client().put_parameter(
        Name=parameter_name, Value=json.dumps({"keys": jwks}), Type="String", Overwrite=True
    )


def _now() -> int:
    return int(clock.now().timestamp())


def _record(action: str, target: str) -> None:
    """Puts the entry before the key is stored: an entry may be about a key that was never stored, but each stored key
    has an entry.
    """
    audit_log.record(audit_log.entry(action, actor_id=operator(), address=None, target=target))


def names_of(stage: str) -> dict[str, str]:
    return {"secret_name": f"oms/{stage}/signing-keys", "parameter_name": f"/oms/{stage}/jwks"}


def address_keys_of(stage: str) -> str:
    """The name of the secret with the keys that hash the addresses in the audit log."""
    return f"oms/{stage}/address-keys"


def main() -> None:
    parser = stage_parser("Creates or rotates the key that signs access tokens.", stages=ALL_STAGES)
    parser.add_argument("--rotate", action="store_true", help="publish a new key that takes over in 15 minutes")
    arguments = parser.parse_args()
    names = names_of(arguments.stage)
    with acting_on(arguments.stage, {AuditItem: "Audit"}):
        before = [key["kid"] for key in _stored_keys(names["secret_name"])]
        make = rotate_signing_key if arguments.rotate else ensure_signing_key
        kid = make(**names, record=_record)
        years = pseudonyms.ensure_keys(secret_name=address_keys_of(arguments.stage), record=_record)
    if years:
        print(f"{years[0]} to {years[-1]}: keys for the addresses of the audit log created")
    if kid in before:
        print(f"{kid}: exists already, and is published")
    elif before:
        print(f"{kid}: created and published; it signs in {PUBLISH_BEFORE_SIGNING_SECONDS // 60} minutes")
    else:
        print(f"{kid}: created and published; it signs from now on")


if __name__ == "__main__":
    run_until_unread(main)
