"""A stretch of time sent again: ten a second, each delivery once, ids and bodies as they were."""

from collections import Counter
from datetime import datetime, timedelta

import pytest

from oms.core.dynamodb import get_item, update_item
from oms.core.errors import ReplayRunningError
from oms.webhooks import replay
from oms.webhooks.deliveries import setting_due
from oms.webhooks.models import Delivery, Replay, Subscription
from tests.support.webhook_world import (
    QUICK,
    REPLAYS,
    SLOW,
    World,
    answering,
    deliveries_of,
    host,
    in_turn,
    silent,
    start_replay,
    subscribe,
)
from tests.support.webhooks import an_event

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def filled(world: World, count: int, *, status: str = "delivered") -> Subscription:
    """A subscription with so many deliveries, of an event each second, all of which have ended."""
    subscription = subscribe()
    for _ in range(count):
        world.publish(an_event())
        world.run(world.now)
        world.now += timedelta(seconds=1)
    if status != "delivered":
        for delivery in deliveries_of(subscription):
            update_item(delivery, [Delivery.status.set(status)])
    world.posts.clear()
    return subscription


def start(
    world: World,
    subscription: Subscription,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    only_failed: bool = False,
) -> Replay:
    since, until = since or world.now - timedelta(days=10), until or world.now
    return start_replay(subscription, since, until, only_failed=only_failed)


def test_f20_everything_of_the_stretch_is_sent_again_once_ten_a_second(world: World) -> None:
    subscription = filled(world, 35)
    before = {it.event_id: it.body.encode() for it in deliveries_of(subscription)}

    start(world, subscription)
    begun = world.now
    world.run()

    assert {post.id: post.body for post in world.posts} == before
    assert len(world.posts) == 35
    assert Counter((post.at - begun).total_seconds() for post in world.posts) == {0: 10, 1: 10, 2: 10, 3: 5}
    assert [post.id for post in world.posts] == [it.event_id for it in deliveries_of(subscription)], "the oldest first"
    assert get_item(Replay, Replay.key(subscription.id)) is None


def test_the_stretch_of_a_slow_webhook_goes_by_the_queue_of_the_slow(world: World) -> None:
    subscription = filled(world, 3)
    update_item(subscription, [Subscription.pace.set("slow")])

    start(world, subscription)
    world.handle(REPLAYS, *world.messages(REPLAYS))

    assert [it["delivery"] for it in world.messages(SLOW)] == [it.id for it in deliveries_of(subscription)]
    assert world.messages(QUICK) == []


def test_the_stretch_is_from_a_second_on_until_before_another(world: World) -> None:
    begun = world.now
    subscription = filled(world, 10)
    ids = [it.event_id for it in deliveries_of(subscription)]

    start(world, subscription, begun + timedelta(seconds=3), begun + timedelta(seconds=6))
    world.run()

    assert [post.id for post in world.posts] == ids[3:6]


def test_what_comes_after_it_was_begun_is_not_sent_twice(world: World) -> None:
    subscription = filled(world, 12)

    start(world, subscription, until=world.now + timedelta(days=1))
    world.run(world.now + timedelta(milliseconds=500))
    new = an_event()
    world.publish(new)
    world.run()

    assert set(Counter(post.id for post in world.posts).values()) == {1}
    assert len(world.posts) == 13


@pytest.mark.parametrize(
    ("status", "again"), [("delivered", False), ("failed", True), ("paused", True), ("pending", True)]
)
def test_only_what_failed_or_was_kept_if_so_asked(world: World, status: str, again: bool) -> None:
    subscription = filled(world, 3)
    first, *_ = deliveries_of(subscription)
    # If pending: it has failed, and is tried again in hours.
    waiting = setting_due(subscription.id, first.id, world.now + timedelta(hours=9)) if status == "pending" else []
    update_item(first, [Delivery.status.set(status), *waiting])

    start(world, subscription, only_failed=True)
    world.run()

    assert [post.id for post in world.posts] == ([first.event_id] if again else [])


