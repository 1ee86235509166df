"""Deliveries in shards: found, listed, replayed and swept over all shards, also those stored before there were any."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest

from oms.core import clock
from oms.core.dynamodb import update_item
from oms.reports.statistics import statistics
from oms.webhooks import delivery_admin, overdue
from oms.webhooks.deliveries import LATE_AFTER, Trigger, create, delivery_id, replay_one, setting_due
from oms.webhooks.models import DayOfAttempts, Subscription
from oms.webhooks.shards import shard_of
from tests.support.aws_calls import intercepted
from tests.support.deployment import deployed_with
from tests.support.webhook_simulation import (
    DISPATCH,
    QUICK,
    WebhookSimulation,
    answering,
    deliveries_of,
    host,
    in_turn,
    raw_webhook_items,
    start_replay,
    subscribe,
)
from tests.support.webhooks import an_event, stored

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

SHARDS = 8


@pytest.fixture
def sharded() -> Iterator[None]:
    with deployed_with(DELIVERY_SHARDS=str(SHARDS)):
        yield


def filled(simulation: WebhookSimulation, subscription: Subscription, count: int) -> None:
    """Delivers events, one each second."""
    for _ in range(count):
        simulation.publish(an_event())
        simulation.run(simulation.now)
        simulation.now += timedelta(seconds=1)


def shards_of(subscription: Subscription) -> Counter[int]:
    return Counter(it.shard for it in deliveries_of(subscription))


def listed(subscription: Subscription, limit: int) -> list[str]:
    """Returns the ids of all pages of the list."""
    found: list[str] = []
    after = None
    while True:
        page = delivery_admin.list_deliveries(subscription.id, limit=limit, after=after, may_see=lambda _: True)
        assert len(page.items) <= limit
        found += [it.id for it in page.items]
        after = page.position
        if after is None:
            return found


@pytest.mark.usefixtures("sharded")
def test_each_delivery_is_in_a_shard_and_its_trigger_names_it(
    simulation: WebhookSimulation,
) -> None:
    subscription = subscribe()

    filled(simulation, subscription, 60)

    found = deliveries_of(subscription)
    assert {it.status for it in found} == {"delivered"}
    assert len(simulation.posts) == 60
    assert set(shards_of(subscription)) == set(range(SHARDS))
    assert {it.pk for it in found if it.shard == 0} == {f"sub#{subscription.id}"}
    assert {it.pk for it in found if it.shard == 3} == {f"sub#{subscription.id}#3"}


def test_without_shards_a_trigger_is_as_before(simulation: WebhookSimulation) -> None:
    event = an_event()
    made = create(subscribe(), event_id=event["id"], event_type=event["type"], body="{}")

    assert Trigger.of(made).message(simulation.now).content.keys() == {"subscription", "delivery", "due_at"}


@pytest.mark.usefixtures("sharded")
def test_pending_deliveries_are_in_the_shards_of_the_index(simulation: WebhookSimulation) -> None:
    subscription = subscribe()
    simulation.behaviours[host(subscription)] = answering(500)

    filled(simulation, subscription, 30)

    for it in deliveries_of(subscription):
        assert it.due_shard == (f"{subscription.id}#{it.shard}" if it.shard else subscription.id)


@pytest.mark.parametrize("limit", [1, 3, 20, 100])
def test_a_list_has_all_deliveries_newest_first_before_and_after_the_number_grew(
    simulation: WebhookSimulation, limit: int
) -> None:
    subscription = subscribe()
    filled(simulation, subscription, 15)
    for shards in (2, SHARDS):
        with deployed_with(DELIVERY_SHARDS=str(shards)):
            filled(simulation, subscription, 25)

    with deployed_with(DELIVERY_SHARDS=str(SHARDS)):
        found = listed(subscription, limit)

    assert found == sorted((it.id for it in deliveries_of(subscription)), reverse=True)
    assert len(found) == 65


def test_a_delivery_that_was_stored_before_there_were_shards_is_replayed_by_its_id(
    simulation: WebhookSimulation,
) -> None:
    subscription = subscribe()
    for shards in (1, 2, 4):
        with deployed_with(DELIVERY_SHARDS=str(shards)):
            filled(simulation, subscription, 8)
    simulation.posts.clear()

    with deployed_with(DELIVERY_SHARDS=str(SHARDS)):
        for delivery in deliveries_of(subscription):
            replay_one(subscription, delivery.id)
        simulation.run()

    assert len(simulation.posts) == 24
    assert len(deliveries_of(subscription)) == 24


def test_an_event_dispatched_again_has_one_delivery_after_the_number_grew(simulation: WebhookSimulation) -> None:
    """As by a redrive of the dispatcher's failed messages, or when an operator publishes it again."""
    subscription = subscribe()
    events = [an_event() for _ in range(20)]
    simulation.handle(DISPATCH, *events)
    simulation.run()
    assert len(simulation.posts) == 20
    simulation.now += LATE_AFTER + timedelta(seconds=2)

    with deployed_with(DELIVERY_SHARDS=str(SHARDS)):
        assert simulation.handle(DISPATCH, *events) == []
        simulation.run()

    assert len(deliveries_of(subscription)) == 20
    assert len(simulation.posts) == 20


