"""Deliveries are created once, and scheduled again on request."""

from datetime import timedelta
from typing import Any

import pytest

from oms.core import clock
from oms.core.dynamodb import update_item
from oms.core.errors import NotFoundError, ReplayRunningError, WebhookNotActiveError
from oms.core.schemas import Response
from oms.events.envelope import Event, EventActor
from oms.webhooks import deliveries
from oms.webhooks.models import Delivery
from oms.webhooks.post import PostResponse
from oms.webhooks.schedule import DELAYS, next_attempt
from tests.support.aws_calls import intercepted
from tests.support.faults import between, lose_answer
from tests.support.webhook_simulation import (
    REPLAYS,
    WebhookSimulation,
    answering,
    begun,
    delivery_of,
    host,
    one_attempt,
    start_replay,
    subscribe,
)
from tests.support.webhooks import stored


class Ping(Response):
    text: str


def a_test_event() -> Event[Any]:
    at = clock.timestamp(clock.now())
    event = {"id": clock.random_id(24), "type": "webhook.test", "occurred_at": at, "sequence": 1}
    return Event[Ping](**event, actor=EventActor(id="U1", role="manager"), data=Ping(text="grüß dich"))


def ended(delivery: Delivery, status: str = "failed") -> Delivery:
    """Ends a delivery as the sender does."""
    return update_item(
        delivery, [Delivery.status.set(status), Delivery.attempt_count.set(10), *deliveries.removing_due()]
    )


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 0.0)


def test_an_event_for_one_subscription_is_stored_as_it_is_signed_and_is_due_at_once(
    simulation: WebhookSimulation,
) -> None:
    subscription, event = subscribe(), a_test_event()

    made = deliveries.deliver_now(subscription, event)

    found = stored(made)
    assert (found.status, found.event_id, found.event_type) == ("pending", event.id, "webhook.test")
    assert found.body == event.text()
    assert (found.attempt_count, found.attempts) == (0, [])
    assert simulation.messages() == [{"subscription": subscription.id, "delivery": made.id, "due_at": found.due_at}]


def test_a_delivery_that_was_made_while_its_answer_was_lost_is_one(simulation: WebhookSimulation) -> None:
    subscription, event = subscribe(), a_test_event()

    with intercepted(lose_answer("PutItem")):
        made = deliveries.deliver_now(subscription, event)

    assert stored(made).due_at == made.due_at
    assert [it["due_at"] for it in simulation.messages()] == [made.due_at]


@pytest.mark.parametrize("status", ["paused", "disabled"])
def test_nothing_is_sent_to_a_webhook_that_is_not_active(simulation: WebhookSimulation, status: str) -> None:
    subscription = subscribe(status=status)
    kept = deliveries.create(subscription, event_id="E" * 24, event_type="order.created", body="{}")

    for ask in (
        lambda: deliveries.deliver_now(subscription, a_test_event()),
        lambda: deliveries.replay_one(subscription, kept.id),
        lambda: start_replay(subscription, clock.now(), clock.now()),
    ):
        with pytest.raises(WebhookNotActiveError):
            ask()

    assert (stored(kept).status, stored(kept).due_at) == ("paused", None)
    assert simulation.messages() == []


@pytest.mark.parametrize("status", ["delivered", "failed", "paused"])
def test_a_delivery_that_has_ended_begins_again(simulation: WebhookSimulation, status: str) -> None:
    subscription = subscribe()
    made = ended(deliveries.deliver_now(subscription, a_test_event()), status)
    simulation.queues.clear()

    again = deliveries.replay_one(subscription, made.id)

    found = stored(made)
    assert (found.status, found.attempt_count, found.body) == ("pending", 0, made.body)
    assert found.due_at == deliveries.milliseconds(clock.now())
    assert simulation.messages() == [{"subscription": subscription.id, "delivery": made.id, "due_at": again.due_at}]


def test_one_that_waits_for_hours_is_sent_now_and_a_running_one_when_its_claim_ends(
    simulation: WebhookSimulation,
) -> None:
    subscription = subscribe()
    waiting, working = (deliveries.deliver_now(subscription, a_test_event()) for _ in range(2))
    update_item(waiting, deliveries.setting_due(subscription.id, waiting.id, clock.now() + timedelta(hours=5)))
    claimed = update_item(
        working, deliveries.setting_due(subscription.id, working.id, clock.now() + deliveries.CLAIM_LEASE)
    )

    deliveries.replay_one(subscription, waiting.id)
    deliveries.replay_one(subscription, working.id)

    assert stored(waiting).due_at <= deliveries.milliseconds(clock.now())
    assert stored(working).due_at == claimed.due_at


