"""Rows A1 to A5 of the attacks: forged, borrowed, extended and malformed access tokens."""

import base64
import hmac
import json
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from oms.identity import keyring
from tests.support.accounts import Clock
from tests.support.aws_calls import recorded
from tests.support.routes import me, refresh
from tests.support.work import counted


def encode(part: Any) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode(part: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=="))
    return value


def signed(header: Any, claims: Any, key: ec.EllipticCurvePrivateKey | None = None) -> str:
    """Returns a token over any bytes, signed as the system does."""
    text = f"{encode(header)}.{encode(claims)}"
    algorithm = jwt.get_algorithm_by_name("ES256")
    return f"{text}.{encode(algorithm.sign(text.encode(), key or keyring.signing_key().private))}"


class Forge:
    """Creates variants of a valid token. Every test shows first that the unchanged variant is accepted."""

    def __init__(self, token: str) -> None:
        self.header, self.claims = (decode(part) for part in token.split(".")[:2])
        self.signature = token.split(".")[2]
        assert me(signed(self.header, self.claims)).status == 200

    def with_claims(self, **changes: Any) -> str:
        claims = {name: value for name, value in (self.claims | changes).items() if value is not ...}
        return signed(self.header, claims)

    def with_header(self, **changes: Any) -> str:
        header = {name: value for name, value in (self.header | changes).items() if value is not ...}
        return signed(header, self.claims)


@pytest.fixture
def forge(tokens: dict[str, Any]) -> Forge:
    return Forge(tokens["access_token"])


def accepted(tokens: Mapping[Any, str]) -> list[Any]:
    """Returns the names of the tokens that are not refused with a 401."""
    return [name for name, token in tokens.items() if me(token).status != 401]


def test_a01_unsigned_tokens_are_refused(forge: Forge) -> None:
    forged = {
        (alg, signature): f"{encode(forge.header | {'alg': alg})}.{encode(forge.claims)}.{signature}"
        for alg in ("none", "None", "NONE", "nOnE", "", None, 1)
        for signature in ("", forge.signature, encode(bytes(64)))
    }

    assert accepted(forged) == []


def test_a01_the_public_key_is_no_shared_secret(forge: Forge) -> None:
    public = next(iter(keyring.PUBLIC.get().values()))
    secrets = {
        "pem": public.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": public.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "jwk": json.dumps(public.jwk).encode(),
        "raw": public.key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
    }
    forged = {}
    for alg, digest in (("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512"), ("hs256", "sha256")):
        text = f"{encode(forge.header | {'alg': alg})}.{encode(forge.claims)}"
        for form, secret in secrets.items():
            whole = hmac.digest(secret, text.encode(), digest)
            forged |= {(alg, form, len(end)): f"{text}.{encode(end)}" for end in (whole, whole.ljust(64, b"\0"))}

    assert len(forged) > 20
    assert accepted(forged) == []


def test_a01_other_algorithms_are_refused_even_when_signed(forge: Forge) -> None:
    algorithms = ("es256", "ES384", "ES512", "ES256K", "RS256", "EdDSA", ["ES256"], ...)

    assert accepted({str(alg): forge.with_header(alg=alg) for alg in algorithms}) == []


def test_a01_a_signature_of_zeros_or_of_another_key_or_text_is_refused(forge: Forge) -> None:
    text = f"{encode(forge.header)}.{encode(forge.claims)}"
    other_claims = encode(forge.claims | {"role": "admin"})

    for signature in (bytes(64), b"\x00" * 32 + b"\x01" * 32, b"\xff" * 64, bytes(63), bytes(65), bytes(128)):
        assert me(f"{text}.{encode(signature)}").status == 401
    assert me(signed(forge.header, forge.claims, ec.generate_private_key(ec.SECP256R1()))).status == 401
    assert me(f"{encode(forge.header)}.{other_claims}.{forge.signature}").status == 401


HEADER_MEMBERS: list[dict[str, Any]] = [
    {"jwk": {"kty": "EC"}},
    {"jku": "https://evil.example/keys"},
    {"x5u": "https://evil.example/cert"},
    {"x5c": ["MIIB"]},
    {"crit": ["exp"]},
    {"crit": []},
    {"b64": False},
    {"cty": "JWT"},
    *({"kid": kid} for kid in ("unknown", "../../../dev/null", "' OR 1=1", "", None, 1, ["x"], {"x": 1}, ...)),
]


def test_a02_nothing_in_a_header_brings_a_key_or_causes_a_call(forge: Forge) -> None:
    forged = {str(member): forge.with_header(**member) for member in HEADER_MEMBERS}

    with recorded() as calls:
        assert accepted(forged) == []

    assert calls == []


def test_a02_an_embedded_key_is_not_used(forge: Forge) -> None:
    own = ec.generate_private_key(ec.SECP256R1())
    jwk = json.loads(jwt.get_algorithm_by_name("ES256").to_jwk(own.public_key()))

    assert me(signed(forge.header | {"jwk": jwk}, forge.claims, own)).status == 401


def test_a03_refresh_access_and_device_tokens_do_not_replace_each_other(tokens: dict[str, Any]) -> None:
    assert me(tokens["refresh_token"]).status == 401
    assert me(tokens["device_token"]).status == 401
    assert refresh(tokens["device_token"]).status == 401
    assert refresh(tokens["access_token"][:256]).status == 401


def test_a03_a_token_of_another_type_is_refused(forge: Forge) -> None:
    types = ("JWT", "at+JWT", "application/at+jwt", "rt+jwt", "", None, ...)

    assert accepted({typ: forge.with_header(typ=typ) for typ in types}) == []


def test_a03_every_claim_is_required_and_of_its_type(forge: Forge) -> None:
    values = (..., None, "", "other", 1, True, ["oms-api"], {}, 1.5)
    forged = {(claim, str(value)): forge.with_claims(**{claim: value}) for claim in forge.claims for value in values}

    # A jti is free text: with any other, the token stays valid.
    assert accepted(forged) == [("jti", "other")]
    assert len(forged) == 8 * 9


def test_a04_an_end_that_is_no_near_whole_second_is_refused(forge: Forge) -> None:
    ends = ("9999999999", 9999999999, 10**400, 1e300, float("nan"), float("inf"), None, True, "", [], -1, 0)

    assert accepted({str(exp): forge.with_claims(exp=exp) for exp in ends}) == []


def test_a04_a_life_over_an_hour_is_refused(forge: Forge) -> None:
    assert me(forge.with_claims(exp=forge.claims["iat"] + 3601)).status == 401
    assert me(forge.with_claims(iat=forge.claims["iat"] - 1)).status == 401
    assert me(forge.with_claims(exp=forge.claims["iat"])).status == 401


def test_a04_a_token_from_the_future_is_refused(forge: Forge) -> None:
    ahead = forge.claims["iat"] + 60
    forged = {
        "iat": forge.with_claims(iat=ahead, exp=ahead + 1),
        "nbf": forge.with_claims(nbf=ahead),
        "nbf as text": forge.with_claims(nbf=str(forge.claims["iat"])),
    }

    assert accepted(forged) == []
    assert me(forge.with_claims(nbf=forge.claims["iat"])).status == 200


def test_a04_it_ends_to_the_second(tokens: dict[str, Any], frozen: Clock) -> None:
    frozen.advance(seconds=3599)
    assert me(tokens["access_token"]).status == 200
    frozen.advance(seconds=1)
    assert me(tokens["access_token"]).status == 401


def test_a04_repeated_claims_and_members_are_refused(forge: Forge) -> None:
    claims, header = json.dumps(forge.claims), json.dumps(forge.header)
    twice = claims.replace("{", '{"sub": "someone-else", ', 1).encode()

    assert me(signed(forge.header, twice)).status == 401
    assert me(signed(header.replace("{", '{"alg": "ES256", ', 1).encode(), forge.claims)).status == 401


def test_a05_only_the_exact_compact_form_is_read(forge: Forge) -> None:
    good = signed(forge.header, forge.claims)
    header, claims, signature = good.split(".")
    changed = [
        good + "=",
        good + "==",
        f"{header}=.{claims}.{signature}",
        good + "\x00",
        f"{header}. {claims}.{signature}",
        good[:20] + " " + good[20:],
        good[:20] + "\t" + good[20:],
        good[:20] + "\n" + good[20:],
        good + ".",
        "." + good,
        good + ".x",
        f"{header}.{claims}",
        f"{header}.{claims}.",
        f"{header}.{claims}.{signature[:-1]}+",
        "\u0435" + good[1:],
        "",
        "..",
        json.dumps({"payload": claims, "signatures": [{"protected": header, "signature": signature}]}),
    ]

    assert accepted({token: token for token in changed}) == []


def test_a05_hostile_payloads_are_refused_with_little_work(forge: Forge) -> None:
    """As little as a wrong token of their length needs: the signature's check reads each character."""
    with counted() as usual:
        assert me(signed(forge.header, b'{"a":"' + b"x" * 870 + b'"}')).status == 401
    payloads = [
        b"[" * 20_000 + b"]" * 20_000,
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        b"[" * 880,
        b"[" * 440 + b"]" * 440,
        b'{"exp":' + b"9" * 880 + b"}",
        b'{"exp":' + b"9" * 5000 + b"}",
        b'{"exp":1e999999}',
        b"null",
        b"[]",
        b'"text"',
        b"",
        b"\xff\xfe",
        b"{",
    ]
    for payload in payloads:
        for token in (signed(forge.header, payload), signed(payload, forge.claims)):
            with counted() as work:
                assert me(token).status == 401, payload[:20]
            assert work.calls < 2 * usual.calls, payload[:20]
