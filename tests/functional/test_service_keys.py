"""Creation, changes, rotations and deletions of service keys by admins: once, and audited, despite any failure."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from oms.core import clock
from oms.core.dynamodb import put_item
from oms.core.settings import settings
from oms.service_keys import service
from oms.service_keys.models import COPIES, ServiceKeyCount
from oms.service_keys.schemas import CreateServiceKeyRequest
from oms.service_keys.tokens import KeyToken, hash_of
from tests.support.audit_addresses import hidden
from tests.support.aws_calls import Call, changed_meanwhile, intercepted
from tests.support.faults import conflicted, crashes, lose_answer, refuse, timed_out
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Answer, Person
from tests.support.service_keys import BODY, KEYS, audited, count, create, created, on_key, stored

pytestmark = pytest.mark.usefixtures("cloud")

CATEGORIES = "/api/v1/inventory/categories"


def get(admin: Person, key: Any) -> Answer:
    return on_key(admin, "GET", key["id"])


def patch(admin: Person, key: Any, _headers: dict[str, str] | None = None, **fields: Any) -> Answer:
    return on_key(admin, "PATCH", key["id"], fields, headers=_headers)


def rotate(admin: Person, key: Any) -> Answer:
    return on_key(admin, "POST", key["id"], suffix="/rotate")


def delete(admin: Person, key: Any) -> Answer:
    return on_key(admin, "DELETE", key["id"])


def secret_of(text: str) -> str:
    token = KeyToken.parse(text)
    assert token
    return token.secret


# ---- create, read ---------------------------------------------------------------------------------------------------


def test_a_new_key_is_shown_once(admin: Person) -> None:
    answer = create(admin)

    key = answer.json
    assert (answer.status, answer.headers["Location"], answer.headers["ETag"]) == (201, f"{KEYS}/{key['id']}", '"1"')
    assert key.pop("key").startswith(f"oms_{settings().stage}_{key['id']}_")
    assert key == {
        **{"id": key["id"], "created_by": admin.id, "created_at": key["created_at"], "updated_at": key["created_at"]},
        **BODY,
        **{"status": "active", "rate_limit": 6000, "allowed_addresses": [], "version": 1},
        **{"expires_at": None, "previous_valid_until": None, "last_used_at": None},
    }
    assert get(admin, key).json == key
    assert call("GET", KEYS, token=admin.token).json == {"items": [key], "next_cursor": None}


def test_a_list_is_newest_first_and_has_pages(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    start = clock.now()
    made = []
    for number in range(3):
        monkeypatch.setattr(clock, "now", lambda number=number: start + timedelta(seconds=number))
        made.append(created(admin, name=f"K{number}")["name"])

    first = call("GET", f"{KEYS}?limit=2", token=admin.token).json
    last = call("GET", f"{KEYS}?limit=2&cursor={first['next_cursor']}", token=admin.token).json

    assert [it["name"] for it in first["items"] + last["items"]] == made[::-1]


def test_networks_have_one_form_and_repetitions_count_once(admin: Person) -> None:
    key = created(
        admin,
        scopes=["orders:read", "orders:read"],
        allowed_addresses=["192.0.2.1", "192.0.2.1/32", "2001:DB8::/32", "2001:db8:0::/32"],
    )

    assert key["scopes"] == ["orders:read"]
    assert key["allowed_addresses"] == ["192.0.2.1/32", "2001:db8::/32"]


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"name": ""}, "#/name"),
        ({"name": " "}, "#/name"),
        ({"name": "x" * 101}, "#/name"),
        ({"scopes": []}, "#/scopes"),
        ({"scopes": ["orders:read", "orders:all"]}, "#/scopes/1"),
        ({"scopes": "orders:read"}, "#/scopes"),
        ({"rate_limit": 0}, "#/rate_limit"),
        ({"rate_limit": 100_001}, "#/rate_limit"),
        ({"rate_limit": None}, "#/rate_limit"),
        ({"allowed_addresses": ["192.0.2.1/24"]}, "#/allowed_addresses/0"),
        ({"allowed_addresses": ["192.0.2.0/33"]}, "#/allowed_addresses/0"),
        ({"allowed_addresses": ["::ffff:192.0.2.0/120"]}, "#/allowed_addresses/0"),
        ({"allowed_addresses": ["fe80::1%eth0"]}, "#/allowed_addresses/0"),
        ({"allowed_addresses": ["host.example"]}, "#/allowed_addresses/0"),
        ({"allowed_addresses": [f"192.0.2.{it}" for it in range(21)]}, "#/allowed_addresses"),
        ({"expires_at": "2020-01-01"}, "#/expires_at"),
        ({"expires_at": "tomorrow"}, "#/expires_at"),
        ({"secret_hash": "x"}, "#/secret_hash"),
        ({"created_by": "me"}, "#/created_by"),
    ],
)
def test_a_value_that_does_not_fit_is_pointed_at(admin: Person, fields: dict[str, Any], place: str) -> None:
    key = created(admin)

    assert places(create(admin, **fields)) == {place}
    assert places(patch(admin, key, **fields)) == {place}
    assert (count(), {it.version for it in stored(key["id"])}) == (1, {1})


def test_an_expiry_by_date_includes_the_day(admin: Person) -> None:
    day = clock.today() + timedelta(days=30)

    key = created(admin, expires_at=day.isoformat())

    assert clock.instant(key["expires_at"]) == clock.start_of(day + timedelta(days=1))


def test_an_expired_key_is_shown_as_such_and_can_be_extended(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    later = clock.now() + timedelta(minutes=5)
    key = created(admin, expires_at=clock.timestamp(later))
    assert key["status"] == "active"
    monkeypatch.setattr(clock, "now", lambda: later)
    assert call("GET", CATEGORIES, token=key["key"]).status == 401
    assert get(admin, key).json["status"] == "expired"

    assert patch(admin, key, expires_at=None).json["status"] == "active"


def test_the_last_use_is_shown(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    key = created(admin, scopes=["catalogue:read"])
    assert call("GET", CATEGORIES, token=key["key"]).status == 200

    shown = get(admin, key).json["last_used_at"]

    assert abs(clock.instant(shown) - clock.now()) < timedelta(seconds=30)
    assert call("GET", KEYS, token=admin.token).json["items"][0]["last_used_at"] == shown
    assert patch(admin, key, name="Other").json["last_used_at"] == shown


def test_a_scope_that_this_version_does_not_know_is_not_shown(admin: Person) -> None:
    """As after a rollback from a later version, which had created the key."""
    key = created(admin, scopes=["orders:read"])
    for item in stored(key["id"]):
        item.scopes = ["later:read", "orders:read"]
        put_item(item)

    (shown,) = call("GET", KEYS, token=admin.token).json["items"]

    assert shown["scopes"] == get(admin, key).json["scopes"] == ["orders:read"]


def test_a_shop_has_a_hundred_keys(admin: Person) -> None:
    put_item(ServiceKeyCount(*ServiceKeyCount.key(), n=service.MAX_KEYS - 1))

    with intercepted(lose_answer("TransactWriteItems")):
        assert create(admin).status == 201

    assert_problem(create(admin), 409, "too-many-service-keys")


@pytest.mark.parametrize("role", ["manager", "customer", "service"])
def test_a34_a_key_gets_no_scope_that_its_maker_lacks(role: str) -> None:
    """Only admins reach the routes; the service still checks it."""
    by = service.By("U", role, "U", role, None)
    request = CreateServiceKeyRequest.model_validate({"name": "A", "scopes": ["orders:read", "webhooks:manage"]})

    with pytest.raises(service.InvalidRequestError) as error:
        service.create(request, stage="local", by=by)

    assert "#/scopes/1" in {it["pointer"] for it in error.value.extra["errors"]}
    assert count() == 0


# ---- change ---------------------------------------------------------------------------------------------------------


def test_named_fields_are_changed_and_the_rest_stays(admin: Person) -> None:
    key = created(admin, allowed_addresses=["192.0.2.0/24"])
    del key["key"]

    answer = patch(admin, key, name="Other", rate_limit=7, scopes=["events:read"])

    changed = {"name": "Other", "rate_limit": 7, "scopes": ["events:read"], "version": 2}
    assert answer.json == key | changed | {"updated_at": answer.json["updated_at"]}
    assert answer.headers["ETag"] == '"2"'
    assert patch(admin, key, allowed_addresses=[]).json["allowed_addresses"] == []


@pytest.mark.parametrize(
    ("fields", "place"), [({}, "#"), ({"status": "expired"}, "#/status"), ({"scopes": None}, "#/scopes")]
)
def test_a_change_that_does_not_fit_is_pointed_at(admin: Person, fields: dict[str, Any], place: str) -> None:
    assert places(patch(admin, created(admin), **fields)) == {place}


def test_a_change_without_an_effect_is_no_new_version(admin: Person) -> None:
    key = created(admin)

    assert patch(admin, key, status="active", **BODY).json["version"] == 1
    assert [it.action for it in audited()] == ["service-key.created"]


def test_a_stale_version_is_refused(admin: Person) -> None:
    key = created(admin)
    patch(admin, key, status="disabled")

    stale = {"If-Match": '"1"'}
    assert_problem(patch(admin, key, stale, status="active"), 412, "stale-version")
    assert_problem(on_key(admin, "DELETE", key["id"], headers=stale), 412, "stale-version")
    assert_problem(on_key(admin, "POST", key["id"], suffix="/rotate", headers=stale), 412, "stale-version")


def test_two_changes_at_once_are_both_made(admin: Person) -> None:
    key = created(admin)

    with changed_meanwhile("TransactWriteItems", lambda: patch(admin, key, status="disabled")):
        answer = patch(admin, key, name="Other")

    assert (answer.json["version"], answer.json["status"], answer.json["name"]) == (3, "disabled", "Other")
    assert {(it.version, it.status, it.name) for it in stored(key["id"])} == {(3, "disabled", "Other")}
    with changed_meanwhile("TransactWriteItems", lambda: delete(admin, key)):
        assert_problem(patch(admin, key, name="Third"), 404, "not-found")
    assert stored(key["id"]) == []


def test_a_revocation_during_a_rotation_holds(admin: Person) -> None:
    key = created(admin)

    with changed_meanwhile("TransactWriteItems", lambda: patch(admin, key, status="disabled")):
        new = rotate(admin, key).json["key"]

    assert [call("GET", CATEGORIES, token=it).status for it in (key["key"], new)] == [401, 401]


# ---- rotate, delete -------------------------------------------------------------------------------------------------


def test_a_rotation_says_until_when_the_previous_key_is_valid(admin: Person) -> None:
    key = created(admin)

    answer = rotate(admin, key)

    assert (answer.status, answer.headers["ETag"]) == (200, '"2"')
    left = clock.instant(answer.json["previous_valid_until"]) - clock.now()
    assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)
    assert get(admin, key).json["previous_valid_until"] == answer.json["previous_valid_until"]


def test_a_rotation_whose_answer_was_lost_and_that_was_followed_by_a_change_is_one(admin: Person) -> None:
    key = created(admin)
    lost: list[Call] = []

    def plan(asked: Call) -> Any:
        answer = asked.send()
        if asked.operation == "TransactWriteItems" and not lost:
            lost.append(asked)
            assert patch(admin, key, name="Other").status == 200
            raise timed_out(asked)
        return answer

    with intercepted(plan):
        answer = rotate(admin, key)

    now = stored(key["id"])[0]
    assert [now.secret_hash, now.previous_hash] == [hash_of(secret_of(it)) for it in (answer.json["key"], key["key"])]
    assert (now.version, now.name) == (3, "Other")


def test_a_deleted_key_is_gone_and_frees_its_place(admin: Person) -> None:
    key = created(admin)
    call("GET", CATEGORIES, token=key["key"])

    assert (delete(admin, key).status, count(), stored(key["id"])) == (204, 0, [])

    for answer in (get(admin, key), delete(admin, key), patch(admin, key, name="B"), rotate(admin, key)):
        assert_problem(answer, 404, "not-found")


def test_deleted_by_two_at_once_it_counts_once(admin: Person) -> None:
    key, _ = created(admin), created(admin)

    with changed_meanwhile("TransactWriteItems", lambda: delete(admin, key)):
        assert delete(admin, key).status == 204

    assert count() == 1


# ---- audit entries, and failures ------------------------------------------------------------------------------------


def test_every_change_is_audited_without_a_secret(admin: Person) -> None:
    key = created(admin)
    patch(admin, key, scopes=["events:read"], status="disabled")
    limits = {"rate_limit": 60, "allowed_addresses": ["192.0.2.0/24", "2001:db8::/32"]}
    patch(admin, key, expires_at="2100-01-31T00:00:00Z", **limits)
    patch(admin, key, expires_at=None, allowed_addresses=[])
    new = rotate(admin, key).json["key"]
    delete(admin, key)

    entries = audited()

    assert [it.action for it in entries] == [
        "service-key.created",
        *["service-key.changed"] * 3,
        "service-key.rotated",
        "service-key.deleted",
    ]
    for entry in entries:
        assert (entry.actor_id, entry.actor_role, entry.target) == (admin.id, "admin", f"service-key#{key['id']}")
        assert entry.address == hidden("198.51.100.1", entry.at)
    unlimited = {"expires_at": "never", "allowed_addresses": 0}
    scopes = "orders:read,stock:write"
    assert entries[0].details == {"name": "Warehouse", "scopes": scopes, "rate_limit": 6000} | unlimited
    assert entries[1].details == {"fields": "scopes,status", "scopes": "events:read", "status": "disabled"}
    assert entries[2].details == {
        "fields": "allowed_addresses,expires_at,rate_limit",
        **{"expires_at": "2100-01-31T00:00:00.000Z", "rate_limit": 60, "allowed_addresses": 2},
    }
    assert entries[3].details == {"fields": "allowed_addresses,expires_at"} | unlimited
    text = str([it.serialize() for it in entries])
    assert all(secret_of(it) not in text and hash_of(secret_of(it)) not in text for it in (key["key"], new))


ACTIONS: dict[str, Callable[[Person, Any], Answer]] = {
    "create": lambda admin, _: create(admin),
    "change": lambda admin, key: patch(admin, key, status="disabled"),
    "rotate": rotate,
    "delete": delete,
}


@pytest.mark.parametrize("name", ACTIONS)
def test_f02_a_crash_anywhere_leaves_a_key_with_all_its_copies_or_none(admin: Person, name: str) -> None:
    for where, key in crashes(lambda: created(admin), lambda it: ACTIONS[name](admin, it)):
        listed = call("GET", f"{KEYS}?limit=100", token=admin.token).json["items"]
        assert count() == len(listed), where
        items = stored(key["id"])
        assert len(items) in (0, COPIES + 1), where
        assert len({(it.version, it.status, it.secret_hash) for it in items}) <= 1, where
        mine = [it.action for it in audited() if it.target == f"service-key#{key['id']}"]
        if name == "delete":
            assert (not items) == ("service-key.deleted" in mine), where
        else:
            assert items[0].version == len(mine), where


@pytest.mark.parametrize("name", ACTIONS)
def test_a_lost_answer_is_a_success_made_once(admin: Person, name: str) -> None:
    key = created(admin)
    before = len(audited())

    with intercepted(lose_answer("TransactWriteItems", after=1, failure=conflicted)):
        answer = ACTIONS[name](admin, key)

    assert answer.status < 300, answer.text
    assert len(audited()) == before + 1
    assert count() == {"create": 2, "delete": 0}.get(name, 1)
    if name == "rotate":
        assert [call("GET", CATEGORIES, token=it).status for it in (key["key"], answer.json["key"])] == [403, 403]


@pytest.mark.parametrize("name", ACTIONS)
def test_contention_that_does_not_pass_is_a_503(admin: Person, name: str) -> None:
    key = created(admin)

    with intercepted(refuse("TransactWriteItems", conflicted)):
        assert_problem(ACTIONS[name](admin, key), 503, "unavailable")
