"""Creates, publishes and rotates the signing key: `python -m oms.commands.signing_keys --stage S [--rotate]`.

It also creates the keys that hash addresses in the audit log.

The secret has `{"keys": [{kid, private_pem, signs_from}]}`. The parameter has the public keys as JWKs, each with
`valid_until`. It is derived from the secret alone, so the next run completes an interrupted one.
"""

import base64
import hashlib
import json
from itertools import pairwise
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from oms.audit import audit_log
from oms.audit.models import AuditItem
from oms.commands.closed_pipe import run_until_unread
from oms.commands.stacks import ALL_STAGES, acting_on, operator, stage_parser
from oms.core import clock, pseudonyms
from oms.core.pseudonyms import RecordAction
from oms.core.secret_store import parameters_client, read_parameter, read_secret, secrets_client
from oms.identity.tokens import ACCESS_TOKEN_SECONDS

PUBLISH_BEFORE_SIGNING_SECONDS = 15 * 60
# The lifetime of a token that is signed in the key's last second, plus one minute for clock differences.
VERIFY_AFTER_SIGNING_SECONDS = ACCESS_TOKEN_SECONDS + 60

type StoredKey = dict[str, Any]
type Jwk = dict[str, Any]


def unrecorded(_action: str, _kid: str) -> None:
    pass


def ensure_signing_key(*, secret_name: str, parameter_name: str, record: RecordAction = unrecorded) -> str:
    """Creates a key if there is none, and returns the kid of the newest one. Also repairs the parameter and removes old
    keys.
    """
    keys = _stored_keys(secret_name)
    if not keys:
        # 0 makes it sign immediately, even if the clocks of this machine and of the functions differ.
        new = _new_key(signs_from=0)
        _publish_with(new, parameter_name)
        record("signing-key.created", new["kid"])
        _store([new], secret_name)
        keys = _stored_keys(secret_name)
    _tidy(keys, secret_name, parameter_name)
    return str(keys[-1]["kid"])


def rotate_signing_key(*, secret_name: str, parameter_name: str, record: RecordAction = unrecorded) -> str:
    """Creates the next signing key and returns its kid. If an earlier rotation has not taken effect yet, returns that
    key's kid.
    """
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
    """Publishes a new key beside all published ones, before it signs. So all tokens can be verified even if the run
    ends here.
    """
    _publish([*_published(parameter_name), _jwk(new, valid_until=None)], parameter_name)


def _tidy(keys: list[StoredKey], secret_name: str, parameter_name: str) -> None:
    """Publishes the keys of the secret, and removes keys with which no valid token is signed."""
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
    """Returns the thumbprint of RFC 7638: the hash of the required members, sorted, without white space."""
    return _base64url(hashlib.sha256(json.dumps(jwk, sort_keys=True, separators=(",", ":")).encode()).digest())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _stored_keys(secret_name: str) -> list[StoredKey]:
    """Returns the stored keys, oldest first."""
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
    """Records an audit entry. It is written before the key is stored, so that each stored key has an entry."""
    audit_log.record(audit_log.entry(action, actor_id=operator(), address=None, target=target))


def names_of(stage: str) -> dict[str, str]:
    return {"secret_name": f"oms/{stage}/signing-keys", "parameter_name": f"/oms/{stage}/jwks"}


def address_keys_secret_name(stage: str) -> str:
    """Returns the name of the secret whose keys hash the addresses in the audit log."""
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
        years = pseudonyms.ensure_keys(secret_name=address_keys_secret_name(arguments.stage), record=_record)
    if years:
        print(f"{years[0]} to {years[-1]}: keys for the addresses of the audit log created")
    if kid in before:
        print(f"{kid}: exists already, and is published")
    elif before:
        print(f"{kid}: created and published; it signs in {PUBLISH_BEFORE_SIGNING_SECONDS // 60} minutes")
    else:
        print(f"{kid}: created and published; it signs immediately")


if __name__ == "__main__":
    run_until_unread(main)
