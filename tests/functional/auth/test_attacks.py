"""Rows A1 to A5, A7, A9, A10, A12 and A13 of the catalogue of attacks; A11 and the parallel part of A7 need real
concurrency and stand with the integration tests."""

import base64
import hmac
import json
import time
from collections.abc import Callable, Mapping
from random import Random
from statistics import median
from typing import Any
from unittest.mock import patch

import bcrypt
import jwt
import pytest
from botocore.client import BaseClient
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from auth import handler as session_routes
from auth import passwords as password_routes
from oms.dynamodb import client
from oms.identity import keyring, passwords, service
from oms.identity.models import User, counter_key
from tests.functional.auth.conftest import PASSWORD, Clock, audit_entries, log_in
from tests.functional.auth.wire import recorded
from tests.functional.harness import Answer, invoke

ORIGIN_SECRET = "the-front-door"


@pytest.fixture
def ada(account: Callable[..., User]) -> User:
    return account("ada@example.com")


@pytest.fixture
def tokens(ada: User) -> dict[str, Any]:
    answer: dict[str, Any] = log_in().json
    return answer


def me(token: str) -> Answer:
    return invoke(session_routes, "GET", "/api/v1/auth/me", token=token)


def refresh(token: str) -> Answer:
    return invoke(session_routes, "POST", "/api/v1/auth/refresh", {"refresh_token": token})


