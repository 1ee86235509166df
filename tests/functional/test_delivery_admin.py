"""The routes for managers of a webhook: its deliveries, a test, and replays."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from oms.core import clock, queues
from oms.core.aws_json.client import Client
from oms.core.dynamodb import client, get_item
from oms.core.queues import OutgoingMessage
from oms.core.settings import settings
from oms.webhooks.models import Attempt, Delivery, Replay, Subscription
from tests.support.accounts import audit_entries
from tests.support.aws_calls import Call, intercepted
from tests.support.database import table
from tests.support.faults import Failure, crashes, failing, timed_out
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Answer, Person
from tests.support.webhooks import a_delivery, stored, subscribe, taken, triggers

WEBHOOKS = "/api/v1/webhooks"
NOWHERE = "0" * 20

pytestmark = pytest.mark.usefixtures("webhooks")


def post(who: Person, webhook_id: str, suffix: str, body: Any = None) -> Answer:
    return call("POST", f"{WEBHOOKS}/{webhook_id}/{suffix}", body, token=who.token)


def listed(who: Person, subscription: Subscription, query: str = "") -> Answer:
    return call("GET", f"{WEBHOOKS}/{subscription.id}/deliveries{query}", token=who.token)


def audited(action: str) -> list[tuple[Any, ...]]:
    return [(it.actor_id, it.target, it.details) for it in audit_entries() if it.action == action]


# ---- deliveries -----------------------------------------------------------------------------------------------------


def test_a_delivery_is_shown_with_its_attempts_and_the_next_one(admin: Person) -> None:
    subscription, due = subscribe(), clock.now() + timedelta(seconds=5)
    attempts = [
        Attempt(at="2026-01-31T09:30:00.000Z", status_code=503, duration_ms=31, answer="busy"),
        Attempt(at="2026-01-31T09:30:05.000Z", duration_ms=15000, error="no response within 15 s"),
        Attempt(at="2026-01-31T09:35:05.000Z", error="interrupted"),
    ]
    due_at = int(due.timestamp() * 1000)
    delivery = a_delivery(subscription, status="pending", attempts=attempts, attempt_count=3, due_at=due_at)

    answer = listed(admin, subscription)

    assert answer.json == {
        "items": [
            {
                "id": delivery.id,
                "event_id": delivery.event_id,
                "event_type": "order.created",
                "status": "pending",
                "attempts": [
                    {
                        "at": "2026-01-31T09:30:00.000Z",
                        "status": "failed",
                        "status_code": 503,
                        "duration_ms": 31,
                        "error": None,
                        "answer": "busy",
                    },
                    {
                        "at": "2026-01-31T09:30:05.000Z",
                        "status": "failed",
                        "status_code": None,
                        "duration_ms": 15000,
                        "error": "no response within 15 s",
                        "answer": None,
                    },
                    {
                        "at": "2026-01-31T09:35:05.000Z",
                        "status": "interrupted",
                        "status_code": None,
                        "duration_ms": None,
                        "error": "interrupted",
                        "answer": None,
                    },
                ],
                "next_attempt_at": clock.timestamp(due),
                "created_at": delivery.created_at,
            }
        ],
        "next_cursor": None,
    }


@pytest.mark.parametrize(
    "said", ["Cannot POST /hooks/T0-secret", "/hooks/T0%2Dsecret", "/hooks/T0&#45;secret", "POST /hooks/T0-sec"]
)
def test_a20_managers_do_not_read_the_response_of_a_receiver(manager: Person, admin: Person, said: str) -> None:
    """The answer may repeat the path in any form, or a part of it."""
    subscription = subscribe(url="https://hooks.example/hooks/T0-secret")
    attempts = [Attempt(at="2026-01-31T09:30:00.000Z", status_code=404, duration_ms=31, answer=said)]
    delivery = a_delivery(subscription, status="failed", attempts=attempts)

    shown = {
        who.id: [
            listed(who, subscription).json["items"][0]["attempts"],
            post(who, subscription.id, f"deliveries/{delivery.id}/replay").json["attempts"],
        ]
        for who in (manager, admin)
    }

    read = attempts[0].attribute_values | {"status": "failed", "error": None}
    assert shown[admin.id] == [[read], [read]]
    assert shown[manager.id] == [[read | {"answer": None}]] * 2


def test_an_attempt_that_is_being_made_reads_in_progress_and_not_interrupted(manager: Person) -> None:
    running = Attempt(at=clock.timestamp(clock.now()), error="interrupted")
    due_at = int((clock.now() + timedelta(seconds=60)).timestamp() * 1000)
    subscription = subscribe()
    a_delivery(subscription, status="pending", attempts=[running], attempt_count=1, due_at=due_at)

    (shown,) = listed(manager, subscription).json["items"]

    (attempt,) = shown["attempts"]
    assert (attempt["status"], attempt["error"], shown["next_attempt_at"]) == ("in_progress", None, None)


@pytest.mark.parametrize("status", ["delivered", "failed", "paused"])
def test_an_ended_delivery_has_no_next_attempt(manager: Person, status: str) -> None:
    a_delivery(subscription := subscribe(), status=status)

    (shown,) = listed(manager, subscription).json["items"]

    assert (shown["status"], shown["next_attempt_at"]) == (status, None)


def test_the_newest_come_first_page_by_page_and_of_this_webhook_alone(
    manager: Person, time_machine: Callable[[timedelta], None]
) -> None:
    subscription, other = subscribe(), subscribe()
    made: list[str] = []
    for _ in range(5):
        made.append(a_delivery(subscription).id)
        a_delivery(other)
        time_machine(timedelta(seconds=1))
    assert post(manager, subscription.id, "replay", SPAN).status == 202, "its item is not a delivery"
    assert post(manager, subscription.id, "test").status == 202

    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = listed(manager, subscription, f"?limit=2{cursor}").json
        found += [it["id"] for it in page["items"]]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"

    assert found[1:] == made[::-1], "behind the test"


def test_a_cursor_is_valid_for_its_own_webhook_only(manager: Person) -> None:
    subscription, other = subscribe(), subscribe()
    for _ in range(2):
        a_delivery(subscription)
    cursor = listed(manager, subscription, "?limit=1").json["next_cursor"]

    assert listed(manager, subscription, f"?limit=1&cursor={cursor}").status == 200
    assert places(listed(manager, other, f"?limit=1&cursor={cursor}")) == {"?cursor"}


# ---- test -----------------------------------------------------------------------------------------------------------


def test_a_test_is_an_event_for_this_webhook_alone(manager: Person) -> None:
    subscription, other = subscribe("order.shipped", description="The warehouse"), subscribe("*")

    answer = post(manager, subscription.id, "test")

    assert answer.status == 202, answer.text
    assert listed(manager, subscription).json["items"] == [answer.json]
    assert listed(manager, other).json["items"] == []
    delivery = get_item(Delivery, Delivery.key(subscription.id, answer.json["id"]))
    assert delivery
    assert triggers() == [{"subscription": subscription.id, "delivery": delivery.id, "due_at": delivery.due_at}]
    event = json.loads(delivery.body)
    assert event["id"] == answer.json["event_id"]
    assert event["type"] == answer.json["event_type"] == "webhook.test"
    assert event["actor"] == {"id": manager.id, "role": "manager"}
    assert event["data"] == {
        "id": subscription.id,
        "host": "hooks.example",
        "events": ["order.shipped"],
        "description": "The warehouse",
        "status": "active",
        "disabled_reason": None,
        "failing_since": None,
    }


def test_five_tests_a_minute_and_the_headers_show_the_rest(
    manager: Person, admin: Person, time_machine: Callable[[timedelta], None]
) -> None:
    second = clock.now().second
    time_machine(timedelta(seconds=10 - second if second < 10 else 70 - second))
    subscription, other = subscribe(), subscribe()

    answers = [post(manager if number % 2 else admin, subscription.id, "test") for number in range(6)]

    assert [it.status for it in answers] == [202] * 5 + [429]
    assert [it.headers["RateLimit"].split(";")[1] for it in answers] == ["r=4", "r=3", "r=2", "r=1", "r=0", "r=0"]
    assert {it.headers["RateLimit-Policy"] for it in answers} == {'"webhook-test";q=5;w=60'}
    assert_problem(answers[-1], 429, "too-many-requests")
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 50
    assert post(manager, other.id, "test").status == 202, "each webhook has its own"
    time_machine(timedelta(seconds=60))
    assert post(manager, subscription.id, "test").status == 202
    assert len({it.json["event_id"] for it in answers[:5]}) == 5


@pytest.mark.parametrize("status", ["paused", "disabled"])
@pytest.mark.parametrize("suffix", ["test", "replay", "deliveries/{delivery}/replay"])
def test_nothing_is_sent_to_a_webhook_that_is_not_active(manager: Person, status: str, suffix: str) -> None:
    subscription = subscribe(status=status)
    delivery = a_delivery(subscription, status="paused")

    answer = post(manager, subscription.id, suffix.format(delivery=delivery.id), SPAN if suffix == "replay" else None)

    assert_problem(answer, 409, "webhook-not-active")
    assert triggers() == []
    assert taken(settings().replay_queue_url) == []
    assert stored(delivery).status == "paused"
    assert not [it for it in audit_entries() if it.action.startswith("webhook.")]


# ---- replay ---------------------------------------------------------------------------------------------------------

SPAN = {"from": "2026-01-01", "to": "2026-01-31"}


@pytest.mark.parametrize("status", ["delivered", "failed", "paused"])
def test_one_delivery_is_sent_again_at_once(manager: Person, status: str) -> None:
    subscription = subscribe()
    delivery = a_delivery(subscription, status=status, attempt_count=10)

    answer = post(manager, subscription.id, f"deliveries/{delivery.id}/replay")

    now = stored(delivery)
    assert answer.status == 202, answer.text
    assert answer.json == listed(manager, subscription).json["items"][0]
    assert (answer.json["status"], len(answer.json["attempts"])) == ("pending", 1)
    assert (now.status, now.attempt_count, now.body) == ("pending", 0, delivery.body)
    assert triggers() == [{"subscription": subscription.id, "delivery": delivery.id, "due_at": now.due_at}]


def test_a_delivery_of_a_slow_webhook_is_sent_again_by_the_queue_of_the_slow(manager: Person) -> None:
    subscription = subscribe(pace="slow")
    delivery = a_delivery(subscription, status="failed")

    assert post(manager, subscription.id, f"deliveries/{delivery.id}/replay").status == 202

    assert [it["delivery"] for it in taken(settings().slow_delivery_queue_url)] == [delivery.id]
    assert triggers() == []


def test_a_span_is_replayed_by_a_worker(manager: Person) -> None:
    subscription = subscribe()

    answer = post(manager, subscription.id, "replay", SPAN | {"only_failed": True})

    replay = get_item(Replay, Replay.key(subscription.id))
    assert replay
    assert answer.status == 202, answer.text
    assert answer.json == {
        "from": "2026-01-01T00:00:00.000Z",
        "to": "2026-02-01T00:00:00.000Z",
        "only_failed": True,
        "started_at": replay.started_at,
    }
    assert replay.only_failed
    assert len(taken(settings().replay_queue_url)) == 1
    assert_problem(post(manager, subscription.id, "replay", SPAN), 409, "replay-running")
    assert post(manager, subscribe().id, "replay", SPAN).json["only_failed"] is False


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"from": "2026-01-31", "to": "2026-01-30"}, "#/to"),
        ({"from": "2026-01-31T10:00:00Z", "to": "2026-01-31T09:59:59Z"}, "#/to"),
        ({"from": "2026-01-31"}, "#/to"),
        ({"to": "2026-01-31"}, "#/from"),
        ({"from": "yesterday", "to": "2026-01-31"}, "#/from"),
        ({"from": 1, "to": "2026-01-31"}, "#/from"),
        ({"from": None, "to": "2026-01-31"}, "#/from"),
        ({"from_": "2026-01-01", "from": "2026-01-01", "to": "2026-01-31"}, "#/from_"),
        (SPAN | {"only_failed": "yes"}, "#/only_failed"),
        (SPAN | {"only_failed": 1}, "#/only_failed"),
    ],
)
def test_a_span_that_makes_no_sense_is_pointed_at(manager: Person, body: dict[str, Any], place: str) -> None:
    subscription = subscribe()

    assert place in places(post(manager, subscription.id, "replay", body))
    assert get_item(Replay, Replay.key(subscription.id)) is None


@pytest.mark.parametrize("span", [("0001-01-01", "9999-12-31"), ("2026-01-31T10:00:00Z", "2026-01-31T10:00:00Z")])
def test_the_longest_and_the_shortest_spans_are_taken(manager: Person, span: tuple[str, str]) -> None:
    assert post(manager, subscribe().id, "replay", dict(zip(("from", "to"), span, strict=True))).status == 202


# ---- missing resources, audit entries -------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["test", "replay", "deliveries/x/replay"])
def test_a_missing_resource_is_not_found(manager: Person, suffix: str) -> None:
    body = SPAN if suffix == "replay" else None

    assert_problem(post(manager, NOWHERE, suffix, body), 404, "not-found")
    assert_problem(call("GET", f"{WEBHOOKS}/{NOWHERE}/deliveries", token=manager.token), 404, "not-found")


def test_a_delivery_of_another_webhook_is_not_this_ones(manager: Person) -> None:
    subscription, other = subscribe(), subscribe()
    delivery = a_delivery(other)

    assert_problem(post(manager, subscription.id, f"deliveries/{delivery.id}/replay"), 404, "not-found")
    assert_problem(post(manager, subscription.id, "deliveries/none/replay"), 404, "not-found")


def test_requests_that_make_it_send_are_audited(manager: Person) -> None:
    subscription = subscribe()
    delivery = a_delivery(subscription)
    target = f"webhook#{subscription.id}"

    sent = post(manager, subscription.id, "test").json
    post(manager, subscription.id, f"deliveries/{delivery.id}/replay")
    post(manager, subscription.id, "replay", SPAN)

    assert audited("webhook.tested") == [(manager.id, target, {"delivery": sent["id"]})]
    span = {"from": "2026-01-01T00:00:00.000Z", "to": "2026-02-01T00:00:00.000Z", "only_failed": 0}
    assert audited("webhook.replayed") == [
        (manager.id, target, {"delivery": delivery.id}),
        (manager.id, target, span),
    ]


ASKED = {
    "test": lambda _: ("test", None),
    "one": lambda delivery: (f"deliveries/{delivery.id}/replay", None),
    "span": lambda _: ("replay", SPAN),
}


@pytest.mark.parametrize("name", ASKED)
def test_nothing_is_sent_that_was_not_written_down(manager: Person, name: str) -> None:
    """Regardless of the call at which the request dies."""

    def begin() -> tuple[Subscription, Delivery]:
        subscription = subscribe()
        return subscription, a_delivery(subscription)

    def ask(it: tuple[Subscription, Delivery]) -> None:
        subscription, delivery = it
        post(manager, subscription.id, *ASKED[name](delivery))

    for where, (subscription, delivery) in crashes(begin, ask):
        items = table("webhooks").items()
        own = [it for it in items if it["pk"]["S"] == f"sub#{subscription.id}" and it["kind"]["S"] != "tests"]
        happened = len(own) > 1 or stored(delivery).status == "pending"
        written = [it for it in audit_entries() if it.target == f"webhook#{subscription.id}"]
        assert len(written) <= 1, where
        assert written or not happened, where
        assert name != "span" or bool(written) == happened, where


def test_a27_managers_are_not_shown_deliveries_of_events_that_are_for_admins(manager: Person, admin: Person) -> None:
    subscription = subscribe()
    order, user = a_delivery(subscription), a_delivery(subscription, "user.registered")

    assert {it["id"] for it in listed(admin, subscription).json["items"]} == {order.id, user.id}
    assert [it["id"] for it in listed(manager, subscription).json["items"]] == [order.id]
    assert_problem(post(manager, subscription.id, f"deliveries/{user.id}/replay"), 404, "not-found")
    assert post(admin, subscription.id, f"deliveries/{user.id}/replay").status == 202


# ---- queues that refuse ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [failing("ServiceUnavailable"), failing("AccessDenied"), timed_out])
@pytest.mark.parametrize("asked", ["test", "replay of one", "replay of a span"])
def test_f18_an_accepted_request_is_answered_so_though_its_queue_refuses_the_trigger(
    manager: Person, asked: str, failure: Failure
) -> None:
    """The sweep finds it. A client would repeat a refused request, which would then be stored twice, or conflict."""
    subscription = subscribe()
    ended = a_delivery(subscription, status="failed")
    suffix, body = {
        "test": ("test", None),
        "replay of one": (f"deliveries/{ended.id}/replay", None),
        "replay of a span": ("replay", SPAN),
    }[asked]

    def plan(call: Call) -> Any:
        if call.service == "sqs":
            raise failure(call)
        return call.send()

    with intercepted(plan) as calls:
        answer = post(manager, subscription.id, suffix, body)

    assert answer.status == 202, answer.text
    assert [it.service for it in calls].count("sqs") == 1
    assert overdue_at(clock.now() + timedelta(minutes=3)) == 1


def overdue_at(moment: datetime) -> int:
    """Returns the number of deliveries that a sweep at that time would find."""
    items = client().scan(TableName="webhooks")["Items"]
    return sum("due_key" in it and int(it["due_at"]["N"]) < moment.timestamp() * 1000 - 120_000 for it in items)


def test_a_request_waits_for_a_queue_no_longer_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """API Gateway waits 30 s; the earlier steps of a request take at most 19."""
    made: list[Client] = []

    def refuse(client: Client, operation: str, _parameters: dict[str, Any]) -> dict[str, Any]:
        made.append(client)
        return {"Failed": [{"Code": "Throttled"}]}

    monkeypatch.setattr(Client, "_make_api_call", refuse)

    queues.send_if_possible(settings().delivery_queue_url, [OutgoingMessage({})])

    (client,) = made
    assert client.retries.max_attempts * (client.connect_seconds + client.read_seconds) + 1 <= 30 - 19