@pytest.mark.usefixtures("sharded")
def test_only_a_late_event_costs_a_read_before_its_delivery_is_created(
    simulation: WebhookSimulation,
) -> None:
    subscription = subscribe()
    event = next(it for it in iter(an_event, None) if shard_of(delivery_id(subscription.id, it["id"])))

    def operations() -> list[str]:
        with intercepted() as calls:
            create(subscription, event_id=event["id"], event_type=event["type"], body="{}")
        return [it.operation for it in calls]

    assert operations() == ["PutItem"]
    simulation.now += LATE_AFTER + timedelta(seconds=2)
    assert operations() == ["BatchGetItem"]


def test_a_range_replay_sends_the_deliveries_of_all_shards_the_oldest_first(simulation: WebhookSimulation) -> None:
    subscription = subscribe()
    filled(simulation, subscription, 12)
    with deployed_with(DELIVERY_SHARDS=str(SHARDS)):
        filled(simulation, subscription, 33)
        simulation.posts.clear()

        start_replay(subscription, simulation.now - timedelta(days=1), simulation.now)
        simulation.run()

    assert [it.id for it in simulation.posts] == [it.event_id for it in deliveries_of(subscription)]
    assert len(simulation.posts) == 45


@pytest.mark.usefixtures("sharded")
def test_the_sweep_triggers_overdue_deliveries_of_all_shards_and_each_is_sent(
    simulation: WebhookSimulation,
) -> None:
    subscription = subscribe()
    for _ in range(30):
        event = an_event()
        made = create(subscription, event_id=event["id"], event_type=event["type"], body="{}")
        update_item(made, setting_due(made.due_partition, made.id, clock.now() - timedelta(minutes=3)))

    assert overdue.sweep() == 30
    simulation.handle(QUICK, *simulation.messages())

    assert {stored(it).status for it in deliveries_of(subscription)} == {"delivered"}
    assert len(simulation.posts) == 30


def test_attempts_are_counted_in_shards_and_summed(simulation: WebhookSimulation) -> None:
    subscription = subscribe()
    before = statistics().attempts["delivered"]
    filled(simulation, subscription, 2)
    with deployed_with(DELIVERY_SHARDS="32"):
        filled(simulation, subscription, 100)
        counted = statistics().attempts["delivered"] - before

    assert counted == 102
    partitions = {it["pk"]["S"] for it in raw_webhook_items() if it["kind"]["S"] == "outcomes"}
    assert partitions == {DayOfAttempts.key("", shard)[0] for shard in range(8)}


@pytest.mark.usefixtures("sharded")
def test_a_retry_stays_in_its_shard(simulation: WebhookSimulation) -> None:
    subscription = subscribe()
    simulation.behaviours[host(subscription)] = in_turn(*[answering(500)] * 10, answering(200))

    filled(simulation, subscription, 10)
    before = {it.id: it.pk for it in deliveries_of(subscription)}
    simulation.run()

    assert {it.id: it.pk for it in deliveries_of(subscription)} == before
    assert {it.status for it in deliveries_of(subscription)} == {"delivered"}