@pytest.mark.parametrize("replay", [None, "R"])
@pytest.mark.parametrize("made", [3, 10])
def test_one_whose_attempt_is_under_way_has_all_its_attempts_after_it(
    simulation: WebhookSimulation, made: int, replay: str | None
) -> None:
    """A caller that got 202 must not see it fail by the attempt that was already running."""
    subscription = begun(simulation)
    waiting = update_item(delivery_of(subscription), [Delivery.attempt_count.set(made - 1)])

    def fails_as_it_is_replayed() -> PostResponse:
        deliveries.schedule_now(delivery_of(subscription), replay=replay)
        simulation.behaviours[host(subscription)] = answering(500)
        return answering(500)()

    simulation.behaviours[host(subscription)] = fails_as_it_is_replayed
    one_attempt(simulation)

    now = delivery_of(subscription)
    assert (now.status, now.attempt_count, len(now.attempts)) == ("pending", 1, 1)
    assert now.due_at - waiting.due_at in range(5000, 5501)
    simulation.run()
    assert (delivery_of(subscription).status, len(simulation.posts)) == ("failed", 10)


@pytest.mark.parametrize("made", [3, 9])
def test_one_that_is_due_within_a_minute_has_all_its_attempts(simulation: WebhookSimulation, made: int) -> None:
    subscription = begun(simulation, answering(500))
    update_item(delivery_of(subscription), [Delivery.attempt_count.set(made)])

    deliveries.replay_one(subscription, delivery_of(subscription).id)
    simulation.run()

    assert (delivery_of(subscription).status, len(simulation.posts)) == ("failed", 10)


@pytest.mark.parametrize("status", ["delivered", "failed", "paused"])
def test_one_that_ends_as_it_is_replayed_begins_again(simulation: WebhookSimulation, status: str) -> None:
    subscription = subscribe()
    working = deliveries.deliver_now(subscription, a_test_event())

    with intercepted(between(2, lambda: ended(stored(working), status), after=False)):
        answer = deliveries.replay_one(subscription, working.id)

    now = stored(working)
    assert (answer.status, now.status, now.attempt_count) == ("pending", "pending", 0)
    assert [it["due_at"] for it in simulation.messages()][-1] == now.due_at


def test_a_replay_whose_answer_was_lost_is_one(simulation: WebhookSimulation) -> None:
    subscription = subscribe()
    made = ended(deliveries.deliver_now(subscription, a_test_event()))

    with intercepted(lose_answer("UpdateItem")) as calls:
        answer = deliveries.replay_one(subscription, made.id)

    assert [it.operation for it in calls].count("UpdateItem") == 2
    assert (answer.due_at, answer.attempt_count) == (stored(made).due_at, 0)


@pytest.mark.parametrize(("left", "kept"), [(timedelta(hours=1), timedelta(days=10)), (timedelta(days=11),) * 2])
def test_a_delivery_that_begins_again_is_kept_for_all_of_its_attempts(
    simulation: WebhookSimulation, left: timedelta, kept: timedelta
) -> None:
    subscription = subscribe()
    made = ended(deliveries.deliver_now(subscription, a_test_event()))
    update_item(made, [Delivery.expires_at.set(int((simulation.now + left).timestamp()))])

    deliveries.replay_one(subscription, made.id)

    assert stored(made).expires_at == (simulation.now + kept).timestamp()
    waits = [next_attempt(it, simulation.now, retry_after="99999999", chance=1.0) for it in range(1, len(DELAYS) + 1)]
    assert sum(((it - simulation.now) for it in waits if it), timedelta()) < kept


def test_a_delivery_that_is_not_there_is_not_found(simulation: WebhookSimulation) -> None:
    with pytest.raises(NotFoundError):
        deliveries.replay_one(subscribe(), "D" * 24)


def test_one_replay_of_a_subscription_runs_at_a_time(simulation: WebhookSimulation) -> None:
    subscription, other, now = subscribe(), subscribe(), clock.now()

    def start(of: Any) -> None:
        start_replay(of, now - timedelta(hours=1), now)

    with intercepted(lose_answer("TransactWriteItems")):
        start(subscription)
    with pytest.raises(ReplayRunningError):
        start(subscription)
    start(other)

    assert [it["subscription"] for it in simulation.messages(REPLAYS)] == [subscription.id, other.id]
