from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest

from auth import handler as session_routes
from auth import passwords as password_routes
from oms.core.dynamodb import batch_get, client, put_item
from oms.core.secret_store import Reloaded
from oms.identity import keyring
from oms.identity.models import IdentityItem, Session, User, session_key
from oms.identity.opaque_tokens import RefreshToken
from tests.support.accounts import Clock, audit_entries, log_in
from tests.support.aws_calls import answer_lost, changed_meanwhile, intercepted, recorded
from tests.support.invocation import Answer, invoke


@pytest.fixture
def ada(account: Callable[..., User]) -> User:
    return account("ada@example.com")


@pytest.fixture
def pair(ada: User) -> dict[str, Any]:
    tokens: dict[str, Any] = log_in(ada.email).json
    return tokens


def refresh(token: Any) -> Answer:
    return invoke(session_routes, "POST", "/api/v1/auth/refresh", {"refresh_token": token})


def log_out(body: Any = None, **options: Any) -> Answer:
    return invoke(session_routes, "POST", "/api/v1/auth/logout", body, **options)


def me(token: str | None) -> Answer:
    return invoke(session_routes, "GET", "/api/v1/auth/me", token=token)


def session_of(token: str) -> Session:
    parsed = RefreshToken.parse(token)
    assert parsed is not None
    found: Any = batch_get(IdentityItem, [session_key(parsed.user_id, parsed.session_id)])
    return next(iter(found.values()))


def change(user: User, **attributes: Any) -> None:
    for name, value in attributes.items():
        setattr(user, name, value)
    put_item(user)


# ---- refresh --------------------------------------------------------------------------------------------------------


def test_a_refresh_answers_a_new_pair_for_the_same_session(pair: dict[str, Any], frozen: Clock) -> None:
    frozen.advance(hours=1)

    answer = refresh(pair["refresh_token"])

    assert answer.status == 200
    assert answer.json.keys() == pair.keys() - {"device_token"}
    assert answer.json["refresh_token"] != pair["refresh_token"]
    assert answer.json["refresh_expires_in"] == 604800 - 3600
    assert answer.headers["RateLimit-Policy"] == '"refresh";q=30;w=60'
    assert answer.headers["RateLimit"] == '"refresh";r=29;t=50'
    assert me(pair["access_token"]).status == 401
    assert me(answer.json["access_token"]).status == 200


def test_it_takes_two_calls(pair: dict[str, Any]) -> None:
    with recorded() as calls:
        refresh(pair["refresh_token"])

    assert calls == ["dynamodb.BatchGetItem", "dynamodb.UpdateItem"]


def test_the_table_holds_no_refresh_token(pair: dict[str, Any]) -> None:
    successor = refresh(pair["refresh_token"]).json["refresh_token"]

    stored = str(client().scan(TableName="identity")["Items"])
    for token in (pair["refresh_token"], successor, pair["device_token"]):
        assert token.rpartition(".")[2] not in stored


def test_within_ten_seconds_the_old_token_gets_the_same_successor(pair: dict[str, Any], frozen: Clock) -> None:
    successor = refresh(pair["refresh_token"]).json["refresh_token"]
    frozen.advance(seconds=9.9)

    with recorded() as calls:
        again = refresh(pair["refresh_token"])

    assert (again.status, again.json["refresh_token"]) == (200, successor)
    assert calls == ["dynamodb.BatchGetItem"]
    assert me(again.json["access_token"]).status == 200
    assert refresh(successor).status == 200


def test_a_lost_answer_still_brings_the_successor(pair: dict[str, Any]) -> None:
    with answer_lost("UpdateItem"):
        answer = refresh(pair["refresh_token"])

    assert answer.status == 200
    assert refresh(answer.json["refresh_token"]).status == 200


def test_the_second_caller_gets_the_result_of_the_first(pair: dict[str, Any]) -> None:
    first: list[Answer] = []

    with changed_meanwhile("UpdateItem", by=lambda: first.append(refresh(pair["refresh_token"]))):
        second = refresh(pair["refresh_token"])

    assert (first[0].status, second.status) == (200, 200)
    assert first[0].json["refresh_token"] == second.json["refresh_token"]


def test_a_logout_that_comes_between_wins(pair: dict[str, Any]) -> None:
    with changed_meanwhile("UpdateItem", by=lambda: log_out(token=pair["access_token"])):
        answer = refresh(pair["refresh_token"])

    assert answer.status == 401
    assert sorted(entry.action for entry in audit_entries()) == ["login", "logout"]


def test_thirty_a_minute_for_each_session(pair: dict[str, Any], frozen: Clock) -> None:
    token = pair["refresh_token"]
    for left in reversed(range(30)):
        answer = refresh(token)
        assert answer.headers["RateLimit"] == f'"refresh";r={left};t=50'
        token = answer.json["refresh_token"]

    refused = refresh(token)

    assert (refused.status, refused.headers["Retry-After"]) == (429, "50")
    other = log_in().json["refresh_token"]
    assert refresh(other).status == 200
    frozen.advance(seconds=50)
    assert refresh(token).status == 200


