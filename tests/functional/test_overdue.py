"""The sweep brings up what nobody triggers: attempts hours away, and triggers that were lost."""

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
from tests.support.webhook_world import QUICK, REPLAYS, SLOW, World, deliveries_of, start_replay, subscribe
from tests.support.webhooks import a_delivery, an_event

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def pending(subscription: Subscription, *, overdue: timedelta) -> Delivery:
    """A delivery that should have been looked at so long ago."""
    event = an_event()
    made = create(subscription, event_id=event["id"], event_type=event["type"], body="{}")
    return update_item(made, setting_due(subscription.id, made.id, clock.now() - overdue))


def throttled_for(subscription: Subscription) -> Plan:
    """Its partition of the index takes no more reads."""

    def plan(call: Call) -> Any:
        values = call.parameters.get("ExpressionAttributeValues", {}).values()
        if call.operation == "Query" and {"S": subscription.id} in values:
            raise failing("ThrottlingException")(call)
        return call.send()

    return plan


def test_what_is_more_than_two_minutes_overdue_is_triggered_for_its_own_time_the_oldest_first(world: World) -> None:
    subscription = subscribe()
    for seconds in (119, 121, 3600, -60):
        pending(subscription, overdue=timedelta(seconds=seconds))

    assert overdue.sweep() == 2

    now = milliseconds(world.now)
    assert [it["due_at"] for it in world.messages()] == [now - 3600_000, now - 121_000]
    assert {it.group for it in world.queues[QUICK]} == {subscription.id}


def test_a_trigger_that_was_lost_is_made_up_for(world: World) -> None:
    subscription, event = subscribe(), an_event()
    create(subscription, event_id=event["id"], event_type=event["type"], body="{}")

    world.run()

    (post,) = world.posts
    assert (post.at.hour, post.at.minute, post.at.second) == (0, 3, 0), (
        "the first full minute at which it is more than two minutes overdue"
    )


def test_what_has_ended_is_not_looked_at(world: World) -> None:
    subscribe()
    world.publish(an_event())
    world.run()
    world.now += timedelta(hours=1)

    assert overdue.sweep() == 0


@pytest.mark.parametrize("how", ["deep", "at_work"])
@pytest.mark.parametrize(("deep", "other"), [(QUICK, SLOW), (SLOW, QUICK)])
def test_a_queue_that_has_many_waiting_or_at_work_gets_the_oldest_few_of_each_subscription_and_the_other_all(
    world: World, deep: str, other: str, how: str
) -> None:
    """They may be the triggers of one alone. Those that fail are at work for minutes, and wait at no moment."""
    subscriptions = [subscribe(pace=pace) for pace in ("quick", "quick", "slow", "slow")]
    for subscription in subscriptions:
        for minutes in range(10):
            pending(subscription, overdue=timedelta(hours=1, minutes=minutes))
    setattr(world, how, {deep})

    assert overdue.sweep() == 30

    assert sorted(Counter(it["subscription"] for it in world.messages(deep)).values()) == [5, 5]
    assert max(it["due_at"] for it in world.messages(deep)) == milliseconds(world.now - timedelta(hours=1, minutes=5))
    assert sorted(Counter(it["subscription"] for it in world.messages(other)).values()) == [10, 10]


def piled_up(count: int) -> Subscription:
    """A subscription with so many overdue, the first of which are the oldest."""
    subscription = subscribe()
    for number in range(count):
        pending(subscription, overdue=timedelta(hours=1, seconds=count - number))
    return subscription


def test_f20_what_an_outage_has_piled_up_is_triggered_page_by_page_up_to_a_limit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overdue, "PAGE_SIZE", 2)
    monkeypatch.setattr(overdue, "MAX_PER_SUBSCRIPTION", 5)
    subscription = piled_up(7)

    assert overdue.sweep() == 5

    oldest = [it.due_at for it in sorted(deliveries_of(subscription), key=lambda it: it.due_at or 0)][:5]
    assert [it["due_at"] for it in world.messages()] == oldest


def test_what_all_are_triggered_for_in_one_sweep_is_shared_fairly(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overdue, "PAGE_SIZE", 2)
    monkeypatch.setattr(overdue, "MAX_TOTAL", 7)
    busy, little, other = piled_up(9), piled_up(1), piled_up(9)

    overdue.sweep()

    triggered = Counter(it["subscription"] for it in world.messages())
    assert triggered == {busy.id: 4, little.id: 1, other.id: 4}, "the round in which it is reached is ended"


