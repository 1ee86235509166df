"""The dispatcher creates one delivery of an event for each subscription that matches it and may get it."""

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
from tests.support.webhook_simulation import (
    DISPATCH,
    QUICK,
    SLOW,
    WebhookSimulation,
    deliveries_of,
    delivery_of,
    host,
    subscribe,
)
from tests.support.webhooks import an_event

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def test_each_subscription_that_wants_the_type_gets_the_very_text(simulation: WebhookSimulation) -> None:
    wanting = [subscribe("order.created"), subscribe("order.*", "stock.low"), subscribe("*")]
    others = [subscribe("order.cancelled"), subscribe("stock.*")]
    text = PublishedEvent.read('{ "type": "order.created",  "id": "0123456789ABCDEFGHJKMNPQ", "data": "Übung" }').body

    assert simulation.handle(DISPATCH, text) == []

    assert [delivery_of(it).body for it in wanting] == [text] * 3
    assert [deliveries_of(it) for it in others] == [[], []]
    assert {it["subscription"] for it in simulation.messages()} == {it.id for it in wanting}
    assert {it.group for it in simulation.queues[QUICK]} == {it.id for it in wanting}, "each has its own group"


def test_an_event_that_comes_twice_is_delivered_once(simulation: WebhookSimulation) -> None:
    subscription, event = subscribe(), an_event()

    simulation.publish(event, event)
    simulation.run()
    simulation.publish(event)
    simulation.run()

    assert [post.id for post in simulation.posts] == [event["id"]]
    assert delivery_of(subscription).status == "delivered"


def test_a_delivery_that_is_pending_is_triggered_again_for_its_own_time(simulation: WebhookSimulation) -> None:
    subscription, event = subscribe(), an_event()
    simulation.handle(DISPATCH, event)
    first = simulation.messages()
    simulation.queues.clear()

    simulation.handle(DISPATCH, event)

    assert simulation.messages() == first
    assert first[0]["due_at"] == delivery_of(subscription).due_at


@pytest.mark.parametrize("status", ["paused", "disabled"])
def test_events_for_an_inactive_subscription_are_kept(simulation: WebhookSimulation, status: str) -> None:
    subscription = subscribe(status=status)

    simulation.publish(an_event())
    simulation.run()

    kept = delivery_of(subscription)
    assert (kept.status, kept.due_at, kept.attempt_count) == ("paused", None, 0)
    assert simulation.posts == []


