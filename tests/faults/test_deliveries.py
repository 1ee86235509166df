"""F13, F18, F19: dispatcher, sender, replay and sweep die at any of their calls, and their messages are delivered
again.

After every crash, each event arrives at each subscription, has one delivery there, and every attempt is counted.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from oms.core import clock
from oms.core.dynamodb import get_item, update_item
from oms.core.errors import ReplayRunningError
from oms.webhooks import deliveries, replay
from oms.webhooks.models import Delivery, Replay, Subscription
from oms.webhooks.post import PostResponse
from tests.support.aws_calls import Call, Plan, intercepted
from tests.support.database import table
from tests.support.faults import Crash, between, crash_after, crash_before, timed_out
from tests.support.webhook_simulation import (
    DISPATCH,
    QUICK,
    REPLAYS,
    Behaviour,
    WebhookSimulation,
    answering,
    deliveries_of,
    delivery_of,
    host,
    in_turn,
    start_replay,
    subscribe,
)
from tests.support.webhooks import an_event, subscription_now

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture(autouse=True)
def no_jitter(monkeypatch: pytest.MonkeyPatch, no_sleep: list[float]) -> None:
    monkeypatch.setattr("random.random", lambda: 0.0)


@dataclass
class Situation:
    """The situation of a crash: a subscription, the behaviour of its receiver, and the requests."""

    answers: tuple[Behaviour, ...] = (answering(200),)
    fields: dict[str, Any] = field(default_factory=dict)
    events: int = 1
    # The steps before those that may crash, and the first of those.
    before: Callable[[WebhookSimulation, Subscription], object] = lambda *_: None
    act: Callable[[WebhookSimulation, Subscription], object] = lambda *_: None
    ends: str = "delivered"
    # The other possible end if its sender dies: a delivery of a disabled subscription is kept.
    or_ends: str = ""
    # The number of requests without a crash.
    posts: int = 1
    # The final state of the subscription: status, disabled_reason and whether it is failing.
    leaves: tuple[str, str | None, bool] = ("active", None, False)


def ended_once(simulation: WebhookSimulation, subscription: Subscription) -> None:
    simulation.run()
    for delivery in deliveries_of(subscription):
        update_item(delivery, [Delivery.status.set("failed")])
    simulation.now += timedelta(seconds=2)
    simulation.posts.clear()


def ask_for_a_replay(simulation: WebhookSimulation, subscription: Subscription) -> None:
    """Requests a replay as a client that repeats a request without an answer."""
    try:
        start_replay(subscription, simulation.now - timedelta(hours=1), simulation.now)
    except ReplayRunningError:
        return


def pause(simulation: WebhookSimulation, subscription: Subscription) -> None:
    simulation.run(simulation.now)
    update_item(subscription, [Subscription.status.set("paused")])


SITUATIONS: dict[str, Situation] = {
    "delivered at once": Situation(),
    "fails once": Situation((answering(500), answering(200)), posts=2),
    "fails, and is tried again by the sweep": Situation((answering(503, retry_after="3600"), answering(200)), posts=2),
    "is gone": Situation((answering(410),), ends="failed", or_ends="paused", leaves=("disabled", "gone", False)),
    "has failed for five days": Situation(
        (answering(500),),
        fields={"failing_since": "2025-12-01T00:00:00.000Z"},
        ends="paused",
        leaves=("disabled", "failing", True),
    ),
    "has no known pace": Situation(fields={"pace": None}),
    "was slow": Situation(fields={"pace": "slow"}),
    "is paused while it waits": Situation(
        (answering(500),), before=pause, ends="paused", leaves=("paused", None, True)
    ),
    "was failing": Situation(fields={"failing_since": "2025-12-31T00:00:00.000Z"}),
    "is replayed": Situation(events=3, before=ended_once, act=ask_for_a_replay, posts=3),
}


def begin(simulation: WebhookSimulation, situation: Situation) -> Subscription:
    """Runs the first steps of the situation, in an empty system."""
    table("webhooks").clear()
    simulation.queues.clear()
    simulation.posts.clear()
    simulation.dead.clear()
    subscription = subscribe(**situation.fields)
    simulation.publish(*[an_event() for _ in range(situation.events)])
    simulation.behaviours = {}
    if situation.before is ended_once:
        situation.before(simulation, subscription)
        simulation.behaviours[host(subscription)] = in_turn(*situation.answers)
    else:
        simulation.behaviours[host(subscription)] = in_turn(*situation.answers)
        situation.before(simulation, subscription)
    return subscription


def cut_short(
    simulation: WebhookSimulation, situation: Situation, plan_at: Callable[[int], Plan]
) -> Iterator[tuple[int, Subscription]]:
    """Repeats the situation, with a plan for its first, second, … call, until all calls had one."""
    subscription = begin(simulation, situation)
    rewind = simulation.rewinding()
    for number in range(1, 100):
        rewind()
        simulation.behaviours[host(subscription)] = in_turn(*situation.answers)
        asked = False
        with intercepted(plan_at(number)) as calls, suppress(Crash):
            situation.act(simulation, subscription)
            asked = True
            with suppress(ReadTimeoutError, ExceptionGroup):  # a sweep's
                simulation.run()
        if len(calls) < number:
            return
        if not asked:
            situation.act(simulation, subscription)
        simulation.run()
        yield number, subscription


def check(
    simulation: WebhookSimulation, situation: Situation, subscription: Subscription, *, ends: set[str], where: str
) -> None:
    found = deliveries_of(subscription)
    assert len(found) == situation.events, f"one delivery for each event: {where}"
    assert {it.status for it in found} <= ends, where
    assert all(it.due_at is None and it.due_key is None for it in found), where
    posted = Counter(post.id for post in simulation.posts)
    assert posted.keys() == {it.event_id for it in found}, f"each event arrives: {where}"
    assert {post.body for post in simulation.posts} == {it.body.encode() for it in found}, where
    for it in found:
        assert posted[it.event_id] <= len(it.attempts), f"each attempt is counted: {where}"
        assert it.attempt_count <= len(it.attempts), where
        assert all(attempt.status_code or attempt.error == "interrupted" for attempt in it.attempts), where
    after = subscription_now(subscription)
    assert (after.status, after.disabled_reason, after.failing_since is not None) == situation.leaves, where
    assert simulation.dead == [], where
    assert get_item(Replay, Replay.key(subscription.id)) is None, where


@pytest.mark.parametrize("name", SITUATIONS)
@pytest.mark.parametrize("kind", [crash_before, crash_after])
def test_f13_a_crash_at_any_call_loses_no_delivery_and_makes_none_twice(
    simulation: WebhookSimulation, name: str, kind: Callable[[int], Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "BATCH_SIZE", 2)
    situation, points = SITUATIONS[name], 0

    for number, subscription in cut_short(simulation, situation, kind):
        points += 1
        check(
            simulation,
            situation,
            subscription,
            ends={situation.ends, situation.or_ends},
            where=f"{kind.__name__} call {number}",
        )
        assert len(simulation.posts) <= situation.posts + 1, "only the attempt that was cut off is made again"

    assert points >= 2, "fewer crashes than calls"


def answer_lost(number: int) -> Plan:
    """Returns the call is carried out, and its answer times out; the process continues."""

    def plan(call: Call) -> Any:
        answer = call.send()
        if call.number == number:
            raise timed_out(call)
        return answer

    return plan


@pytest.mark.parametrize("name", SITUATIONS)
def test_f18_a_lost_answer_makes_no_request_twice(
    simulation: WebhookSimulation, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "BATCH_SIZE", 2)
    situation = SITUATIONS[name]

    for number, subscription in cut_short(simulation, situation, answer_lost):
        check(simulation, situation, subscription, ends={situation.ends}, where=f"the answer to call {number} lost")
        assert len(simulation.posts) == situation.posts, f"the answer to call {number} lost"
        attempts = [attempt for it in deliveries_of(subscription) for attempt in it.attempts]
        assert "interrupted" not in {it.error for it in attempts}, f"the answer to call {number} lost"


def test_f18_a_sender_that_dies_with_its_request_under_way_counts_it(simulation: WebhookSimulation) -> None:
    subscription = subscribe()

    def dies() -> PostResponse:
        raise Crash

    simulation.behaviours[host(subscription)] = in_turn(dies, dies, answering(200))
    simulation.publish(an_event())
    for _ in range(2):
        with pytest.raises(Crash):
            simulation.run()
    simulation.run()

    delivery = delivery_of(subscription)
    assert (delivery.status, delivery.attempt_count, len(simulation.posts)) == ("delivered", 3, 3)
    assert [it.error for it in delivery.attempts] == ["interrupted", "interrupted", None]


def test_f18_a_sender_that_outlives_its_claim_does_not_change_the_outcome_of_another(
    simulation: WebhookSimulation,
) -> None:
    subscription, trigger = waiting(simulation)

    def stalls() -> PostResponse:
        simulation.now += timedelta(minutes=4)
        simulation.behaviours[host(subscription)] = answering(200)
        simulation.sweep()
        simulation.run()
        assert delivery_of(subscription).status == "delivered"
        return answering(500)()

    simulation.behaviours[host(subscription)] = stalls
    simulation.handle(QUICK, trigger)

    delivery = delivery_of(subscription)
    assert (delivery.status, delivery.attempt_count, delivery.due_at) == ("delivered", 2, None)
    assert [it.error or it.status_code for it in delivery.attempts] == ["interrupted", 200]


def test_f18_a_late_success_does_not_replace_the_outcome_of_another_attempt(simulation: WebhookSimulation) -> None:
    subscription, trigger = waiting(simulation)
    found = []

    def stalls() -> PostResponse:
        simulation.now += timedelta(minutes=4)
        simulation.behaviours[host(subscription)] = answering(500)
        simulation.sweep()
        simulation.run(simulation.now)
        found.append(delivery_of(subscription).serialize())
        return answering(200)()

    simulation.behaviours[host(subscription)] = stalls
    simulation.handle(QUICK, trigger)

    assert delivery_of(subscription).serialize() == found[0]
    assert (delivery_of(subscription).status, delivery_of(subscription).attempt_count) == ("pending", 2)


def test_f19_dead_letters_that_are_redriven_do_nothing_twice(simulation: WebhookSimulation) -> None:
    subscription = subscribe()
    event = an_event()
    simulation.publish(event)
    simulation.run(simulation.now)
    old = {"subscription": subscription.id, "delivery": delivery_of(subscription).id, "due_at": 1}
    simulation.posts.clear()
    before = delivery_of(subscription).serialize()

    assert simulation.handle(QUICK, old) == []
    assert simulation.handle(DISPATCH, event) == []
    assert simulation.handle(REPLAYS, {"subscription": subscription.id, "due_at": 1}) == []
    simulation.run()

    assert simulation.posts == []
    assert delivery_of(subscription).serialize() == before


# ---- concurrent changes ---------------------------------------------------------------------------------------------


def waiting(simulation: WebhookSimulation, **fields: Any) -> tuple[Subscription, dict[str, Any]]:
    """Returns a delivery that is due, and its trigger."""
    subscription = subscribe(**fields)
    event = an_event()
    made = deliveries.create(subscription, event_id=event["id"], event_type=event["type"], body="{}")
    return subscription, deliveries.Trigger.of(made).message(simulation.now).content


@pytest.mark.parametrize("status", [200, 500, 410])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, 6))
def test_two_senders_with_the_same_trigger_make_one_request(
    simulation: WebhookSimulation, number: int, after: bool, status: int
) -> None:
    subscription, trigger = waiting(simulation)
    simulation.behaviours[host(subscription)] = answering(status)

    with intercepted(between(number, lambda: simulation.handle(QUICK, trigger), after=after)):
        simulation.handle(QUICK, trigger)

    delivery = delivery_of(subscription)
    assert (len(simulation.posts), delivery.attempt_count, len(delivery.attempts)) == (1, 1, 1)
    assert delivery.attempts[0].status_code == status
    assert len(simulation.messages()) == (1 if status == 500 else 0), "and one trigger follows"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, 4))
def test_a_concurrent_replay_waits_for_the_running_attempt(
    simulation: WebhookSimulation, number: int, after: bool
) -> None:
    subscription, trigger = waiting(simulation)
    has_ended = number == 3 and after  # read, claimed, recorded

    with intercepted(between(number, lambda: deliveries.replay_one(subscription, trigger["delivery"]), after=after)):
        simulation.handle(QUICK, trigger)
    simulation.run()

    delivery = delivery_of(subscription)
    assert delivery.status == "delivered"
    assert len(simulation.posts) == len(delivery.attempts) == (2 if has_ended else 1)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, 5))
def test_a_subscription_paused_between_ends_delivered_or_kept(
    simulation: WebhookSimulation, number: int, after: bool
) -> None:
    subscription, trigger = waiting(simulation)

    def pause_it() -> None:
        update_item(subscription, [Subscription.status.set("paused"), Subscription.version.add(1)])

    with intercepted(between(number, pause_it, after=after)):
        simulation.handle(QUICK, trigger)
    simulation.run()

    delivery = delivery_of(subscription)
    assert (delivery.status, len(simulation.posts)) in (("delivered", 1), ("paused", 0))
    assert subscription_now(subscription).version == 2


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, 4))
def test_an_event_dispatched_twice_at_once_is_sent_once(
    simulation: WebhookSimulation, number: int, after: bool
) -> None:
    subscription, event = subscribe(), an_event()

    with intercepted(between(number, lambda: simulation.handle(DISPATCH, event), after=after)):
        simulation.handle(DISPATCH, event)
    simulation.run()

    assert delivery_of(subscription).status == "delivered"
    assert len(simulation.posts) == 1


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, 9))
def test_two_workers_at_one_batch_take_up_each_delivery_once(
    simulation: WebhookSimulation, number: int, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "BATCH_SIZE", 2)
    subscription = begin(simulation, SITUATIONS["is replayed"])
    ask_for_a_replay(simulation, subscription)
    (message,) = simulation.messages(REPLAYS)
    simulation.queues.clear()

    with intercepted(between(number, lambda: simulation.handle(REPLAYS, message), after=after)):
        simulation.handle(REPLAYS, message)
    assert len({it["due_at"] for it in simulation.messages(REPLAYS)}) <= 1, "one continues"
    simulation.run()

    assert Counter(post.id for post in simulation.posts) == {it.event_id: 1 for it in deliveries_of(subscription)}
    assert clock.now() - simulation.posts[0].at < timedelta(minutes=5)