def test_a_family_ends_after_seven_days_however_often_it_was_refreshed(pair: dict[str, Any], frozen: Clock) -> None:
    frozen.advance(days=6.99)
    renewed = refresh(pair["refresh_token"]).json
    frozen.advance(days=0.01)

    assert refresh(renewed["refresh_token"]).status == 401
    assert me(renewed["access_token"]).status == 401


@pytest.mark.parametrize("attributes", [{"status": "disabled"}, {"auth_epoch": 1}])
def test_a06_a_disabled_user_or_a_raised_epoch_ends_every_session(
    ada: User, pair: dict[str, Any], attributes: dict[str, Any]
) -> None:
    change(ada, **attributes)

    assert refresh(pair["refresh_token"]).status == 401
    assert me(pair["access_token"]).status == 401


@pytest.mark.parametrize(
    "token", ["", "x", "a.b.c", f"{'A' * 20}.{'B' * 20}.{'c' * 43}", f"{'A' * 20}.{'B' * 20}.{'c' * 43}\n", "\x00" * 85]
)
def test_an_invalid_refresh_token_is_a_401(cloud: None, token: str) -> None:
    answer = refresh(token)

    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("token", [None, 7, ["x"], "x" * 257])
def test_a_token_of_the_wrong_type_is_a_422(cloud: None, token: Any) -> None:
    assert refresh(token).status == 422


def test_without_a_signing_key_no_token_is_used_up(pair: dict[str, Any]) -> None:
    with patch.object(keyring, "SIGNING", Reloaded(lambda: ())):
        assert refresh(pair["refresh_token"]).status == 503

    assert refresh(pair["refresh_token"]).status == 200


# ---- logout ---------------------------------------------------------------------------------------------------------


def test_logout_ends_both_tokens_of_this_session_only(pair: dict[str, Any]) -> None:
    other = log_in().json

    with recorded() as calls:
        answer = log_out(token=pair["access_token"])

    assert (answer.status, answer.text) == (204, "")
    assert calls == ["dynamodb.BatchGetItem", "dynamodb.TransactWriteItems"]
    assert me(pair["access_token"]).status == 401
    assert refresh(pair["refresh_token"]).status == 401
    assert me(other["access_token"]).status == 200
    assert [entry.action for entry in audit_entries()].count("logout") == 1


def test_logout_with_a_refresh_token_needs_no_access_token(pair: dict[str, Any]) -> None:
    with recorded() as calls:
        answer = log_out({"refresh_token": pair["refresh_token"]}, token="ended long ago")

    assert answer.status == 204
    assert len(calls) == 2
    assert me(pair["access_token"]).status == 401


def test_logout_after_a_refresh_takes_the_token_before_for_seconds(pair: dict[str, Any], frozen: Clock) -> None:
    renewed = refresh(pair["refresh_token"]).json
    frozen.advance(seconds=9)

    assert log_out({"refresh_token": pair["refresh_token"]}).status == 204
    assert me(renewed["access_token"]).status == 401


def test_logout_without_a_session_is_a_401(pair: dict[str, Any]) -> None:
    assert log_out().status == 401
    assert log_out({}).status == 401
    assert log_out({"refresh_token": "x"}).status == 401
    assert log_out({"everywhere": True}, token=pair["access_token"]).status == 422
    log_out(token=pair["access_token"])
    assert log_out(token=pair["access_token"]).status == 401


def test_a_logout_whose_answer_was_lost_ends_the_session_once(pair: dict[str, Any]) -> None:
    with answer_lost("TransactWriteItems"):
        assert log_out(token=pair["access_token"]).status == 204

    assert [entry.action for entry in audit_entries()].count("logout") == 1


# ---- the caller -----------------------------------------------------------------------------------------------------


def test_me_shows_the_user_in_one_call(ada: User, pair: dict[str, Any]) -> None:
    with recorded() as calls:
        answer = me(pair["access_token"])

    assert answer.status == 200
    assert answer.json == {
        "id": ada.id,
        "email": "ada@example.com",
        "email_verified": False,
        "first_name": "Ada",
        "last_name": None,
        "role": "customer",
        "status": "active",
        "created_at": ada.created_at,
    }
    assert answer.headers["ETag"] == '"1"'
    assert calls == ["dynamodb.BatchGetItem"]


def test_a_role_counts_as_it_is_now_not_as_the_token_says(ada: User, pair: dict[str, Any]) -> None:
    change(ada, role="manager")

    assert me(pair["access_token"]).json["role"] == "manager"


def test_no_token_is_a_401_that_names_the_scheme(cloud: None) -> None:
    answer = me(None)

    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.json["code"] == "unauthenticated"


def test_keys_that_stay_unprocessed_are_a_503_never_a_401(pair: dict[str, Any]) -> None:
    request = {"identity": {"Keys": [{"pk": {"S": "x"}, "sk": {"S": "y"}}], "ConsistentRead": True}}
    nothing = {"Responses": {}, "UnprocessedKeys": request}

    with intercepted(lambda _: nothing):
        answer = me(pair["access_token"])

    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")


def test_routes_of_the_other_function_are_not_here(cloud: None) -> None:
    assert invoke(session_routes, "POST", "/api/v1/auth/nothing", {}).status == 404
    assert invoke(password_routes, "GET", "/api/v1/auth/login").status == 405
