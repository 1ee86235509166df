import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import jwt
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from auth import handler as session_routes
from docs import handler as docs
from oms.commands import signing_keys as keys
from oms.commands import stacks
from oms.core import secret_store
from oms.core.errors import UnauthenticatedError
from oms.core.secret_store import Reloaded
from oms.core.settings import settings
from oms.identity import keyring, tokens
from oms.identity.models import User
from tests.support.accounts import Clock, audit_entries, log_in
from tests.support.aws_calls import answer_lost, changed_meanwhile, recorded
from tests.support.aws_client import aws_client
from tests.support.invocation import Answer, invoke

NAMES = {"secret_name": "oms/rotated/signing-keys", "parameter_name": "/oms/rotated/jwks"}
SOON = keys.PUBLISH_BEFORE_SIGNING_SECONDS
HOUR = 3600


@pytest.fixture(autouse=True)
def _own_keys(account: Callable[..., User], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty secret and no parameter, as the stack creates them, and functions without loaded keys."""
    account("ada@example.com")
    secret = aws_client("secretsmanager").create_secret(
        Name=NAMES["secret_name"], SecretString=json.dumps({"keys": [], "unused": "generated"})
    )
    own = replace(settings(), signing_keys_secret=NAMES["secret_name"], jwks_parameter=NAMES["parameter_name"])
    monkeypatch.setattr(keyring, "settings", lambda: own)
    monkeypatch.setattr(keyring, "SIGNING", Reloaded(keyring.load_signing))
    monkeypatch.setattr(keyring, "PUBLIC", Reloaded(keyring.load_public))
    yield
    aws_client("secretsmanager").delete_secret(SecretId=secret["ARN"], ForceDeleteWithoutRecovery=True)
    aws_client("ssm").delete_parameters(Names=[NAMES["parameter_name"]])


def me(token: str) -> Answer:
    return invoke(session_routes, "GET", "/api/v1/auth/me", token=token)


def kid_of(token: str) -> str:
    kid: str = jwt.get_unverified_header(token)["kid"]
    return kid


def jwks(path: str = "/.well-known/jwks.json") -> Any:
    return invoke(docs, "GET", path)


def served() -> list[str]:
    return [key["kid"] for key in jwks().json["keys"]]


def stored() -> list[str]:
    return [key["kid"] for key in json.loads(secret_store.read_secret(NAMES["secret_name"]))["keys"]]


def test_the_first_key_signs_at_once_and_is_served() -> None:
    kid = keys.ensure_signing_key(**NAMES)

    answer = log_in()

    assert kid_of(answer.json["access_token"]) == kid
    assert me(answer.json["access_token"]).status == 200
    for path in ("/.well-known/jwks.json", "/api/v1/.well-known/jwks.json"):
        shown = jwks(path)
        assert (shown.status, shown.headers["Cache-Control"]) == (200, "public, max-age=300")
        assert [key["kid"] for key in shown.json["keys"]] == [kid]
        assert shown.json["keys"][0].keys() == {"kid", "kty", "crv", "x", "y", "use", "alg"}


def test_others_can_verify_with_the_served_keys() -> None:
    keys.ensure_signing_key(**NAMES)
    token = log_in().json["access_token"]

    key = jwt.PyJWKSet.from_dict(jwks().json).keys[0]
    claims = jwt.decode(token, key, algorithms=["ES256"], audience="oms-api", issuer="oms-local")

    assert claims.keys() == {"iss", "aud", "sub", "sid", "jti", "role", "iat", "exp"}
    assert claims["exp"] - claims["iat"] == HOUR


def test_making_it_again_changes_nothing() -> None:
    kid = keys.ensure_signing_key(**NAMES)

    with recorded() as calls:
        assert keys.ensure_signing_key(**NAMES) == kid

    assert not [call for call in calls if "Put" in call]


def test_a_lost_parameter_is_published_again() -> None:
    kid = keys.ensure_signing_key(**NAMES)
    aws_client("ssm").delete_parameter(Name=NAMES["parameter_name"])

    assert keys.ensure_signing_key(**NAMES) == kid
    assert served() == [kid]


def test_no_key_is_looked_for_again_within_seconds_not_minutes(frozen: Clock) -> None:
    assert log_in().status == 503
    keys.ensure_signing_key(**NAMES)
    assert log_in().status == 503

    frozen.advance(seconds=10)

    answer = log_in()
    assert answer.status == 200
    assert me(answer.json["access_token"]).status == 200


def test_a_missing_key_is_counted_for_the_alarm() -> None:
    with patch.object(keyring.metrics, "add_metric") as counted:
        log_in()

    assert counted.call_args.kwargs["name"] == "SigningKeyMissing"


def test_a08_a_rotation_publishes_first_signs_later_and_ends_the_old_key_after_its_tokens(frozen: Clock) -> None:
    old = keys.ensure_signing_key(**NAMES)
    log_in()

    new = keys.rotate_signing_key(**NAMES)

    frozen.advance(seconds=301)  # every function has loaded the keys
    assert served() == [old, new]
    frozen.advance(seconds=SOON - 301 - 1)
    last_of_old = log_in().json["access_token"]
    frozen.advance(seconds=1)
    first_of_new = log_in(address="198.51.100.2").json["access_token"]
    assert (kid_of(last_of_old), kid_of(first_of_new)) == (old, new)
    frozen.advance(seconds=HOUR - 2)
    assert (me(last_of_old).status, me(first_of_new).status) == (200, 200)
    frozen.advance(seconds=62)
    assert served() == [new]
    assert stored() == [old, new]
    assert keys.ensure_signing_key(**NAMES) == new
    assert stored() == [new]


def test_a08_no_worker_refuses_a_token_of_another_while_the_key_is_rotated(
    frozen: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three workers load the keys at different times. Each verifies new tokens of all, and some that expire next."""
    step = 100  # A worker caches its keys for three steps.
    workers = [(Reloaded(keyring.load_signing), Reloaded(keyring.load_public)) for _ in range(3)]
    issued: list[str] = []

    def request(signing: Reloaded[Any], public: Reloaded[Any]) -> None:
        monkeypatch.setattr(keyring, "SIGNING", signing)
        monkeypatch.setattr(keyring, "PUBLIC", public)
        issued.append(tokens.issue(user_id="ada", session_id="s", role="customer", now=frozen.now))
        for token in (*issued[-3:], *issued[-3 * (HOUR // step - 1) :][:3]):
            assert tokens.verify(token, now=frozen.now).user_id == "ada"

    old = keys.ensure_signing_key(**NAMES)
    for signing, public in workers:
        assert signing.get()
        assert public.get()
        frozen.advance(seconds=step)
    new = keys.rotate_signing_key(**NAMES)
    for _ in range((SOON + HOUR) // step + 5):
        for worker in workers:
            request(*worker)
        frozen.advance(seconds=step)

    assert (kid_of(issued[0]), kid_of(issued[-1])) == (old, new)
    with pytest.raises(UnauthenticatedError):
        tokens.verify(next(it for it in reversed(issued) if kid_of(it) == old), now=frozen.now)


def test_a08_a_key_past_its_time_verifies_nothing(frozen: Clock) -> None:
    old = keys.ensure_signing_key(**NAMES)
    token = log_in().json["access_token"]
    public = keyring.PUBLIC.get()[old]

    for ends_in, status in ((1, 200), (0, 401)):
        ending = replace(public, valid_until=int(frozen.now.timestamp()) + ends_in)
        with patch.object(keyring, "PUBLIC", Reloaded(lambda ending=ending: {old: ending})):
            assert me(token).status == status


def test_a_token_that_a_worker_knows_ends_after_its_hour(frozen: Clock) -> None:
    keys.ensure_signing_key(**NAMES)
    token = log_in().json["access_token"]
    assert me(token).status == 200

    frozen.advance(seconds=HOUR)

    assert me(token).status == 401


def test_a_rotation_under_way_is_not_started_again(frozen: Clock) -> None:
    keys.ensure_signing_key(**NAMES)
    new = keys.rotate_signing_key(**NAMES)
    frozen.advance(seconds=SOON - 1)

    assert keys.rotate_signing_key(**NAMES) == new
    assert len(stored()) == 2


# A rotation publishes, stores, and publishes again.
@pytest.mark.parametrize(("operation", "nth"), [("PutParameter", 1), ("PutSecretValue", 1), ("PutParameter", 2)])
@pytest.mark.parametrize("carried_out", [True, False])
def test_a_rotation_cut_off_anywhere_fails_no_token_and_is_repaired_by_the_next(
    frozen: Clock, operation: str, nth: int, carried_out: bool
) -> None:
    keys.ensure_signing_key(**NAMES)

    def crash() -> None:
        raise ConnectionError

    # Before or after the call, which then was not carried out, or was.
    cut = answer_lost(operation, nth=nth) if carried_out else changed_meanwhile(operation, nth=nth, by=crash)
    with cut, pytest.raises((ConnectionError, ReadTimeoutError)):
        keys.rotate_signing_key(**NAMES)

    for seconds in (SOON, HOUR + 60):
        frozen.advance(seconds=seconds)
        assert me(log_in().json["access_token"]).status == 200
    keys.rotate_signing_key(**NAMES)
    for seconds in (0, SOON, HOUR + 60):
        frozen.advance(seconds=seconds)
        assert me(log_in().json["access_token"]).status == 200


def test_a08_while_the_keys_cannot_be_read_the_loaded_ones_stay(frozen: Clock) -> None:
    keys.ensure_signing_key(**NAMES)
    token = log_in().json["access_token"]
    me(token)
    aws_client("ssm").delete_parameters(Names=[NAMES["parameter_name"]])
    frozen.advance(minutes=6)

    with patch.object(secret_store, "parameters_client", side_effect=secret_store.BotoCoreError), recorded() as calls:
        assert [me(token).status for _ in range(3)] == [200, 200, 200]

    assert calls == ["dynamodb.BatchGetItem"] * 3


def test_the_command_makes_rotates_and_audits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], frozen: Clock
) -> None:
    monkeypatch.setattr(keys, "names_of", lambda _stage: NAMES)
    monkeypatch.setattr(stacks, "table_of", lambda _stage, _domain: "audit")
    monkeypatch.setattr(keys, "address_keys_secret_name", lambda _stage: "oms/test-keys/address-keys")
    aws_client("secretsmanager").create_secret(Name="oms/test-keys/address-keys", SecretString='{"unused": "x"}')
    year = frozen.now.year

    def run(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["keys", "--stage", "local", *arguments])
        keys.main()
        frozen.advance(seconds=1)
        return capsys.readouterr().out

    assert f"{year} to {year + 10}: keys for the addresses" in run()
    assert "exists already" in run()
    assert "in 15 minutes" in run("--rotate")
    assert "exists already" in run("--rotate")
    assert sorted((entry.action, entry.target) for entry in audit_entries()) == [
        ("address-keys.created", f"{year}-{year + 10}"),
        ("signing-key.created", stored()[0]),
        ("signing-key.rotated", stored()[1]),
    ]
    assert "PRIVATE" not in str(audit_entries())


def test_a_key_whose_audit_entry_cannot_be_put_is_not_stored(
    monkeypatch: pytest.MonkeyPatch, frozen: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(keys, "names_of", lambda _stage: NAMES)
    monkeypatch.setattr(stacks, "table_of", lambda _stage, _domain: "audit")
    monkeypatch.setattr(keys, "address_keys_secret_name", lambda _stage: settings().address_keys_secret)
    for arguments in ([], ["--rotate"]):
        before = stored()
        monkeypatch.setattr("sys.argv", ["keys", "--stage", "local", *arguments])
        with changed_meanwhile("PutItem", by=_refuse), pytest.raises(SystemExit):
            keys.main()
        assert stored() == before

        keys.main()

        assert [entry.target for entry in audit_entries()] == stored()
        assert len(stored()) == len(before) + 1
        frozen.advance(seconds=1)


def _refuse() -> None:
    raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}, "PutItem")


def test_the_command_names_in_a_sentence_the_service_that_it_cannot_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "table_of", lambda _stage, _domain: "audit")
    monkeypatch.setattr("sys.argv", ["keys", "--stage", "prod"])

    with pytest.raises(SystemExit, match=r"Stage 'prod' cannot be reached \(is it deployed\?\)"):
        keys.main()
