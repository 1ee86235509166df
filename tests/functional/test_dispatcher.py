"""An event becomes one delivery for each subscription that wants it and may have it."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from oms.core import clock
from oms.events.envelope import PublishedEvent
from oms.webhooks import dispatch
from oms.webhooks.models import Subscription
from tests.support.aws_calls import Call, Plan, intercepted
from tests.support.faults import failing, refuse
from tests.support.invocation import Person
from tests.support.webhook_world import DISPATCH, QUICK, SLOW, World, deliveries_of, delivery_of, host, subscribe
from tests.support.webhooks import an_event

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def test_each_subscription_that_wants_the_type_gets_the_very_text(world: World) -> None:
    wanting = [subscribe("order.created"), subscribe("order.*", "stock.low"), subscribe("*")]
    others = [subscribe("order.cancelled"), subscribe("stock.*")]
    text = PublishedEvent.read('{ "type": "order.created",  "id": "0123456789ABCDEFGHJKMNPQ", "data": "Übung" }').body

    assert world.handle(DISPATCH, text) == []

    assert [delivery_of(it).body for it in wanting] == [text] * 3
    assert [deliveries_of(it) for it in others] == [[], []]
    assert {it["subscription"] for it in world.messages()} == {it.id for it in wanting}
    assert {it.group for it in world.queues[QUICK]} == {it.id for it in wanting}, "each a group of its own"


def test_an_event_that_comes_twice_is_delivered_once(world: World) -> None:
    subscription, event = subscribe(), an_event()

    world.publish(event, event)
    world.run()
    world.publish(event)
    world.run()

    assert [post.id for post in world.posts] == [event["id"]]
    assert delivery_of(subscription).status == "delivered"


def test_a_delivery_that_is_pending_is_triggered_again_for_its_own_time(world: World) -> None:
    subscription, event = subscribe(), an_event()
    world.handle(DISPATCH, event)
    first = world.messages()
    world.queues.clear()

    world.handle(DISPATCH, event)

    assert world.messages() == first
    assert first[0]["due_at"] == delivery_of(subscription).due_at


@pytest.mark.parametrize("status", ["paused", "disabled"])
def test_what_comes_for_a_subscription_that_is_not_active_is_kept(world: World, status: str) -> None:
    subscription = subscribe(status=status)

    world.publish(an_event())
    world.run()

    kept = delivery_of(subscription)
    assert (kept.status, kept.due_at, kept.attempt_count) == ("paused", None, 0)
    assert world.posts == []


def test_a27_events_of_users_go_to_subscriptions_of_who_is_an_active_admin_now(
    world: World, person: Callable[..., Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, demoted, disabled = person("admin"), person("manager"), person("admin", status="disabled")
    theirs = [subscribe(created_by=it.id) for it in (admin, demoted, disabled)]

    world.publish(an_event("user.locked"), an_event("order.created"))
    world.run()

    assert [{it.event_type for it in deliveries_of(of)} for of in theirs] == [
        {"user.locked", "order.created"},
        {"order.created"},
        {"order.created"},
    ]


def test_f16_a_message_that_is_no_event_comes_back_alone(world: World) -> None:
    subscription = subscribe()
    bad: list[Any] = ["{", "[]", {"id": "E1"}, '"text"']

    failed = world.handle(DISPATCH, an_event(), *bad, an_event())

    assert failed == ["1", "2", "3", "4"]
    assert len(deliveries_of(subscription)) == 2


def refused_for(subscription: Subscription) -> Plan:
    """Its partition takes no more writes."""

    def plan(call: Call) -> Any:
        if call.operation == "PutItem" and call.parameters["Item"]["pk"] == {"S": f"sub#{subscription.id}"}:
            raise failing("ThrottlingException")(call)
        return call.send()

    return plan


def test_f16_one_subscription_that_takes_no_delivery_now_holds_up_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, unwriteable, last = subscribe(), subscribe("order.*"), subscribe()
    events = [an_event(), an_event("stock.low"), an_event()]

    with intercepted(refused_for(unwriteable)) as calls:
        failed = world.handle(DISPATCH, *events)

    assert failed == ["0", "2"], "what it does not want is done with"
    assert Counter(it["subscription"] for it in world.messages()) == {first.id: 3, last.id: 3}
    assert [it.operation for it in calls].count("PutItem") == 3 * 2 + 7, "it is tried for one event of the batch"
    world.publish(*events)
    world.run()
    assert Counter(post.host for post in world.posts) == {host(first): 3, host(unwriteable): 2, host(last): 3}


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What calls and waits take, in seconds; their sum is the time."""
    passed: list[float] = []
    monkeypatch.setattr(clock, "monotonic", lambda: sum(passed))
    monkeypatch.setattr(clock, "sleep", passed.append)
    return passed


def test_f16_a_batch_ends_in_its_time_however_many_subscriptions_take_no_delivery(
    world: World, ticks: list[float]
) -> None:
    """Cut off, it would report nothing, and leave to the sweep what was put."""
    subscriptions = [subscribe() for _ in range(50)]
    taking = min(subscriptions, key=lambda it: it.id)  # the first to be read

    def plan(call: Call) -> Any:
        if call.operation == "PutItem" and call.parameters["Item"]["pk"] != {"S": f"sub#{taking.id}"}:
            ticks.append(0.2)
            raise failing("ThrottlingException")(call)
        return call.send()

    with intercepted(plan):
        failed = world.handle(DISPATCH, an_event(), an_event())

    assert sum(ticks) < dispatch.START_DEADLINE_SECONDS + 1
    assert failed == ["0", "1"]
    assert [it["subscription"] for it in world.messages()] == [it.subscription_id for it in deliveries_of(taking)]
    assert len(deliveries_of(taking)) == 1, "no put of the second event was begun"


def test_f16_a_queue_that_takes_no_triggers_is_waited_for_once_in_a_batch(world: World) -> None:
    subscription, events = subscribe(), [an_event() for _ in range(3)]

    with intercepted(refuse("SendMessageBatch", failing("ServiceUnavailable"))) as calls:
        failed = world.handle(DISPATCH, *events)

    assert failed == ["0", "1", "2"]
    assert [it.operation for it in calls].count("SendMessageBatch") == 1
    assert len(deliveries_of(subscription)) == 3, "for the sweep to find"
    world.run()
    assert len(world.posts) == 3


def test_subscriptions_are_read_once_for_a_batch(world: World) -> None:
    subscribe()

    with intercepted() as calls:
        world.handle(DISPATCH, *[an_event() for _ in range(5)])

    assert [it.operation for it in calls] == ["Query", *["PutItem", "SendMessageBatch"] * 5]


def test_subscriptions_known_to_be_slow_have_a_queue_of_their_own(world: World) -> None:
    quick, slow, unknown = (subscribe(pace=pace) for pace in ("quick", "slow", None))

    world.handle(DISPATCH, an_event())

    assert {it["subscription"] for it in world.messages(QUICK)} == {quick.id, unknown.id}
    assert [it["subscription"] for it in world.messages(SLOW)] == [slow.id]
