"""F20: a subscriber is down for days. Each attempt has its time, five days disable it, and a replay fills the gap."""

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
from tests.support.webhook_world import World, answering, deliveries_of, host, in_turn, silent, subscribe
from tests.support.webhooks import an_event, subscription_now

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 0.0)


def swept(due: datetime) -> datetime:
    """When what is hours away is brought up: at the first full minute at which it is over two minutes overdue."""
    return (due + timedelta(minutes=2)).replace(second=0, microsecond=0) + timedelta(minutes=1)


def attempts_of(first: datetime) -> list[datetime]:
    """The ten attempts at a delivery that nobody answers, by the design: each counted from the one before."""
    moments = [first, first + timedelta(seconds=5), first + timedelta(seconds=5, minutes=5)]
    for delay in (timedelta(minutes=30), *(timedelta(hours=it) for it in (2, 5, 10, 14, 20, 24))):
        moments.append(swept(moments[-1] + delay))
    return moments


def raw(subscription: Subscription) -> dict[str, Any]:
    items = table("webhooks").items()
    return next(it for it in items if it["sk"]["S"] == subscription.id)


def test_f20_each_attempt_comes_at_its_time_to_the_second(world: World) -> None:
    subscription = subscribe()
    world.behaviours[host(subscription)] = silent

    world.publish(an_event())
    world.run()

    assert [post.at for post in world.posts] == attempts_of(START)
    (delivery,) = deliveries_of(subscription)
    assert [it.at for it in delivery.attempts] == [f"{it:%Y-%m-%dT%H:%M:%S}.000Z" for it in attempts_of(START)]
    assert (delivery.status, delivery.attempt_count) == ("failed", 10)
    assert timedelta(days=3) < world.posts[-1].at - START < timedelta(days=3, hours=5)
    assert subscription_now(subscription).status == "active", "it has not failed for five days"


def test_f20_six_days_of_events_to_a_subscriber_who_is_down_for_five_and_replayed(
    world: World, person: Callable[..., Person]
) -> None:
    subscription = subscribe()
    before = raw(subscription)
    world.behaviours[host(subscription)] = answering(503)
    events = []
    for hours in range(0, 6 * 24, 6):
        world.run(START + timedelta(hours=hours))
        events.append(an_event())
        world.publish(events[-1])
    world.run(START + timedelta(days=6))

    # It was disabled by the first failure that came five days after the first.
    after = subscription_now(subscription)
    assert (after.status, after.disabled_reason, after.version) == ("disabled", "failing", 2)
    tries = sorted(post.at for post in world.posts)
    end = next(it for it in tries if it >= START + timedelta(days=5))
    assert tries[-1] == end, "and nothing was sent to it after that"
    assert after.updated_at == f"{end:%Y-%m-%dT%H:%M:%S}.000Z"
    (told,) = registry.events_from_change(Change.of(record(before, raw(subscription), of="webhooks")))
    assert (told.type, told.sequence, told.data.disabled_reason) == ("webhook.disabled", 2, "failing")  # type: ignore[union-attr]
    kept = deliveries_of(subscription)
    assert [it.event_id for it in kept] == sorted(it["id"] for it in events)
    assert {it.status for it in kept} <= {"failed", "paused", "pending"}
    bodies = {it.event_id: it.body.encode() for it in kept}

    # It is up again; an admin enables it, and a manager asks for what it has missed.
    world.behaviours[host(subscription)] = answering(200)
    down = len(world.posts)
    path = f"/api/v1/webhooks/{subscription.id}"
    assert call("PATCH", path, {"status": "active"}, token=person("admin").token).status == 200
    span = {"from": "2026-01-01", "to": "2026-01-06", "only_failed": True}
    answer = call("POST", f"{path}/replay", span, token=person("manager").token)
    assert answer.status == 202, answer.text
    world.run()

    assert {post.id: post.body for post in world.posts[down:]} == bodies, "nothing missing, and as it was"
    assert len(world.posts[down:]) == len(events), "nothing twice"
    assert {it.status for it in deliveries_of(subscription)} == {"delivered"}
    assert subscription_now(subscription).failing_since is None
    assert world.dead == []


def test_f20_a_subscriber_who_is_back_before_the_last_attempt_misses_nothing(world: World) -> None:
    subscription = subscribe()
    world.behaviours[host(subscription)] = in_turn(*[answering(500)] * 9, answering(204))

    world.publish(an_event())
    world.run()

    (delivery,) = deliveries_of(subscription)
    assert (delivery.status, delivery.attempt_count) == ("delivered", 10)
    assert subscription_now(subscription).failing_since is None


def test_f20_jitter_makes_a_wait_longer_by_a_tenth_at_most(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 1.0)
    subscribe(url="https://one.example/")
    world.behaviours["one.example"] = answering(500)

    world.publish(an_event())
    world.run(START + timedelta(minutes=10))

    assert [(post.at - START).total_seconds() for post in world.posts] == [0, 6, 336]
    assert next(iter(_due(world))) == START + timedelta(seconds=336) + timedelta(minutes=33)


def _due(_: World) -> list[datetime]:
    items = table("webhooks").items()
    return [datetime.fromtimestamp(int(it["due_at"]["N"]) / 1000, UTC) for it in items if "due_at" in it]
