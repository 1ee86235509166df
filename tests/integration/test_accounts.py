"""Accounts on the deployed system: changes that end all sessions at once, and concurrent changes by admins."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from local.demo import PASSWORD as DEMO_PASSWORD
from local.system import LocalSystem
from tests.support.local_cloud.accounts import NEW_PASSWORD, PASSWORD, log_in
from tests.support.local_cloud.mailbox import mailed_token, places_of
from tests.support.local_cloud.shop import CLIENTS, at_once, statuses

ME, USERS = "/api/v1/auth/me", "/api/v1/admin/users"
SESSIONS = 6
# All combinations of role and status, twice.
ROUNDS = 8

type ClientFactory = Callable[..., httpx.Client]
type Tokens = dict[str, Any]


@pytest.fixture
def user(client: ClientFactory) -> tuple[str, str]:
    """Creates a customer; returns address and id."""
    email = f"{uuid4().hex}@example.com"
    made = client().post("/api/v1/auth/register", json={"email": email, "password": PASSWORD, "first_name": "Ada"})
    assert made.status_code == 201, made.text
    return email, made.json()["id"]


@pytest.fixture
def admin(signed_in: Callable[[str], httpx.Client]) -> httpx.Client:
    return signed_in("admin")


def bearer(tokens: Tokens) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def sessions_of(http: httpx.Client, email: str, password: str = PASSWORD) -> list[Tokens]:
    return [log_in(http, email, password).json() for _ in range(SESSIONS)]


def asks(http: httpx.Client, sessions: list[Tokens], path: str = ME) -> list[int]:
    """Returns the status that each session gets, with all requests at once."""
    requests = [lambda it=it: http.get(path, headers=bearer(it)) for it in sessions]
    return [answer.status_code for answer in at_once(requests, clients=CLIENTS)]


def refreshes(http: httpx.Client, sessions: list[Tokens]) -> list[int]:
    return [
        http.post("/api/v1/auth/refresh", json={"refresh_token": it["refresh_token"]}).status_code for it in sessions
    ]


# ---- changes that take effect at the next request of every session --------------------------------------------------


def test_a06_a_role_change_bites_on_the_next_request_of_every_session(
    client: ClientFactory, admin: httpx.Client, user: tuple[str, str]
) -> None:
    http, (email, user_id) = client(), user
    sessions = sessions_of(http, email)
    managers_list = "/api/v1/orders?customer_id=none"
    assert set(asks(http, sessions, managers_list)) == {403}

    for role, status in (("manager", 200), ("customer", 403)):
        assert admin.patch(f"{USERS}/{user_id}/role", json={"role": role}).status_code == 200
        assert set(asks(http, sessions, managers_list)) == {status}


def test_a06_disabling_bites_on_the_next_request_of_every_session(
    client: ClientFactory, admin: httpx.Client, user: tuple[str, str]
) -> None:
    http, (email, user_id) = client(), user
    sessions = sessions_of(http, email)
    assert set(asks(http, sessions)) == {200}

    for status in ("disabled", "active"):
        assert admin.patch(f"{USERS}/{user_id}/status", json={"status": status}).status_code == 200
        assert set(asks(http, sessions)) == {401}

    assert set(refreshes(http, sessions)) == {401}
    assert log_in(http, email).status_code == 200


def test_a06_a_password_change_ends_every_session_but_its_own(client: ClientFactory, user: tuple[str, str]) -> None:
    http, (email, _) = client(), user
    own, *others = sessions_of(http, email)
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}

    assert http.put("/api/v1/auth/password", json=body, headers=bearer(own)).status_code == 204

    assert set(asks(http, others)) == {401}
    assert set(refreshes(http, others)) == {401}
    assert asks(http, [own]) == [200]
    assert refreshes(http, [own]) == [200]


def test_a06_a_reset_by_mail_ends_every_session(
    system: LocalSystem, client: ClientFactory, user: tuple[str, str]
) -> None:
    http, (email, _) = client(), user
    sessions = sessions_of(http, email)
    assert http.post("/api/v1/auth/password/forgot", json={"email": email.upper()}).status_code == 202
    token = mailed_token(system, email, "reset-password")

    body = {"token": token, "new_password": NEW_PASSWORD}
    answers = at_once([lambda: http.post("/api/v1/auth/password/reset", json=body)] * 4)

    assert statuses(answers) == {204: 1, 422: 3}
    assert set(asks(http, sessions)) == {401}
    assert set(refreshes(http, sessions)) == {401}
    assert (log_in(http, email).status_code, log_in(http, email, NEW_PASSWORD).status_code) == (401, 200)
    assert places_of(system, token.partition(".")[2]) == set()


@pytest.mark.full
def test_a_new_user_can_verify_the_address_by_the_mail(
    system: LocalSystem, client: ClientFactory, user: tuple[str, str]
) -> None:
    http, (email, _) = client(), user
    token = mailed_token(system, email, "verify-email")

    for _ in range(2):
        assert http.post("/api/v1/auth/email/verify", json={"token": token}).status_code == 204

    assert http.get(ME, headers=bearer(log_in(http, email).json())).json()["email_verified"] is True
    assert places_of(system, token.partition(".")[2]) == set()


@pytest.mark.full
def test_a07_many_sessions_refreshed_at_once_have_one_successor_each(
    client: ClientFactory, user: tuple[str, str]
) -> None:
    http, (email, _) = client(), user
    tokens = [it["refresh_token"] for it in sessions_of(http, email)[:2]]

    requests = [
        lambda token=token: http.post("/api/v1/auth/refresh", json={"refresh_token": token}) for token in tokens * 20
    ]
    answers = at_once(requests, clients=CLIENTS)

    assert statuses(answers) == {200: 40}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 2


# ---- the last admin -------------------------------------------------------------------------------------------------


@pytest.fixture
def two_admins(system: LocalSystem, client: ClientFactory, admin: httpx.Client) -> list[tuple[str, str]]:
    """Creates two admins; returns address and id of each."""
    made = []
    for _ in range(2):
        email = f"{uuid4().hex}@example.com"
        body = {"email": email, "password": PASSWORD, "first_name": "Ada"}
        user_id = client().post("/api/v1/auth/register", json=body).json()["id"]
        assert admin.patch(f"{USERS}/{user_id}/role", json={"role": "admin"}).status_code == 200
        made.append((email, user_id))
    return made


def active_admins(system: LocalSystem) -> tuple[set[str], int]:
    """Returns the ids of active admins, and the count that the system stores."""
    dynamodb = system.client("dynamodb")
    table = system.environment("Admin")["OMS_IDENTITY_TABLE"]
    wanted = {
        "FilterExpression": "kind = :count OR (kind = :user AND #role = :admin AND #status = :active)",
        "ExpressionAttributeNames": {"#role": "role", "#status": "status"},
        "ExpressionAttributeValues": {
            ":count": {"S": "admins"},
            ":user": {"S": "user"},
            ":admin": {"S": "admin"},
            ":active": {"S": "active"},
        },
    }
    pages = dynamodb.get_paginator("scan").paginate(TableName=table, **wanted)
    items = [it for page in pages for it in page["Items"]]
    (count,) = [int(it["n"]["N"]) for it in items if it["kind"]["S"] == "admins"]
    return {it["id"]["S"] for it in items if it["kind"]["S"] == "user"}, count


@pytest.mark.full
@pytest.mark.bulk
def test_a30_of_two_admins_who_demote_each_other_one_remains(
    system: LocalSystem, client: ClientFactory, admin: httpx.Client, two_admins: list[tuple[str, str]]
) -> None:
    """In each round both send a request at the same time, in all combinations of role and status; the remaining admin
    repairs it.
    """
    https = [client(), client("127.0.0.3")]
    demo_admin = admin.get(ME).json()["id"]
    for http, (email, _) in zip(https, two_admins, strict=True):
        http.headers["Authorization"] = f"Bearer {log_in(http, email).json()['access_token']}"
    assert https[0].patch(f"{USERS}/{demo_admin}/status", json={"status": "disabled"}).status_code == 200
    try:
        seen = {unmake_each_other(system, https, two_admins, number) for number in range(ROUNDS)}
    finally:
        # By any current admin; the later tests need the demo admin.
        path, active = f"{USERS}/{demo_admin}/status", {"status": "active"}
        enabled = [http.patch(path, json=active).status_code for http in https]
        tokens = log_in(client(), "admin@demo.example", DEMO_PASSWORD).json()
        admin.headers["Authorization"] = f"Bearer {tokens['access_token']}"

    assert 200 in enabled
    # One succeeded; the other was refused by the count (409), or had lost the role before its session was read.
    assert seen <= {(200, 401), (200, 403), (200, 409)}


def unmake_each_other(
    system: LocalSystem, https: list[httpx.Client], two_admins: list[tuple[str, str]], number: int
) -> tuple[int, ...]:
    """Returns the status of each. Asserts that one admin remains, who then restores the other one."""
    moves, ids = [("role", "manager"), ("status", "disabled")], [user_id for _, user_id in two_admins]
    chosen = [moves[number % 2], moves[number // 2 % 2]]
    requests = [
        lambda http=http, other=other, move=move: http.patch(f"{USERS}/{other}/{move[0]}", json={move[0]: move[1]})
        for http, other, move in zip(https, reversed(ids), chosen, strict=True)
    ]
    answers = at_once(requests)
    active, count = active_admins(system)
    assert (len(active), count) == (1, 1), answers

    left = ids.index(active.pop())
    other = 1 - left
    for member, value in (("role", "admin"), ("status", "active")):
        changed = https[left].patch(f"{USERS}/{ids[other]}/{member}", json={member: value})
        assert changed.status_code == 200, changed.text
    tokens = log_in(https[other], two_admins[other][0]).json()
    https[other].headers["Authorization"] = f"Bearer {tokens['access_token']}"
    return tuple(sorted(answer.status_code for answer in answers))
