"""The sweep triggers overdue deliveries: attempts hours later, and lost triggers."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from oms.core import clock
from oms.core.dynamodb import get_item, update_item
from oms.core.errors import UnavailableError
from oms.webhooks import overdue
from oms.webhooks.deliveries import create, milliseconds, setting_due
from oms.webhooks.models import Delivery, Replay, Subscription
from tests.support.aws_calls import Call, Plan, intercepted
from tests.support.faults import failing
from tests.support.webhook_simulation import (
    QUICK,
    REPLAYS,
    SLOW,
    WebhookSimulation,
    deliveries_of,
    start_replay,
    subscribe,
)
from tests.support.webhooks import a_delivery, an_event

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def pending(subscription: Subscription, *, overdue: timedelta) -> Delivery:
    """Stores a pending delivery that has been overdue for this time."""
    event = an_event()
    made = create(subscription, event_id=event["id"], event_type=event["type"], body="{}")
    return update_item(made, setting_due(subscription.id, made.id, clock.now() - overdue))


def throttled_for(subscription: Subscription) -> Plan:
    """Throttles the reads of its partition of the index."""

    def plan(call: Call) -> Any:
        values = call.parameters.get("ExpressionAttributeValues", {}).values()
        if call.operation == "Query" and {"S": subscription.id} in values:
            raise failing("ThrottlingException")(call)
        return call.send()

    return plan


def test_a_delivery_more_than_two_minutes_overdue_is_triggered_for_its_own_time_the_oldest_first(
    simulation: WebhookSimulation,
) -> None:
    subscription = subscribe()
    for seconds in (119, 121, 3600, -60):
        pending(subscription, overdue=timedelta(seconds=seconds))

    assert overdue.sweep() == 2

    now = milliseconds(simulation.now)
    assert [it["due_at"] for it in simulation.messages()] == [now - 3600_000, now - 121_000]
    assert {it.group for it in simulation.queues[QUICK]} == {subscription.id}


def test_a_trigger_that_was_lost_is_made_up_for(simulation: WebhookSimulation) -> None:
    subscription, event = subscribe(), an_event()
    create(subscription, event_id=event["id"], event_type=event["type"], body="{}")

    simulation.run()

    (post,) = simulation.posts
    assert (post.at.hour, post.at.minute, post.at.second) == (0, 3, 0), (
        "the first full minute at which it is more than two minutes overdue"
    )


def test_ended_deliveries_are_not_read(simulation: WebhookSimulation) -> None:
    subscribe()
    simulation.publish(an_event())
    simulation.run()
    simulation.now += timedelta(hours=1)

    assert overdue.sweep() == 0


@pytest.mark.parametrize("how", ["deep", "in_flight"])
@pytest.mark.parametrize(("deep", "other"), [(QUICK, SLOW), (SLOW, QUICK)])
def test_a_queue_with_many_messages_gets_the_oldest_few_of_each_subscription_and_the_other_gets_all(
    simulation: WebhookSimulation, deep: str, other: str, how: str
) -> None:
    """The triggers may all be of one subscription. Failing triggers are in flight for minutes, and not waiting."""
    subscriptions = [subscribe(pace=pace) for pace in ("quick", "quick", "slow", "slow")]
    for subscription in subscriptions:
        for minutes in range(10):
            pending(subscription, overdue=timedelta(hours=1, minutes=minutes))
    setattr(simulation, how, {deep})

    assert overdue.sweep() == 30

    assert sorted(Counter(it["subscription"] for it in simulation.messages(deep)).values()) == [5, 5]
    assert max(it["due_at"] for it in simulation.messages(deep)) == milliseconds(
        simulation.now - timedelta(hours=1, minutes=5)
    )
    assert sorted(Counter(it["subscription"] for it in simulation.messages(other)).values()) == [10, 10]


def piled_up(count: int) -> Subscription:
    """Creates a subscription with this number of overdue deliveries, the oldest first."""
    subscription = subscribe()
    for number in range(count):
        pending(subscription, overdue=timedelta(hours=1, seconds=count - number))
    return subscription


def test_f20_the_backlog_of_an_outage_is_triggered_page_by_page_up_to_a_limit(
    simulation: WebhookSimulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overdue, "PAGE_SIZE", 2)
    monkeypatch.setattr(overdue, "MAX_PER_SUBSCRIPTION", 5)
    subscription = piled_up(7)

    assert overdue.sweep() == 5

    oldest = [it.due_at for it in sorted(deliveries_of(subscription), key=lambda it: it.due_at or 0)][:5]
    assert [it["due_at"] for it in simulation.messages()] == oldest


def test_the_triggers_of_one_sweep_are_shared_fairly(
    simulation: WebhookSimulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overdue, "PAGE_SIZE", 2)
    monkeypatch.setattr(overdue, "MAX_TOTAL", 7)
    busy, little, other = piled_up(9), piled_up(1), piled_up(9)

    overdue.sweep()

    triggered = Counter(it["subscription"] for it in simulation.messages())
    assert triggered == {busy.id: 4, little.id: 1, other.id: 4}, "the round in which it is reached is finished"


def test_no_round_begins_when_the_sweepers_time_is_nearly_over(
    simulation: WebhookSimulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overdue, "PAGE_SIZE", 2)
    subscriptions = [piled_up(4), piled_up(4)]
    monkeypatch.setattr(clock, "monotonic", lambda: (overdue.START_DEADLINE_SECONDS + 1) * bool(simulation.messages()))

    assert overdue.sweep() == 4

    assert Counter(it["subscription"] for it in simulation.messages()) == {it.id: 2 for it in subscriptions}


def test_one_subscription_that_cannot_be_read_holds_up_no_other(simulation: WebhookSimulation) -> None:
    first, unreadable, last = (subscribe() for _ in range(3))
    for subscription in (first, unreadable, last):
        pending(subscription, overdue=timedelta(hours=1))
    start_replay(last, simulation.now - timedelta(days=1), simulation.now)
    simulation.queues.clear()
    simulation.now += timedelta(minutes=3)

    with intercepted(throttled_for(unreadable)), pytest.raises(ExceptionGroup) as raised:
        overdue.sweep()

    assert [type(it) for it in raised.value.exceptions] == [UnavailableError]
    assert {it["subscription"] for it in simulation.messages()} == {first.id, last.id}
    assert len(simulation.messages(REPLAYS)) == 1


def test_the_backlog_of_one_subscription_does_not_delay_another(
    simulation: WebhookSimulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overdue, "MAX_PER_SUBSCRIPTION", 3)
    busy, other = subscribe(), subscribe()
    for _ in range(5):
        pending(busy, overdue=timedelta(hours=2))
    pending(other, overdue=timedelta(hours=1))

    assert overdue.sweep() == 4

    assert [it["subscription"] for it in simulation.messages()].count(other.id) == 1


def test_a_replay_whose_message_was_lost_continues(simulation: WebhookSimulation) -> None:
    subscription = subscribe()
    start_replay(subscription, simulation.now - timedelta(days=1), simulation.now)
    (message,) = simulation.messages(REPLAYS)
    simulation.queues.clear()
    simulation.now += timedelta(minutes=3)

    overdue.sweep()

    assert simulation.messages(REPLAYS) == [message]
    assert simulation.messages(QUICK) == []


def test_a_replay_that_fails_at_every_try_is_given_up_and_said_to_be(
    simulation: WebhookSimulation, caplog: pytest.LogCaptureFixture
) -> None:
    subscription, other = subscribe(), subscribe()
    start_replay(subscription, simulation.now - timedelta(days=1), simulation.now)
    simulation.now += timedelta(minutes=20)
    start_replay(other, simulation.now - timedelta(days=1), simulation.now)
    (_, message) = simulation.messages(REPLAYS)
    simulation.queues.clear()
    simulation.now += timedelta(minutes=11)

    simulation.sweep()

    assert simulation.messages(REPLAYS) == [message], "of the one that may still continue"
    assert get_item(Replay, Replay.key(subscription.id)) is None
    assert get_item(Replay, Replay.key(other.id))
    (line,) = (it for it in caplog.records if it.levelname == "ERROR")
    assert line.getMessage() == "an abandoned replay was ended, because it failed at every retry"
    assert vars(line)["subscription_id"] == subscription.id
    simulation.sweep()
    assert [it for it in caplog.records if it.levelname == "ERROR"] == [line], "once"


def test_a_replay_that_progresses_as_it_would_be_abandoned_continues(simulation: WebhookSimulation) -> None:
    subscription = subscribe()
    for _ in range(20):
        a_delivery(subscription)
    simulation.now += timedelta(seconds=1)
    start_replay(subscription, simulation.now - timedelta(days=1), simulation.now)
    (message,) = simulation.messages(REPLAYS)
    simulation.queues.clear()
    simulation.now += timedelta(minutes=31)

    def plan(call: Call) -> Any:
        if call.operation == "DeleteItem":
            simulation.handle(REPLAYS, message)
        return call.send()

    with intercepted(plan):
        overdue.sweep()

    assert get_item(Replay, Replay.key(subscription.id)), "as of its second batch"
    simulation.run()
    assert get_item(Replay, Replay.key(subscription.id)) is None
    assert {it.status for it in deliveries_of(subscription)} == {"delivered"}
    assert len(simulation.posts) == 20


def test_a_replay_continues_regardless_of_overdue_deliveries_and_deep_queues(
    simulation: WebhookSimulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overdue, "MAX_PER_SUBSCRIPTION", 3)
    subscription = subscribe()
    for _ in range(5):
        pending(subscription, overdue=timedelta(hours=1))
    start_replay(subscription, simulation.now - timedelta(days=1), simulation.now)
    (message,) = simulation.messages(REPLAYS)
    simulation.queues.clear()
    simulation.deep = {QUICK, SLOW}
    simulation.now += timedelta(minutes=3)

    overdue.sweep()

    assert simulation.messages(REPLAYS) == [message]