def encode(part: Any) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode(part: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=="))
    return value


def signed(header: Any, claims: Any, key: ec.EllipticCurvePrivateKey | None = None) -> str:
    """A token over any bytes at all, signed as ours are."""
    text = f"{encode(header)}.{encode(claims)}"
    algorithm = jwt.get_algorithm_by_name("ES256")
    return f"{text}.{encode(algorithm.sign(text.encode(), key or keyring.signing_key().private))}"


class Forge:
    """Makes variants of a good token. Every test shows first that the untouched variant is accepted."""

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


# ---- tokens ---------------------------------------------------------------------------------------------------------


def accepted(tokens: Mapping[Any, str]) -> list[Any]:
    """The names of the tokens that are not refused with a 401."""
    return [name for name, token in tokens.items() if me(token).status != 401]


def test_a01_unsigned_tokens_are_refused(forge: Forge) -> None:
    forged = {
        (alg, signature): f"{encode(forge.header | {'alg': alg})}.{encode(forge.claims)}.{signature}"
        for alg in ("none", "None", "NONE", "nOnE", "", None, 1)
        for signature in ("", forge.signature, encode(bytes(64)))
    }

    assert accepted(forged) == []


def test_a01_the_public_key_is_no_shared_secret(forge: Forge) -> None:
    public = next(iter(keyring._public.get().values()))
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


def test_a03_refresh_access_and_device_tokens_do_not_stand_for_each_other(tokens: dict[str, Any]) -> None:
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

    # A jti is free text: with any other, the token is as good as it was.
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


def test_a05_hostile_payloads_are_refused_quickly(forge: Forge) -> None:
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
            started = time.process_time()
            assert me(token).status == 401, payload[:20]
            assert time.process_time() - started < 0.1, payload[:20]


# ---- refresh --------------------------------------------------------------------------------------------------------


def test_a07_a_replay_after_the_grace_ends_the_family_and_is_audited(
    ada: User, tokens: dict[str, Any], frozen: Clock
) -> None:
    renewed = refresh(tokens["refresh_token"]).json
    frozen.advance(seconds=10)

    assert refresh(tokens["refresh_token"]).status == 401

    assert refresh(renewed["refresh_token"]).status == 401
    assert me(renewed["access_token"]).status == 401
    replay = audit_entries()[-1]
    assert (replay.action, replay.outcome, replay.actor_id) == ("refresh-token.replayed", "failure", ada.id)
    assert replay.address == "198.51.100.1"


def test_a07_a_grandparent_within_the_grace_ends_the_family(tokens: dict[str, Any], frozen: Clock) -> None:
    child = refresh(tokens["refresh_token"]).json["refresh_token"]
    grandchild = refresh(child).json["refresh_token"]
    frozen.advance(seconds=1)

    assert refresh(tokens["refresh_token"]).status == 401

    assert refresh(grandchild).status == 401
    assert audit_entries()[-1].action == "refresh-token.replayed"


def test_a07_a_replay_at_logout_ends_the_family_too(tokens: dict[str, Any], frozen: Clock) -> None:
    renewed = refresh(tokens["refresh_token"]).json
    frozen.advance(seconds=10)

    body = {"refresh_token": tokens["refresh_token"]}
    assert invoke(session_routes, "POST", "/api/v1/auth/logout", body).status == 401
    assert me(renewed["access_token"]).status == 401


def test_a07_a_dead_family_is_not_audited_again(tokens: dict[str, Any], frozen: Clock) -> None:
    refresh(tokens["refresh_token"])
    frozen.advance(seconds=10)

    for _ in range(3):
        refresh(tokens["refresh_token"])

    assert [entry.action for entry in audit_entries()].count("refresh-token.replayed") == 1


# ---- passwords ------------------------------------------------------------------------------------------------------


@pytest.fixture
def all_kinds(full_cost: None, account: Callable[..., User]) -> dict[str, str]:
    """An e-mail address for each kind of account that a wrong password may meet."""
    hashed = service.passwords.make_hash(PASSWORD)
    as_stored = {"password_hash": hashed.text, "pepper_version": hashed.pepper_version}
    account("known@example.com", **as_stored)
    account("locked@example.com", **as_stored)
    account("disabled@example.com", **as_stored, status="disabled")
    for number in range(5):
        log_in("locked@example.com", "wrong", address=f"203.0.113.{number}")
    return {kind: f"{kind}@example.com" for kind in ("known", "unknown", "locked", "disabled")}


def test_a09_every_kind_of_failure_answers_alike_and_costs_one_bcrypt(all_kinds: dict[str, str]) -> None:
    answers = {}
    for kind, email in all_kinds.items():
        with patch.object(bcrypt, "checkpw", wraps=bcrypt.checkpw) as compared, recorded() as calls:
            answer = log_in(email, "wrong", address="203.0.113.70")
        answers[kind] = (answer.status, answer.text, str(sorted(answer.headers)), tuple(calls))
        assert compared.call_count == 1
        assert compared.call_args.args[1].startswith(b"$2b$12$")

    assert len(set(answers.values())) == 1, answers
    assert answers["known"][0] == 401


def test_a09_the_right_password_of_a_locked_or_disabled_account_changes_nothing(all_kinds: dict[str, str]) -> None:
    wrong = log_in(all_kinds["unknown"], PASSWORD, address="203.0.113.50")

    for kind in ("locked", "disabled"):
        answer = log_in(all_kinds[kind], PASSWORD, address="203.0.113.51")
        assert (answer.status, answer.text) == (wrong.status, wrong.text)


def test_a09_the_time_of_an_answer_tells_no_kind_from_another(all_kinds: dict[str, str]) -> None:
    """All kinds make the same calls and one bcrypt of one cost, as the test above shows; how long those take is noise
    here. The time of everything else may differ by 5 % of a bcrypt."""
    elsewhere: list[float] = []

    def timed(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            started = time.process_time()
            try:
                return real(*arguments)
            finally:
                elsewhere.append(time.process_time() - started)

        return call

    checkpw, call_aws = timed(bcrypt.checkpw), timed(BaseClient._make_api_call)  # type: ignore[attr-defined]
    own: dict[str, list[float]] = {kind: [] for kind in all_kinds}
    for round_ in range(5):
        forget_failures(all_kinds["known"])  # or it would be locked by and by
        for kind in Random(round_).sample(sorted(all_kinds), len(all_kinds)):
            elsewhere.clear()
            started = time.process_time()
            with patch.object(bcrypt, "checkpw", checkpw), patch.object(BaseClient, "_make_api_call", call_aws):
                log_in(all_kinds[kind], "wrong", address=f"192.0.2.{round_}")
            own[kind].append(time.process_time() - started - sum(elsewhere))

    medians = {kind: median(times) for kind, times in own.items()}
    assert max(medians.values()) - min(medians.values()) < 0.05 * max(elsewhere), medians


def forget_failures(email: str) -> None:
    pk, sk = counter_key(passwords.email_digest(email))
    client().delete_item(TableName="identity", Key={"pk": {"S": pk}, "sk": {"S": sk}})


@pytest.mark.parametrize(
    ("password", "status"),
    [
        ("p" * 72, 201),
        ("p" * 73, 201),
        ("p" * 128, 201),
        ("p" * 129, 422),
        ("p" * 1000, 422),
        ("\U0001f511" * 128, 201),
        ("nul\x00inside", 201),
        ("\x00" * 8, 201),
        ("cafe\u0301 cre\u0300me", 201),
        ("        ", 201),
    ],
)
def test_a10_any_password_is_hashed_whole_or_refused(cloud: None, password: str, status: int) -> None:
    body = {"email": "ada@example.com", "password": password, "first_name": "Ada"}

    assert invoke(password_routes, "POST", "/api/v1/auth/register", body).status == status

    assert log_in(password=password).status == (200 if status == 201 else 401)
    for other in {password + "x", password[:-1], password[:72], password.partition("\x00")[0]} - {password}:
        assert log_in(password=other, address="198.51.100.9").status == 401


def test_a10_composed_and_decomposed_input_is_one_password(cloud: None) -> None:
    body = {"email": "ada@example.com", "password": "caf\u00e9 cr\u00e8me", "first_name": "Ada"}
    invoke(password_routes, "POST", "/api/v1/auth/register", body)

    assert log_in(password="cafe\u0301 cre\u0300me").status == 200


def test_a10_what_bcrypt_sees_is_short_and_free_of_nul(cloud: None) -> None:
    for password in ("p" * 1000, "\x00" * 100, "\U0001f511" * 128):
        peppered = passwords._peppered(password, "1")
        assert len(peppered) == 64
        assert b"\x00" not in peppered


def test_a12_a_stranger_cannot_lock_the_owner_out(ada: User) -> None:
    device_token = log_in().json["device_token"]
    for number in range(20):
        log_in(password="wrong", address=f"203.0.113.{number}")

    assert log_in(address="198.51.100.2").status == 401
    assert log_in(address="198.51.100.2", device_token=device_token).status == 200


# ---- addresses ------------------------------------------------------------------------------------------------------


def registrations_until_refused(**options: Any) -> int:
    for number in range(8):
        body = {"email": f"u{number}@example.com", "password": PASSWORD, "first_name": "U"}
        headers = {name: value.format(number=number) for name, value in options.get("headers", {}).items()}
        address = options.get("address", "198.51.100.1").format(number=number)
        answer = invoke(password_routes, "POST", "/api/v1/auth/register", body, headers=headers, address=address)
        if answer.status == 429:
            return number
    return 8


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "203.0.113.{number}"},
        {"Forwarded": "for=203.0.113.{number}"},
        {"X-Real-IP": "203.0.113.{number}"},
        {"CloudFront-Viewer-Address": "203.0.113.{number}:443"},
        {"CloudFront-Viewer-Address": "203.0.113.{number}:443", "X-Origin-Secret": "guess"},
        {"CloudFront-Viewer-Address": "203.0.113.{number}:443", "X-Origin-Secret": ""},
        {"CloudFront-Viewer-Address": "203.0.113.{number}:443", "X-Origin-Secret": ORIGIN_SECRET + "x"},
        {"CloudFront-Viewer-Address": "203.0.113.{number}:443", "X-Origin-Secret": "gu\u00e9ss"},
        {"CloudFront-Viewer-Address": "nonsense {number}", "X-Origin-Secret": ORIGIN_SECRET},
        {
            "CloudFront-Viewer-Address": "203.0.113.7:{number}443",
            "X-Origin-Secret": ORIGIN_SECRET,
            "X-Forwarded-For": "203.0.113.{number}",
        },
    ],
)
def test_a13_forged_addresses_count_for_the_same_client(cloud: None, headers: dict[str, str]) -> None:
    assert registrations_until_refused(headers=headers) == 5


def test_a13_behind_the_front_each_viewer_counts_alone(cloud: None) -> None:
    headers = {"CloudFront-Viewer-Address": "203.0.113.{number}:443", "X-Origin-Secret": ORIGIN_SECRET}

    assert registrations_until_refused(headers=headers) == 8


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("2001:db8:1:2::{number}", 5), ("2001:db8:1:{number}::1", 8), ("::ffff:198.51.100.1{number}", 8)],
)
def test_a13_an_ipv6_client_counts_by_its_64(cloud: None, address: str, allowed: int) -> None:
    assert registrations_until_refused(address=address) == allowed


def test_a13_the_origin_secret_is_not_fetched_for_those_who_show_none(cloud: None) -> None:
    with recorded() as calls:
        registrations_until_refused(headers={"CloudFront-Viewer-Address": "203.0.113.{number}:443"})

    assert not [call for call in calls if call.startswith("secretsmanager")]
    assert client().scan(TableName="identity")["Count"] > 0
