"""Changes, rotations and deletions of webhook subscriptions by admins: once, and audited, despite any failure."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from oms.core import clock
from oms.core.dynamodb import client, put_item, update_item
from oms.webhooks import secret_encryption
from oms.webhooks.models import Subscription, SubscriptionCount
from tests.support.audit_addresses import hidden
from tests.support.aws_calls import Call, changed_meanwhile, intercepted
from tests.support.faults import conflicted, crashes, lose_answer, refuse, timed_out
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Answer, Person
from tests.support.webhook_requests import (
    WEBHOOKS,
    audited,
    count,
    create,
    created,
    delete,
    get,
    patch,
    rotate,
    stored,
)
from tests.support.webhooks import subscribe, subscription_now

pytestmark = pytest.mark.usefixtures("webhooks", "names")


# ---- change ---------------------------------------------------------------------------------------------------------


def test_named_fields_are_changed_and_the_rest_stays(admin: Person, manager: Person) -> None:
    webhook = created(admin)
    del webhook["secret"]

    answer = patch(admin, webhook, url="https://new.example/", events=["*", "order.created", "*"])

    assert answer.status == 200, answer.text
    changed = {"url": "https://new.example/", "events": ["*", "order.created"], "version": 2}
    assert answer.json == webhook | changed | {"updated_at": answer.json["updated_at"]}
    assert answer.headers["ETag"] == '"2"'
    assert get(manager, webhook).json == answer.json
    assert patch(admin, webhook, description=None).json["description"] is None


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({}, "#"),
        ({"url": None}, "#/url"),
        ({"events": None}, "#/events"),
        ({"events": []}, "#/events"),
        ({"events": ["order.*", "nothing"]}, "#/events/1"),
        ({"status": None}, "#/status"),
        ({"status": "disabled"}, "#/status"),
        ({"version": 7}, "#/version"),
        ({"secret": "whsec_AAAA"}, "#/secret"),
        ({"created_by": "me"}, "#/created_by"),
    ],
)
def test_a_change_that_does_not_fit_is_pointed_at(admin: Person, fields: dict[str, Any], place: str) -> None:
    webhook = created(admin)

    assert places(patch(admin, webhook, **fields)) == {place}
    assert stored(webhook).version == 1


def test_a_change_without_an_effect_is_no_new_version(admin: Person) -> None:
    webhook = created(admin)

    assert patch(admin, webhook, status="active", description="The warehouse").json["version"] == 1
    assert [it.action for it in audited()] == ["webhook.created"]


def test_a_stale_version_is_refused(admin: Person) -> None:
    webhook = created(admin)
    patch(admin, webhook, status="paused")

    assert_problem(patch(admin, webhook, {"If-Match": '"1"'}, status="active"), 412, "stale-version")
    assert patch(admin, webhook, {"If-Match": '"2"'}, status="active").json["version"] == 3


def test_checks_come_in_the_contracts_order(admin: Person, manager: Person) -> None:
    none, stale = {"id": "0" * 20}, {"If-Match": '"9"'}

    assert_problem(call("PATCH", f"{WEBHOOKS}/none", {}), 401, "unauthenticated")
    assert_problem(patch(manager, none, url="http://x/"), 403, "forbidden")
    assert_problem(patch(admin, none, stale, url="http://x/"), 422, "webhook-url-forbidden")
    assert_problem(patch(admin, none, stale, events=["x"]), 422, "validation-failed")
    assert_problem(patch(admin, none, stale, status="paused"), 404, "not-found")
    assert_problem(patch(admin, created(admin), stale, status="paused"), 412, "stale-version")


def test_enabling_begins_again_with_a_disabled_subscription(admin: Person) -> None:
    webhook = {
        "id": subscribe(status="disabled", disabled_reason="failing", failing_since="2026-01-01T00:00:00.000Z").id
    }

    assert get(admin, webhook).json["disabled_reason"] == "failing"
    enabled = patch(admin, webhook, status="active").json

    assert (enabled["status"], enabled["disabled_reason"], enabled["failing_since"]) == ("active", None, None)
    assert get(admin, webhook).json == enabled


@pytest.mark.parametrize(
    ("fields", "failing", "pace"),
    [
        ({"url": "https://new.example/"}, False, None),
        ({"status": "paused"}, False, "slow"),
        ({"description": "x"}, True, "slow"),
    ],
)
def test_another_receiver_does_not_inherit_five_days_of_failures(
    admin: Person, fields: dict[str, Any], failing: bool, pace: str | None
) -> None:
    since = "2026-01-01T00:00:00.000Z"
    subscription = subscribe(failing_since=since, pace="slow")

    patch(admin, {"id": subscription.id}, **fields)

    now = subscription_now(subscription)
    assert (now.failing_since, now.pace) == (since if failing else None, pace)


def test_the_senders_concurrent_writes_are_kept(admin: Person) -> None:
    webhook = created(admin)
    at = clock.timestamp(clock.now())

    def note() -> None:
        item = Subscription(*Subscription.key(webhook["id"]))
        update_item(item, [Subscription.failing_since.set(at), Subscription.pace.set("slow")])

    with changed_meanwhile("TransactWriteItems", note):
        patch(admin, webhook, description="Other")

    assert (stored(webhook).failing_since, stored(webhook).pace, stored(webhook).description) == (at, "slow", "Other")


def test_two_changes_at_once_are_both_made(admin: Person) -> None:
    webhook = created(admin)

    with changed_meanwhile("TransactWriteItems", lambda: patch(admin, webhook, status="paused")):
        answer = patch(admin, webhook, description="Other")

    assert (answer.json["version"], answer.json["status"], answer.json["description"]) == (3, "paused", "Other")
    with changed_meanwhile("TransactWriteItems", lambda: patch(admin, webhook, status="active")):
        assert_problem(patch(admin, webhook, {"If-Match": '"3"'}, description="Third"), 412, "stale-version")
    with changed_meanwhile("TransactWriteItems", lambda: delete(admin, webhook)):
        assert_problem(patch(admin, webhook, description="Fourth"), 404, "not-found")


# ---- rotate, delete -------------------------------------------------------------------------------------------------


def test_a_rotation_keeps_the_secret_before_for_a_day(admin: Person) -> None:
    webhook = created(admin)

    answer = rotate(admin, webhook)

    now = stored(webhook)
    assert answer.status == 200
    assert answer.headers["ETag"] == '"2"'
    assert answer.json.keys() == {"secret", "previous_valid_until"}
    secrets = [secret_encryption.decrypt(it, subscription_id=now.id) for it in (now.secret, now.previous_secret or b"")]
    assert secrets == [answer.json["secret"], webhook["secret"]]
    left = clock.instant(answer.json["previous_valid_until"]) - clock.now()
    assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)
    assert now.previous_until == clock.instant(answer.json["previous_valid_until"]).timestamp()


@pytest.mark.parametrize("again", ["described", "rotated"])
def test_a_rotation_whose_answer_was_lost_and_that_was_edited_since_is_one(admin: Person, again: str) -> None:
    webhook = created(admin)
    lost = []

    def plan(asked: Call) -> Any:
        answer = asked.send()
        if asked.operation == "TransactWriteItems" and not lost:
            lost.append(asked)
            other = rotate(admin, webhook) if again == "rotated" else patch(admin, webhook, description="Other")
            assert other.status == 200
            lost.append(other)
            raise timed_out(asked)
        return answer

    with intercepted(plan):
        answer = rotate(admin, webhook)

    now = stored(webhook)
    secrets = [secret_encryption.decrypt(it, subscription_id=now.id) for it in (now.secret, now.previous_secret or b"")]
    before = lost[1].json["secret"] if again == "rotated" else None
    assert secrets == ([before, answer.json["secret"]] if before else [answer.json["secret"], webhook["secret"]])
    assert now.version == 3


def test_rotated_twice_the_first_of_three_is_revoked_at_once(admin: Person) -> None:
    webhook = created(admin)

    second, third = (rotate(admin, webhook).json["secret"] for _ in range(2))

    now = stored(webhook)
    kept = {secret_encryption.decrypt(it, subscription_id=now.id) for it in (now.secret, now.previous_secret or b"")}
    assert kept == {second, third}


def test_a_deleted_webhook_is_gone_and_frees_its_place(admin: Person, manager: Person) -> None:
    webhook = created(admin)

    answer = delete(admin, webhook)

    assert (answer.status, answer.text) == (204, "")
    assert count() == 0
    for asked in (get(manager, webhook), delete(admin, webhook), patch(admin, webhook, status="paused")):
        assert_problem(asked, 404, "not-found")
    assert_problem(rotate(admin, webhook), 404, "not-found")


def test_deleted_by_two_at_once_it_counts_once(admin: Person) -> None:
    webhook, _ = created(admin), created(admin)

    with changed_meanwhile("TransactWriteItems", lambda: delete(admin, webhook)):
        assert delete(admin, webhook).status == 204

    assert count() == 1


# ---- audit entries, and failures -------------------------------------------------------------------------------------


def test_every_change_is_audited_without_possible_secrets(admin: Person) -> None:
    webhook = created(admin)
    patch(admin, webhook, url="https://new.example/?token=hush", status="paused", events=["stock.*"])
    rotate(admin, webhook)
    delete(admin, webhook)

    entries = audited()

    assert [it.action for it in entries] == [
        "webhook.created",
        "webhook.changed",
        "webhook.secret_rotated",
        "webhook.deleted",
    ]
    for entry in entries:
        assert (entry.actor_id, entry.actor_role) == (admin.id, "admin")
        assert entry.address == hidden("198.51.100.1", entry.at)
        assert (entry.target, entry.outcome) == (f"webhook#{webhook['id']}", "success")
    assert entries[0].details == {"host": "hooks.example", "events": "order.*,stock.low"}
    assert entries[1].details == {
        "fields": "events,status,url",
        "host": "new.example",
        "events": "stock.*",
        "status": "paused",
    }
    assert "hush" not in str([it.serialize() for it in entries])


def test_a_refused_change_leaves_no_entry(admin: Person) -> None:
    webhook = created(admin)

    with changed_meanwhile("TransactWriteItems", lambda: patch(admin, webhook, status="paused")):
        patch(admin, webhook, {"If-Match": '"1"'}, description="x")

    assert [it.action for it in audited()] == ["webhook.created", "webhook.changed"]


ACTIONS: dict[str, Callable[[Person, Any], Answer]] = {
    "create": lambda admin, _: create(admin),
    "change": lambda admin, webhook: patch(admin, webhook, status="paused"),
    "rotate": rotate,
    "delete": delete,
}


@pytest.mark.parametrize("name", ACTIONS)
def test_f02_a_crash_anywhere_leaves_a_change_made_or_not_and_counted(admin: Person, name: str) -> None:
    for where, webhook in crashes(lambda: created(admin), lambda it: ACTIONS[name](admin, it)):
        partition = client().query(
            TableName="webhooks",
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": "subscriptions"}},
        )
        assert count() == partition["Count"], where
        mine = [it.action for it in audited() if it.target == f"webhook#{webhook['id']}"]
        there = get(admin, webhook)
        if name == "delete":
            assert (there.status == 404) == ("webhook.deleted" in mine), where
        else:
            assert there.json["version"] == len(mine), where


@pytest.mark.parametrize("name", ACTIONS)
def test_a_lost_answer_is_a_success_made_once(admin: Person, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    webhook = created(admin)
    before = len(audited())

    with intercepted(lose_answer("TransactWriteItems", after=1, failure=conflicted)):
        answer = ACTIONS[name](admin, webhook)

    assert answer.status < 300, answer.text
    assert len(audited()) == before + 1
    assert count() == {"create": 2, "delete": 0}.get(name, 1)
    if name == "rotate":
        assert secret_encryption.decrypt(stored(webhook).secret, subscription_id=webhook["id"]) == answer.json["secret"]
        previous = stored(webhook).previous_secret or b""
        assert secret_encryption.decrypt(previous, subscription_id=webhook["id"]) == webhook["secret"]


def test_the_fiftieth_whose_answer_was_lost_is_not_refused(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    put_item(SubscriptionCount(*SubscriptionCount.key(), n=49))

    with intercepted(lose_answer("TransactWriteItems")):
        assert create(admin).status == 201

    assert_problem(create(admin), 409, "too-many-webhooks")


@pytest.mark.parametrize("name", ACTIONS)
def test_contention_that_does_not_pass_is_a_503(admin: Person, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    webhook = created(admin)

    with intercepted(refuse("TransactWriteItems", conflicted)):
        assert_problem(ACTIONS[name](admin, webhook), 503, "unavailable")

    assert get(admin, webhook).json == {name: it for name, it in webhook.items() if name != "secret"}
    assert len(audited()) == 1
