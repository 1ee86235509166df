"""F13, F18, F19: dispatcher, sender, replay and sweep die at any of their calls, and what was under way comes again.

Whatever dies, each event gets to each subscription, has one delivery there, and every attempt is counted.
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
from oms.webhooks.post import Answer
from tests.support.aws_calls import Call, Plan, intercepted
from tests.support.database import table
from tests.support.faults import Crash, between, crash_after, crash_before, timed_out
from tests.support.webhook_world import (
    DISPATCH,
    QUICK,
    REPLAYS,
    Behaviour,
    World,
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
class Scene:
    """What a crash is made in: a subscription, what its receiver does, and what is asked for."""

    answers: tuple[Behaviour, ...] = (answering(200),)
    fields: dict[str, Any] = field(default_factory=dict)
    events: int = 1
    # Done before what may crash, and the beginning of that.
    before: Callable[[World, Subscription], object] = lambda *_: None
    act: Callable[[World, Subscription], object] = lambda *_: None
    ends: str = "delivered"
    # Where else it may end if its sender dies: once its subscription is disabled, a delivery is kept.
    or_ends: str = ""
    # Requests that it takes when nothing crashes.
    posts: int = 1
    # How the subscription ends: status, disabled_reason and whether it is failing.
    leaves: tuple[str, str | None, bool] = ("active", None, False)


def ended_once(world: World, subscription: Subscription) -> None:
    world.run()
    for delivery in deliveries_of(subscription):
        update_item(delivery, [Delivery.status.set("failed")])
    world.now += timedelta(seconds=2)
    world.posts.clear()


def ask_for_a_replay(world: World, subscription: Subscription) -> None:
    """As a client who asks again after an answer that was none."""
    try:
        start_replay(subscription, world.now - timedelta(hours=1), world.now)
    except ReplayRunningError:
        return


def pause(world: World, subscription: Subscription) -> None:
    world.run(world.now)
    update_item(subscription, [Subscription.status.set("paused")])


SCENES: dict[str, Scene] = {
    "delivered at once": Scene(),
    "fails once": Scene((answering(500), answering(200)), posts=2),
    "fails, and is tried again by the sweep": Scene((answering(503, retry_after="3600"), answering(200)), posts=2),
    "is gone": Scene((answering(410),), ends="failed", or_ends="paused", leaves=("disabled", "gone", False)),
    "has failed for five days": Scene(
        (answering(500),),
        fields={"failing_since": "2025-12-01T00:00:00.000Z"},
        ends="paused",
        leaves=("disabled", "failing", True),
    ),
    "is known by nobody": Scene(fields={"pace": None}),
    "was slow": Scene(fields={"pace": "slow"}),
    "is paused while it waits": Scene((answering(500),), before=pause, ends="paused", leaves=("paused", None, True)),
    "was failing": Scene(fields={"failing_since": "2025-12-31T00:00:00.000Z"}),
    "is replayed": Scene(events=3, before=ended_once, act=ask_for_a_replay, posts=3),
}


def begin(world: World, scene: Scene) -> Subscription:
    """The scene's beginning, in a world where nothing else is."""
    table("webhooks").clear()
    world.queues.clear()
    world.posts.clear()
    world.dead.clear()
    subscription = subscribe(**scene.fields)
    world.publish(*[an_event() for _ in range(scene.events)])
    world.behaviours = {}
    if scene.before is ended_once:
        scene.before(world, subscription)
        world.behaviours[host(subscription)] = in_turn(*scene.answers)
    else:
        world.behaviours[host(subscription)] = in_turn(*scene.answers)
        scene.before(world, subscription)
    return subscription


def cut_short(world: World, scene: Scene, plan_at: Callable[[int], Plan]) -> Iterator[tuple[int, Subscription]]:
    """The scene from its beginning, with a plan for its first, second, … call, until there is no such call."""
    subscription = begin(world, scene)
    rewind = world.rewinding()
    for number in range(1, 100):
        rewind()
        world.behaviours[host(subscription)] = in_turn(*scene.answers)
        asked = False
        with intercepted(plan_at(number)) as calls, suppress(Crash):
            scene.act(world, subscription)
            asked = True
            with suppress(ReadTimeoutError, ExceptionGroup):  # a sweep's
                world.run()
        if len(calls) < number:
            return
        if not asked:
            scene.act(world, subscription)
        world.run()
        yield number, subscription


