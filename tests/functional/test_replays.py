"""Replays of a time range: ten deliveries a second, each once, with the same ids and bodies."""

from collections import Counter
from datetime import datetime, timedelta

import pytest

from oms.core.dynamodb import get_item, update_item
from oms.core.errors import ReplayRunningError
from oms.webhooks import replay
from oms.webhooks.deliveries import setting_due
from oms.webhooks.models import Delivery, Replay, Subscription
from tests.support.webhook_simulation import (
    QUICK,
    REPLAYS,
    SLOW,
    WebhookSimulation,
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


def filled(simulation: WebhookSimulation, count: int, *, status: str = "delivered") -> Subscription:
    """Creates a subscription with this number of finished deliveries, of an event each second."""
    subscription = subscribe()
    for _ in range(count):
        simulation.publish(an_event())
        simulation.run(simulation.now)
        simulation.now += timedelta(seconds=1)
    if status != "delivered":
        for delivery in deliveries_of(subscription):
            update_item(delivery, [Delivery.status.set(status)])
    simulation.posts.clear()
    return subscription


def start(
    simulation: WebhookSimulation,
    subscription: Subscription,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    only_failed: bool = False,
) -> Replay:
    since, until = since or simulation.now - timedelta(days=10), until or simulation.now
    return start_replay(subscription, since, until, only_failed=only_failed)


def test_f20_all_deliveries_of_the_time_range_are_sent_again_once_ten_a_second(simulation: WebhookSimulation) -> None:
    subscription = filled(simulation, 35)
    before = {it.event_id: it.body.encode() for it in deliveries_of(subscription)}

    start(simulation, subscription)
    begun = simulation.now
    simulation.run()

    assert {post.id: post.body for post in simulation.posts} == before
    assert len(simulation.posts) == 35
    assert Counter((post.at - begun).total_seconds() for post in simulation.posts) == {0: 10, 1: 10, 2: 10, 3: 5}
    assert [post.id for post in simulation.posts] == [it.event_id for it in deliveries_of(subscription)], (
        "the oldest first"
    )
    assert get_item(Replay, Replay.key(subscription.id)) is None


def test_the_replay_of_a_slow_webhook_goes_by_the_queue_of_the_slow(simulation: WebhookSimulation) -> None:
    subscription = filled(simulation, 3)
    update_item(subscription, [Subscription.pace.set("slow")])

    start(simulation, subscription)
    simulation.handle(REPLAYS, *simulation.messages(REPLAYS))

    assert [it["delivery"] for it in simulation.messages(SLOW)] == [it.id for it in deliveries_of(subscription)]
    assert simulation.messages(QUICK) == []


def test_the_range_is_from_a_second_on_until_before_another(simulation: WebhookSimulation) -> None:
    begun = simulation.now
    subscription = filled(simulation, 10)
    ids = [it.event_id for it in deliveries_of(subscription)]

    start(simulation, subscription, begun + timedelta(seconds=3), begun + timedelta(seconds=6))
    simulation.run()

    assert [post.id for post in simulation.posts] == ids[3:6]


def test_what_comes_after_it_was_begun_is_not_sent_twice(simulation: WebhookSimulation) -> None:
    subscription = filled(simulation, 12)

    start(simulation, subscription, until=simulation.now + timedelta(days=1))
    simulation.run(simulation.now + timedelta(milliseconds=500))
    new = an_event()
    simulation.publish(new)
    simulation.run()

    assert set(Counter(post.id for post in simulation.posts).values()) == {1}
    assert len(simulation.posts) == 13


@pytest.mark.parametrize(
    ("status", "again"), [("delivered", False), ("failed", True), ("paused", True), ("pending", True)]
)
def test_only_failed_or_paused_deliveries_on_request(simulation: WebhookSimulation, status: str, again: bool) -> None:
    subscription = filled(simulation, 3)
    first, *_ = deliveries_of(subscription)
    # If pending: its last attempt failed, and the next one is in hours.
    waiting = setting_due(subscription.id, first.id, simulation.now + timedelta(hours=9)) if status == "pending" else []
    update_item(first, [Delivery.status.set(status), *waiting])

    start(simulation, subscription, only_failed=True)
    simulation.run()

    assert [post.id for post in simulation.posts] == ([first.event_id] if again else [])


def test_a_delivery_on_its_first_way_is_left_to_the_sender(simulation: WebhookSimulation) -> None:
    subscription = subscribe()
    simulation.publish(an_event())
    simulation.run(simulation.now)
    (delivery,) = deliveries_of(subscription)
    update_item(delivery, [Delivery.status.set("pending"), Delivery.attempt_count.set(0), Delivery.due_at.set(2**50)])

    start(simulation, subscription)
    simulation.now += timedelta(seconds=1)
    simulation.handle(REPLAYS, *simulation.messages(REPLAYS))

    assert simulation.messages() == []


def test_much_that_is_not_wanted_is_passed_over_in_one_go(
    simulation: WebhookSimulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "PAGE_SIZE", 4)
    subscription = filled(simulation, 30)
    last = deliveries_of(subscription)[-1]
    update_item(last, [Delivery.status.set("failed")])

    start(simulation, subscription, only_failed=True)
    simulation.handle(REPLAYS, *simulation.messages(REPLAYS))

    assert [it["delivery"] for it in simulation.messages()] == [last.id]


def test_it_goes_no_further_in_one_go_than_its_time_allows(
    simulation: WebhookSimulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "PAGE_SIZE", 2)
    monkeypatch.setattr(replay, "MAX_PAGES", 3)
    subscription = filled(simulation, 20)
    update_item(deliveries_of(subscription)[-1], [Delivery.status.set("failed")])

    start(simulation, subscription, only_failed=True)
    begun = simulation.now
    simulation.run()

    assert [post.at - begun for post in simulation.posts] == [timedelta(seconds=3)], "six in each of four batches"


def test_another_may_begin_when_it_has_ended_and_not_before(simulation: WebhookSimulation) -> None:
    subscription = filled(simulation, 12)
    start(simulation, subscription)
    with pytest.raises(ReplayRunningError):
        start(simulation, subscription)
    simulation.run()

    start(simulation, subscription)
    simulation.run()

    assert set(Counter(post.id for post in simulation.posts).values()) == {2}


def test_one_that_fails_at_every_try_does_not_keep_another_from_beginning(simulation: WebhookSimulation) -> None:
    subscription = filled(simulation, 12)
    start(simulation, subscription)
    simulation.queues.clear()
    simulation.now += timedelta(minutes=29)
    with pytest.raises(ReplayRunningError):
        start(simulation, subscription)
    simulation.now += timedelta(minutes=2)

    start(simulation, subscription)
    simulation.run()

    assert set(Counter(post.id for post in simulation.posts).values()) == {1}


@pytest.mark.parametrize("status", ["paused", "disabled"])
def test_it_ends_with_its_subscription(simulation: WebhookSimulation, status: str) -> None:
    subscription = filled(simulation, 12)
    start(simulation, subscription)
    update_item(subscription, [Subscription.status.set(status)])

    simulation.run()

    assert simulation.posts == []
    assert get_item(Replay, Replay.key(subscription.id)) is None


def test_a_message_that_comes_twice_takes_it_no_further(simulation: WebhookSimulation) -> None:
    subscription = filled(simulation, 25)
    start(simulation, subscription)
    first = simulation.messages(REPLAYS)
    simulation.handle(REPLAYS, *first)

    simulation.handle(REPLAYS, *first)

    assert len(simulation.messages()) == 10
    assert len(simulation.messages(REPLAYS)) == 2, "the first, which is still in the queue, and the one after it"


def test_tests_are_not_sent_again(simulation: WebhookSimulation) -> None:
    subscription = filled(simulation, 2)
    first, second = deliveries_of(subscription)
    update_item(first, [Delivery.event_type.set("webhook.test"), Delivery.status.set("failed")])

    start(simulation, subscription)
    simulation.run()

    assert [post.id for post in simulation.posts] == [second.event_id]


def test_a_replayed_delivery_has_as_many_attempts_as_the_first_time(simulation: WebhookSimulation) -> None:
    subscription = filled(simulation, 1, status="failed")
    simulation.behaviours[host(subscription)] = in_turn(silent, silent, answering(200))

    start(simulation, subscription, only_failed=True)
    simulation.run()

    (delivery,) = deliveries_of(subscription)
    assert (delivery.status, delivery.attempt_count, len(delivery.attempts)) == ("delivered", 3, 4)


def test_a_message_that_is_none_comes_back(simulation: WebhookSimulation) -> None:
    assert simulation.handle(REPLAYS, {"subscription": "S"}) == ["0"]
