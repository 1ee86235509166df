"""The sweep brings up what nobody nudges: attempts hours away, and nudges that were lost."""

from datetime import timedelta

import pytest

from oms import clock
from oms.dynamodb import update_item
from oms.webhooks import overdue, replay
from oms.webhooks.deliveries import create, milliseconds, setting_due
from oms.webhooks.models import Delivery, Subscription
from tests.functional.webhook_world import QUICK, REPLAYS, SLOW, World, subscribe
from tests.functional.webhooks import an_event

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def pending(subscription: Subscription, *, overdue: timedelta) -> Delivery:
    """A delivery that should have been looked at so long ago."""
    event = an_event()
    made = create(subscription, event_id=event["id"], event_type=event["type"], body="{}")
    return update_item(made, setting_due(subscription.id, made.id, clock.now() - overdue))


def test_what_is_more_than_two_minutes_overdue_is_nudged_for_its_own_time_the_oldest_first(world: World) -> None:
    subscription = subscribe()
    for seconds in (119, 121, 3600, -60):
        pending(subscription, overdue=timedelta(seconds=seconds))

    assert overdue.sweep() == 2

    now = milliseconds(world.now)
    assert [it["due_at"] for it in world.messages()] == [now - 3600_000, now - 121_000]
    assert {it.group for it in world.queues[QUICK]} == {subscription.id}


def test_a_nudge_that_was_lost_is_made_up_for(world: World) -> None:
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


@pytest.mark.parametrize(("deep", "nudged"), [(QUICK, SLOW), (SLOW, QUICK)])
def test_a_queue_that_is_deep_gets_no_more_and_the_other_does(world: World, deep: str, nudged: str) -> None:
    for pace in ("quick", "slow"):
        pending(subscribe(pace=pace), overdue=timedelta(hours=1))
    world.deep = {deep}

    assert overdue.sweep() == 1

    assert (len(world.messages(deep)), len(world.messages(nudged))) == (0, 1)


def test_what_one_subscription_has_piled_up_is_not_in_the_way_of_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overdue, "MOST", 3)
    busy, other = subscribe(), subscribe()
    for _ in range(5):
        pending(busy, overdue=timedelta(hours=2))
    pending(other, overdue=timedelta(hours=1))

    assert overdue.sweep() == 4

    assert [it["subscription"] for it in world.messages()].count(other.id) == 1


def test_a_replay_whose_message_was_lost_goes_on(world: World) -> None:
    subscription = subscribe()
    replay.start(subscription, since=world.now - timedelta(days=1), until=world.now, only_failed=False)
    (message,) = world.messages(REPLAYS)
    world.queues.clear()
    world.now += timedelta(minutes=3)

    overdue.sweep()

    assert world.messages(REPLAYS) == [message]
    assert world.messages(QUICK) == []