def test_what_is_on_its_way_for_the_first_time_is_left_to_it(world: World) -> None:
    subscription = subscribe()
    world.publish(an_event())
    world.run(world.now)
    (delivery,) = deliveries_of(subscription)
    update_item(delivery, [Delivery.status.set("pending"), Delivery.attempt_count.set(0), Delivery.due_at.set(2**50)])

    start(world, subscription)
    world.now += timedelta(seconds=1)
    world.handle(REPLAYS, *world.messages(REPLAYS))

    assert world.messages() == []


def test_much_that_is_not_wanted_is_passed_over_in_one_go(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "PAGE_SIZE", 4)
    subscription = filled(world, 30)
    last = deliveries_of(subscription)[-1]
    update_item(last, [Delivery.status.set("failed")])

    start(world, subscription, only_failed=True)
    world.handle(REPLAYS, *world.messages(REPLAYS))

    assert [it["delivery"] for it in world.messages()] == [last.id]


def test_it_goes_no_further_in_one_go_than_its_time_allows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "PAGE_SIZE", 2)
    monkeypatch.setattr(replay, "MAX_PAGES", 3)
    subscription = filled(world, 20)
    update_item(deliveries_of(subscription)[-1], [Delivery.status.set("failed")])

    start(world, subscription, only_failed=True)
    begun = world.now
    world.run()

    assert [post.at - begun for post in world.posts] == [timedelta(seconds=3)], "six in each of four stretches"


def test_another_may_begin_when_it_has_ended_and_not_before(world: World) -> None:
    subscription = filled(world, 12)
    start(world, subscription)
    with pytest.raises(ReplayRunningError):
        start(world, subscription)
    world.run()

    start(world, subscription)
    world.run()

    assert set(Counter(post.id for post in world.posts).values()) == {2}


def test_one_that_fails_at_every_try_does_not_keep_another_from_beginning(world: World) -> None:
    subscription = filled(world, 12)
    start(world, subscription)
    world.queues.clear()
    world.now += timedelta(minutes=29)
    with pytest.raises(ReplayRunningError):
        start(world, subscription)
    world.now += timedelta(minutes=2)

    start(world, subscription)
    world.run()

    assert set(Counter(post.id for post in world.posts).values()) == {1}


@pytest.mark.parametrize("status", ["paused", "disabled"])
def test_it_ends_with_its_subscription(world: World, status: str) -> None:
    subscription = filled(world, 12)
    start(world, subscription)
    update_item(subscription, [Subscription.status.set(status)])

    world.run()

    assert world.posts == []
    assert get_item(Replay, Replay.key(subscription.id)) is None


def test_a_message_that_comes_twice_takes_it_no_further(world: World) -> None:
    subscription = filled(world, 25)
    start(world, subscription)
    first = world.messages(REPLAYS)
    world.handle(REPLAYS, *first)

    world.handle(REPLAYS, *first)

    assert len(world.messages()) == 10
    assert len(world.messages(REPLAYS)) == 2, "the first, which the world still has, and the one that follows it"


def test_tests_are_not_sent_again(world: World) -> None:
    subscription = filled(world, 2)
    first, second = deliveries_of(subscription)
    update_item(first, [Delivery.event_type.set("webhook.test"), Delivery.status.set("failed")])

    start(world, subscription)
    world.run()

    assert [post.id for post in world.posts] == [second.event_id]


def test_what_is_sent_again_is_tried_as_often_as_the_first_time(world: World) -> None:
    subscription = filled(world, 1, status="failed")
    world.behaviours[host(subscription)] = in_turn(silent, silent, answering(200))

    start(world, subscription, only_failed=True)
    world.run()

    (delivery,) = deliveries_of(subscription)
    assert (delivery.status, delivery.attempt_count, len(delivery.attempts)) == ("delivered", 3, 4)


def test_a_message_that_is_none_comes_back(world: World) -> None:
    assert world.handle(REPLAYS, {"subscription": "S"}) == ["0"]