def check(world: World, scene: Scene, subscription: Subscription, *, ends: set[str], where: str) -> None:
    found = deliveries_of(subscription)
    assert len(found) == scene.events, f"one delivery for each event: {where}"
    assert {it.status for it in found} <= ends, where
    assert all(it.due_at is None and it.due_key is None for it in found), where
    posted = Counter(post.id for post in world.posts)
    assert posted.keys() == {it.event_id for it in found}, f"each event arrives: {where}"
    assert {post.body for post in world.posts} == {it.body.encode() for it in found}, where
    for it in found:
        assert posted[it.event_id] <= len(it.attempts), f"each attempt is counted: {where}"
        assert it.attempt_count <= len(it.attempts), where
        assert all(attempt.status_code or attempt.error == "interrupted" for attempt in it.attempts), where
    after = subscription_now(subscription)
    assert (after.status, after.disabled_reason, after.failing_since is not None) == scene.leaves, where
    assert world.dead == [], where
    assert get_item(Replay, Replay.key(subscription.id)) is None, where


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("kind", [crash_before, crash_after])
def test_f13_a_crash_at_any_call_loses_no_delivery_and_makes_none_twice(
    world: World, name: str, kind: Callable[[int], Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "BATCH_SIZE", 2)
    scene, points = SCENES[name], 0

    for number, subscription in cut_short(world, scene, kind):
        points += 1
        check(world, scene, subscription, ends={scene.ends, scene.or_ends}, where=f"{kind.__name__} call {number}")
        assert len(world.posts) <= scene.posts + 1, "what was cut off is made once more, and nothing else"

    assert points >= 2, "fewer places to crash at than calls"


def answer_lost(number: int) -> Plan:
    """The call is made, and its answer times out: the process lives on."""

    def plan(call: Call) -> Any:
        answer = call.send()
        if call.number == number:
            raise timed_out(call)
        return answer

    return plan


@pytest.mark.parametrize("name", SCENES)
def test_f18_a_lost_answer_makes_no_request_twice(world: World, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "BATCH_SIZE", 2)
    scene = SCENES[name]

    for number, subscription in cut_short(world, scene, answer_lost):
        check(world, scene, subscription, ends={scene.ends}, where=f"the answer to call {number} lost")
        assert len(world.posts) == scene.posts, f"the answer to call {number} lost"
        attempts = [attempt for it in deliveries_of(subscription) for attempt in it.attempts]
        assert "interrupted" not in {it.error for it in attempts}, f"the answer to call {number} lost"


def test_f18_a_sender_that_dies_with_its_request_under_way_counts_it(world: World) -> None:
    subscription = subscribe()

    def dies() -> Answer:
        raise Crash

    world.behaviours[host(subscription)] = in_turn(dies, dies, answering(200))
    world.publish(an_event())
    for _ in range(2):
        with pytest.raises(Crash):
            world.run()
    world.run()

    delivery = delivery_of(subscription)
    assert (delivery.status, delivery.attempt_count, len(world.posts)) == ("delivered", 3, 3)
    assert [it.error for it in delivery.attempts] == ["interrupted", "interrupted", None]


def test_f18_a_sender_that_outlives_its_claim_changes_nothing_of_what_another_found(world: World) -> None:
    subscription, trigger = waiting(world)

    def stalls() -> Answer:
        world.now += timedelta(minutes=4)
        world.behaviours[host(subscription)] = answering(200)
        world.sweep()
        world.run()
        assert delivery_of(subscription).status == "delivered"
        return answering(500)()

    world.behaviours[host(subscription)] = stalls
    world.handle(QUICK, trigger)

    delivery = delivery_of(subscription)
    assert (delivery.status, delivery.attempt_count, delivery.due_at) == ("delivered", 2, None)
    assert [it.error or it.status_code for it in delivery.attempts] == ["interrupted", 200]


def test_f18_a_late_success_does_not_replace_what_another_attempt_found(world: World) -> None:
    subscription, trigger = waiting(world)
    found = []

    def stalls() -> Answer:
        world.now += timedelta(minutes=4)
        world.behaviours[host(subscription)] = answering(500)
        world.sweep()
        world.run(world.now)
        found.append(delivery_of(subscription).serialize())
        return answering(200)()

    world.behaviours[host(subscription)] = stalls
    world.handle(QUICK, trigger)

    assert delivery_of(subscription).serialize() == found[0]
    assert (delivery_of(subscription).status, delivery_of(subscription).attempt_count) == ("pending", 2)


def test_f19_dead_letters_that_are_redriven_do_nothing_twice(world: World) -> None:
    subscription = subscribe()
    event = an_event()
    world.publish(event)
    world.run(world.now)
    old = {"subscription": subscription.id, "delivery": delivery_of(subscription).id, "due_at": 1}
    world.posts.clear()
    before = delivery_of(subscription).serialize()

    assert world.handle(QUICK, old) == []
    assert world.handle(DISPATCH, event) == []
    assert world.handle(REPLAYS, {"subscription": subscription.id, "due_at": 1}) == []
    world.run()

    assert world.posts == []
    assert delivery_of(subscription).serialize() == before


# ---- who comes between ----------------------------------------------------------------------------------------------


def waiting(world: World, **fields: Any) -> tuple[Subscription, dict[str, Any]]:
    """A delivery that is due, and its trigger."""
    subscription = subscribe(**fields)
    event = an_event()
    made = deliveries.create(subscription, event_id=event["id"], event_type=event["type"], body="{}")
    return subscription, deliveries.Trigger.of(made).message(world.now).content


@pytest.mark.parametrize("status", [200, 500, 410])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, 6))
def test_two_senders_with_the_same_trigger_make_one_request(
    world: World, number: int, after: bool, status: int
) -> None:
    subscription, trigger = waiting(world)
    world.behaviours[host(subscription)] = answering(status)

    with intercepted(between(number, lambda: world.handle(QUICK, trigger), after=after)):
        world.handle(QUICK, trigger)

    delivery = delivery_of(subscription)
    assert (len(world.posts), delivery.attempt_count, len(delivery.attempts)) == (1, 1, 1)
    assert delivery.attempts[0].status_code == status
    assert len(world.messages()) == (1 if status == 500 else 0), "and one trigger follows"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, 5))