def test_no_round_begins_when_the_sweepers_time_is_nearly_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overdue, "PAGE_SIZE", 2)
    subscriptions = [piled_up(4), piled_up(4)]
    monkeypatch.setattr(clock, "monotonic", lambda: (overdue.START_DEADLINE_SECONDS + 1) * bool(world.messages()))

    assert overdue.sweep() == 4

    assert Counter(it["subscription"] for it in world.messages()) == {it.id: 2 for it in subscriptions}


def test_one_subscription_that_cannot_be_read_holds_up_no_other(world: World) -> None:
    first, unreadable, last = (subscribe() for _ in range(3))
    for subscription in (first, unreadable, last):
        pending(subscription, overdue=timedelta(hours=1))
    start_replay(last, world.now - timedelta(days=1), world.now)
    world.queues.clear()
    world.now += timedelta(minutes=3)

    with intercepted(throttled_for(unreadable)), pytest.raises(ExceptionGroup) as raised:
        overdue.sweep()

    assert [type(it) for it in raised.value.exceptions] == [UnavailableError]
    assert {it["subscription"] for it in world.messages()} == {first.id, last.id}
    assert len(world.messages(REPLAYS)) == 1


def test_what_one_subscription_has_piled_up_is_not_in_the_way_of_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overdue, "MAX_PER_SUBSCRIPTION", 3)
    busy, other = subscribe(), subscribe()
    for _ in range(5):
        pending(busy, overdue=timedelta(hours=2))
    pending(other, overdue=timedelta(hours=1))

    assert overdue.sweep() == 4

    assert [it["subscription"] for it in world.messages()].count(other.id) == 1


def test_a_replay_whose_message_was_lost_goes_on(world: World) -> None:
    subscription = subscribe()
    start_replay(subscription, world.now - timedelta(days=1), world.now)
    (message,) = world.messages(REPLAYS)
    world.queues.clear()
    world.now += timedelta(minutes=3)

    overdue.sweep()

    assert world.messages(REPLAYS) == [message]
    assert world.messages(QUICK) == []


def test_a_replay_that_fails_at_every_try_is_given_up_and_said_to_be(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    subscription, other = subscribe(), subscribe()
    start_replay(subscription, world.now - timedelta(days=1), world.now)
    world.now += timedelta(minutes=20)
    start_replay(other, world.now - timedelta(days=1), world.now)
    (_, message) = world.messages(REPLAYS)
    world.queues.clear()
    world.now += timedelta(minutes=11)

    world.sweep()

    assert world.messages(REPLAYS) == [message], "of the one that may go on yet"
    assert get_item(Replay, Replay.key(subscription.id)) is None
    assert get_item(Replay, Replay.key(other.id))
    (line,) = (it for it in caplog.records if it.levelname == "ERROR")
    assert line.getMessage() == "ended an abandoned replay, which failed at every retry"
    assert vars(line)["subscription_id"] == subscription.id
    world.sweep()
    assert [it for it in caplog.records if it.levelname == "ERROR"] == [line], "once"


def test_a_replay_that_moves_on_as_it_is_to_be_given_up_goes_on(world: World) -> None:
    subscription = subscribe()
    for _ in range(20):
        a_delivery(subscription)
    world.now += timedelta(seconds=1)
    start_replay(subscription, world.now - timedelta(days=1), world.now)
    (message,) = world.messages(REPLAYS)
    world.queues.clear()
    world.now += timedelta(minutes=31)

    def plan(call: Call) -> Any:
        if call.operation == "DeleteItem":
            world.handle(REPLAYS, message)
        return call.send()

    with intercepted(plan):
        overdue.sweep()

    assert get_item(Replay, Replay.key(subscription.id)), "as of its second stretch"
    world.run()
    assert get_item(Replay, Replay.key(subscription.id)) is None
    assert {it.status for it in deliveries_of(subscription)} == {"delivered"}
    assert len(world.posts) == 20


def test_a_replay_goes_on_whatever_is_overdue_before_it_and_however_deep_the_queues_are(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overdue, "MAX_PER_SUBSCRIPTION", 3)
    subscription = subscribe()
    for _ in range(5):
        pending(subscription, overdue=timedelta(hours=1))
    start_replay(subscription, world.now - timedelta(days=1), world.now)
    (message,) = world.messages(REPLAYS)
    world.queues.clear()
    world.deep = {QUICK, SLOW}
    world.now += timedelta(minutes=3)

    overdue.sweep()

    assert world.messages(REPLAYS) == [message]
