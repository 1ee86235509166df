"""F20: a subscriber is down for days. Attempts follow the schedule, five days disable it, a replay fills the gap."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oms.events.streams import Change
from oms.publishing import registry
from oms.webhooks.models import Subscription
from tests.support.database import table
from tests.support.gateway import call
from tests.support.invocation import Person
from tests.support.streams import record
from tests.support.webhook_simulation import (
    WebhookSimulation,
    answering,
    deliveries_of,
    host,
    in_turn,
    silent,
    subscribe,
)
from tests.support.webhooks import an_event, subscription_now

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 0.0)


def swept(due: datetime) -> datetime:
    """Returns the time of the sweep for an attempt hours later: the first full minute at which it is over two minutes
    overdue.
    """
    return (due + timedelta(minutes=2)).replace(second=0, microsecond=0) + timedelta(minutes=1)


def attempts_of(first: datetime) -> list[datetime]:
    """Returns the designed times of the ten attempts of an unanswered delivery, each after the previous one."""
    moments = [first, first + timedelta(seconds=5), first + timedelta(seconds=5, minutes=5)]
    for delay in (timedelta(minutes=30), *(timedelta(hours=it) for it in (2, 5, 10, 14, 20, 24))):
        moments.append(swept(moments[-1] + delay))
    return moments


def raw(subscription: Subscription) -> dict[str, Any]:
    items = table("webhooks").items()
    return next(it for it in items if it["sk"]["S"] == subscription.id)


def test_f20_each_attempt_comes_at_its_time_to_the_second(simulation: WebhookSimulation) -> None:
    subscription = subscribe()
    simulation.behaviours[host(subscription)] = silent

    simulation.publish(an_event())
    simulation.run()

    assert [post.at for post in simulation.posts] == attempts_of(START)
    (delivery,) = deliveries_of(subscription)
    assert [it.at for it in delivery.attempts] == [f"{it:%Y-%m-%dT%H:%M:%S}.000Z" for it in attempts_of(START)]
    assert (delivery.status, delivery.attempt_count) == ("failed", 10)
    assert timedelta(days=3) < simulation.posts[-1].at - START < timedelta(days=3, hours=5)
    assert subscription_now(subscription).status == "active", "it has not failed for five days"


def test_f20_six_days_of_events_to_a_subscriber_who_is_down_for_five_and_replayed(
    simulation: WebhookSimulation, person: Callable[..., Person]
) -> None:
    subscription = subscribe()
    before = raw(subscription)
    simulation.behaviours[host(subscription)] = answering(503)
    events = []
    for hours in range(0, 6 * 24, 6):
        simulation.run(START + timedelta(hours=hours))
        events.append(an_event())
        simulation.publish(events[-1])
    simulation.run(START + timedelta(days=6))

    # The first failure five days after the first one disabled it.
    after = subscription_now(subscription)
    assert (after.status, after.disabled_reason, after.version) == ("disabled", "failing", 2)
    tries = sorted(post.at for post in simulation.posts)
    end = next(it for it in tries if it >= START + timedelta(days=5))
    assert tries[-1] == end, "and nothing was sent to it after that"
    assert after.updated_at == f"{end:%Y-%m-%dT%H:%M:%S}.000Z"
    (event,) = registry.events_from_change(Change.of(record(before, raw(subscription), of="webhooks")))
    assert (event.type, event.sequence, event.data.disabled_reason) == ("webhook.disabled", 2, "failing")  # type: ignore[union-attr]
    kept = deliveries_of(subscription)
    assert [it.event_id for it in kept] == sorted(it["id"] for it in events)
    assert {it.status for it in kept} <= {"failed", "paused", "pending"}
    bodies = {it.event_id: it.body.encode() for it in kept}

    # It is up again; an admin enables it, and a manager requests the missed deliveries.
    simulation.behaviours[host(subscription)] = answering(200)
    down = len(simulation.posts)
    path = f"/api/v1/webhooks/{subscription.id}"
    assert call("PATCH", path, {"status": "active"}, token=person("admin").token).status == 200
    span = {"from": "2026-01-01", "to": "2026-01-06", "only_failed": True}
    answer = call("POST", f"{path}/replay", span, token=person("manager").token)
    assert answer.status == 202, answer.text
    simulation.run()

    assert {post.id: post.body for post in simulation.posts[down:]} == bodies, (
        "none is missing, and the bodies are the same"
    )
    assert len(simulation.posts[down:]) == len(events), "none twice"
    assert {it.status for it in deliveries_of(subscription)} == {"delivered"}
    assert subscription_now(subscription).failing_since is None
    assert simulation.dead == []


def test_f20_a_subscriber_who_is_back_before_the_last_attempt_misses_nothing(simulation: WebhookSimulation) -> None:
    subscription = subscribe()
    simulation.behaviours[host(subscription)] = in_turn(*[answering(500)] * 9, answering(204))

    simulation.publish(an_event())
    simulation.run()

    (delivery,) = deliveries_of(subscription)
    assert (delivery.status, delivery.attempt_count) == ("delivered", 10)
    assert subscription_now(subscription).failing_since is None


def test_f20_jitter_makes_a_wait_longer_by_a_tenth_at_most(
    simulation: WebhookSimulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.random", lambda: 1.0)
    subscribe(url="https://one.example/")
    simulation.behaviours["one.example"] = answering(500)

    simulation.publish(an_event())
    simulation.run(START + timedelta(minutes=10))

    assert [(post.at - START).total_seconds() for post in simulation.posts] == [0, 6, 336]
    assert next(iter(_due(simulation))) == START + timedelta(seconds=336) + timedelta(minutes=33)


def _due(_: WebhookSimulation) -> list[datetime]:
    items = table("webhooks").items()
    return [datetime.fromtimestamp(int(it["due_at"]["N"]) / 1000, UTC) for it in items if "due_at" in it]