def test_a_replay_that_comes_between_waits_for_whoever_is_at_work(world: World, number: int, after: bool) -> None:
    subscription, trigger = waiting(world)
    has_ended = number == 4 and after  # read, claimed, read again, settled

    with intercepted(between(number, lambda: deliveries.replay_one(subscription, trigger["delivery"]), after=after)):
        world.handle(QUICK, trigger)
    world.run()

    delivery = delivery_of(subscription)
    assert delivery.status == "delivered"
    assert len(world.posts) == len(delivery.attempts) == (2 if has_ended else 1)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, 5))
def test_a_subscription_paused_between_ends_delivered_or_kept(world: World, number: int, after: bool) -> None:
    subscription, trigger = waiting(world)

    def pause_it() -> None:
        update_item(subscription, [Subscription.status.set("paused"), Subscription.version.add(1)])

    with intercepted(between(number, pause_it, after=after)):
        world.handle(QUICK, trigger)
    world.run()

    delivery = delivery_of(subscription)
    assert (delivery.status, len(world.posts)) in (("delivered", 1), ("paused", 0))
    assert subscription_now(subscription).version == 2


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, 4))
def test_an_event_dispatched_twice_at_once_is_sent_once(world: World, number: int, after: bool) -> None:
    subscription, event = subscribe(), an_event()

    with intercepted(between(number, lambda: world.handle(DISPATCH, event), after=after)):
        world.handle(DISPATCH, event)
    world.run()

    assert delivery_of(subscription).status == "delivered"
    assert len(world.posts) == 1


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, 9))
def test_two_workers_at_one_stretch_take_up_each_delivery_once(
    world: World, number: int, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "BATCH_SIZE", 2)
    subscription = begin(world, SCENES["is replayed"])
    ask_for_a_replay(world, subscription)
    (message,) = world.messages(REPLAYS)
    world.queues.clear()

    with intercepted(between(number, lambda: world.handle(REPLAYS, message), after=after)):
        world.handle(REPLAYS, message)
    assert len({it["due_at"] for it in world.messages(REPLAYS)}) <= 1, "one goes on"
    world.run()

    assert Counter(post.id for post in world.posts) == {it.event_id: 1 for it in deliveries_of(subscription)}
    assert clock.now() - world.posts[0].at < timedelta(minutes=5)