def test_a27_events_of_users_go_to_subscriptions_of_current_active_admins(
    simulation: WebhookSimulation, person: Callable[..., Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, demoted, disabled = person("admin"), person("manager"), person("admin", status="disabled")
    theirs = [subscribe(created_by=it.id) for it in (admin, demoted, disabled)]

    simulation.publish(an_event("user.locked"), an_event("order.created"))
    simulation.run()

    assert [{it.event_type for it in deliveries_of(of)} for of in theirs] == [
        {"user.locked", "order.created"},
        {"order.created"},
        {"order.created"},
    ]


def test_f16_a_message_that_is_no_event_comes_back_alone(simulation: WebhookSimulation) -> None:
    subscription = subscribe()
    bad: list[Any] = ["{", "[]", {"id": "E1"}, '"text"']

    failed = simulation.handle(DISPATCH, an_event(), *bad, an_event())

    assert failed == ["1", "2", "3", "4"]
    assert len(deliveries_of(subscription)) == 2


def refused_for(subscription: Subscription) -> Plan:
    """Throttles the writes to its partition."""

    def plan(call: Call) -> Any:
        if call.operation == "PutItem" and call.parameters["Item"]["pk"] == {"S": f"sub#{subscription.id}"}:
            raise failing("ThrottlingException")(call)
        return call.send()

    return plan


def test_f16_one_subscription_that_takes_no_delivery_now_holds_up_no_other(
    simulation: WebhookSimulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, unwriteable, last = subscribe(), subscribe("order.*"), subscribe()
    events = [an_event(), an_event("stock.low"), an_event()]

    with intercepted(refused_for(unwriteable)) as calls:
        failed = simulation.handle(DISPATCH, *events)

    assert failed == ["0", "2"], "an event that it does not match is finished"
    assert Counter(it["subscription"] for it in simulation.messages()) == {first.id: 3, last.id: 3}
    assert [it.operation for it in calls].count("PutItem") == 3 * 2 + 7, "it is tried for one event of the batch"
    simulation.publish(*events)
    simulation.run()
    assert Counter(post.host for post in simulation.posts) == {host(first): 3, host(unwriteable): 2, host(last): 3}


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The durations of calls and waits, in seconds; their sum is the time."""
    passed: list[float] = []
    monkeypatch.setattr(clock, "monotonic", lambda: sum(passed))
    monkeypatch.setattr(clock, "sleep", passed.append)
    return passed


def test_f16_a_batch_ends_in_its_time_however_many_subscriptions_take_no_delivery(
    simulation: WebhookSimulation, ticks: list[float]
) -> None:
    """A batch that is cut off would report no failures, and leave its stored deliveries to the sweep."""
    subscriptions = [subscribe() for _ in range(50)]
    taking = min(subscriptions, key=lambda it: it.id)  # the first that is read

    def plan(call: Call) -> Any:
        if call.operation == "PutItem" and call.parameters["Item"]["pk"] != {"S": f"sub#{taking.id}"}:
            ticks.append(0.2)
            raise failing("ThrottlingException")(call)
        return call.send()

    with intercepted(plan):
        failed = simulation.handle(DISPATCH, an_event(), an_event())

    assert sum(ticks) < dispatch.START_DEADLINE_SECONDS + 1
    assert failed == ["0", "1"]
    assert [it["subscription"] for it in simulation.messages()] == [it.subscription_id for it in deliveries_of(taking)]
    assert len(deliveries_of(taking)) == 1, "no put of the second event was begun"


def test_f16_a_queue_that_takes_no_triggers_is_waited_for_once_in_a_batch(simulation: WebhookSimulation) -> None:
    subscription, events = subscribe(), [an_event() for _ in range(3)]

    with intercepted(refuse("SendMessageBatch", failing("ServiceUnavailable"))) as calls:
        failed = simulation.handle(DISPATCH, *events)

    assert failed == ["0", "1", "2"]
    assert [it.operation for it in calls].count("SendMessageBatch") == 1
    assert len(deliveries_of(subscription)) == 3, "for the sweep to find"
    simulation.run()
    assert len(simulation.posts) == 3


def test_subscriptions_are_read_once_for_a_batch(simulation: WebhookSimulation) -> None:
    subscribe()

    with intercepted() as calls:
        simulation.handle(DISPATCH, *[an_event() for _ in range(5)])

    assert [it.operation for it in calls] == ["Query", *["PutItem", "SendMessageBatch"] * 5]


def test_the_first_deliveries_of_an_event_are_triggered_while_the_others_are_created(
    simulation: WebhookSimulation,
) -> None:
    subscriptions = [subscribe() for _ in range(25)]

    with intercepted() as calls:
        simulation.handle(DISPATCH, an_event())

    batches = (10, 10, 5)
    expected = [it for number in batches for it in (*["PutItem"] * number, "SendMessageBatch")]
    assert [it.operation for it in calls] == ["Query", *expected]
    assert {it["subscription"] for it in simulation.messages()} == {it.id for it in subscriptions}


def test_subscriptions_known_to_be_slow_have_a_queue_of_their_own(simulation: WebhookSimulation) -> None:
    quick, slow, unknown = (subscribe(pace=pace) for pace in ("quick", "slow", None))

    simulation.handle(DISPATCH, an_event())

    assert {it["subscription"] for it in simulation.messages(QUICK)} == {quick.id, unknown.id}
    assert [it["subscription"] for it in simulation.messages(SLOW)] == [slow.id]
