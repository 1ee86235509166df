"""What attempts tell of a subscription: whether it fails, is gone, or is slow; and what that means for the next."""

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from oms.core import clock
from oms.core.dynamodb import retrying, update_item
from oms.core.errors import UnavailableError
from oms.webhooks import deliveries, health
from oms.webhooks.deliveries import milliseconds
from oms.webhooks.models import Subscription
from oms.webhooks.targets import ForbiddenTargetError
from tests.support.accounts import audit_entries
from tests.support.aws_calls import Call, intercepted
from tests.support.faults import between, reason_at
from tests.support.local_cloud.shop import wait_until
from tests.support.webhook_world import (
    QUICK,
    SLOW,
    Behaviour,
    World,
    answering,
    begun,
    delivery_of,
    host,
    one_attempt,
    subscribe,
)
from tests.support.webhooks import an_event, subscription_now

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def ends_audited() -> list[tuple[Any, ...]]:
    return [(it.actor_id, it.target, it.details) for it in audit_entries() if it.action == "webhook.disabled"]


@pytest.fixture(autouse=True)
def no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 0.0)


# ---- the subscription's state ---------------------------------------------------------------------------------------


def test_f20_410_disables_at_once(world: World) -> None:
    subscription = begun(world, answering(410))

    one_attempt(world)

    after = subscription_now(subscription)
    assert (after.status, after.disabled_reason, after.version) == ("disabled", "gone", 2)
    assert (after.updated_by, after.updated_by_role) == ("system", "system")
    assert after.updated_at == clock.timestamp(world.now)
    assert delivery_of(subscription).status == "failed"
    assert world.messages() == []
    assert ends_audited() == [("system", f"webhook#{subscription.id}", {"reason": "gone"})]


def test_an_end_that_is_not_made_is_not_written_down_and_no_end_is_made_without(world: World) -> None:
    subscription = begun(world, answering(410))
    entries = []

    def plan(call: Call) -> Any:
        if call.operation == "TransactWriteItems":
            entries.append(len(ends_audited()))
            raise reason_at(1, "TransactionConflict")(call)
        return call.send()

    (trigger,) = world.messages()
    with intercepted(plan):
        assert world.handle(QUICK, trigger) == ["0"]

    assert entries == [0] * 7
    assert (subscription_now(subscription).status, ends_audited()) == ("active", [])


def test_410_for_an_address_that_was_changed_meanwhile_disables_nothing_and_the_new_one_gets_the_event(
    world: World,
) -> None:
    subscription = begun(world)

    def gone_while_edited() -> Any:
        update_item(subscription, [Subscription.version.add(1), Subscription.url.set("https://new.example/")])
        return answering(410)()

    world.behaviours[host(subscription)] = gone_while_edited
    one_attempt(world)

    assert (subscription_now(subscription).status, subscription_now(subscription).version) == ("active", 2)
    delivery = delivery_of(subscription)
    assert (delivery.status, delivery.attempts[0].status_code) == ("pending", 410)
    world.run()
    assert delivery_of(subscription).status == "delivered"
    assert [post.host for post in world.posts] == [host(subscription), "new.example"]


def test_410_of_one_that_was_paused_meanwhile_keeps_the_event_for_a_replay(world: World) -> None:
    subscription = begun(world)

    def gone_while_paused() -> Any:
        update_item(subscription, [Subscription.version.add(1), Subscription.status.set("paused")])
        return answering(410)()

    world.behaviours[host(subscription)] = gone_while_paused
    world.run()

    assert subscription_now(subscription).status == "paused"
    assert (delivery_of(subscription).status, len(world.posts)) == ("paused", 1)


def test_the_first_failure_is_remembered_until_the_next_success(world: World) -> None:
    subscription = begun(world, answering(500), answering(500), answering(200))
    first = clock.timestamp(world.now)

    one_attempt(world)
    assert subscription_now(subscription).failing_since == first
    one_attempt(world)
    assert subscription_now(subscription).failing_since == first, "the first one's time stays"
    world.run()
    after = subscription_now(subscription)

    assert after.failing_since is None
    assert (after.status, after.version) == ("active", 1), "not an edit"


@pytest.mark.parametrize(("failing_for", "status"), [(timedelta(days=5), "disabled"), (timedelta(days=4.99), "active")])
def test_f20_five_days_of_failing_disable(world: World, failing_for: timedelta, status: str) -> None:
    since = clock.timestamp(world.now - failing_for)
    subscription = begun(world, answering(500), failing_since=since)

    one_attempt(world)

    after = subscription_now(subscription)
    assert (after.status, after.failing_since) == (status, since)
    assert after.disabled_reason == ("failing" if status == "disabled" else None)
    kept = delivery_of(subscription)
    assert kept.status == ("paused" if status == "disabled" else "pending")
    assert kept.attempts[0].status_code == 500, "the attempt that disabled it is recorded too"


def test_a_success_that_came_meanwhile_keeps_it_active(world: World) -> None:
    subscription = begun(world, failing_since=clock.timestamp(world.now - timedelta(days=9)))

    def fails_as_another_succeeds() -> Any:
        update_item(subscription, [Subscription.failing_since.remove()])
        return answering(500)()

    world.behaviours[host(subscription)] = fails_as_another_succeeds
    one_attempt(world)

    assert subscription_now(subscription).status == "active"


@pytest.mark.parametrize("status", ["paused", "disabled"])
def test_what_is_pending_when_a_subscription_is_not_active_is_kept_for_a_replay(world: World, status: str) -> None:
    subscription = begun(world, answering(500))
    one_attempt(world)
    update_item(subscription, [Subscription.status.set(status)])

    world.run()

    kept = delivery_of(subscription)
    assert (kept.status, kept.due_at, kept.attempt_count, len(kept.attempts)) == ("paused", None, 1, 1)
    assert len(world.posts) == 1


def test_a_subscription_that_was_deleted_gets_nothing_more(world: World) -> None:
    subscription = begun(world)
    subscription.delete()

    world.run()

    assert world.posts == []
    assert delivery_of(subscription).status == "paused"


def test_a27_a_user_event_is_kept_from_the_subscription_of_who_is_no_admin_now(world: World) -> None:
    """A27: also where it is replayed, or was pending as they were dismissed."""
    subscription, event = subscribe(), an_event("user.locked")
    made = deliveries.create(subscription, event_id=event["id"], event_type="user.locked", body=json.dumps(event))
    deliveries.send_trigger([(subscription, made)])

    world.run()

    kept = delivery_of(subscription)
    assert (kept.status, kept.attempts) == ("paused", [])
    assert world.posts == []


def test_a_receiver_whose_name_leads_to_no_public_address_for_five_days_is_disabled(world: World) -> None:
    """Nothing is sent, but the fault is theirs: it is their name that leads there."""

    def forbidden() -> Any:
        raise ForbiddenTargetError("leads to an address that is not public")

    subscription = begun(world, forbidden, failing_since=clock.timestamp(world.now - timedelta(days=5)))

    one_attempt(world)

    after = subscription_now(subscription)
    assert (after.status, after.disabled_reason) == ("disabled", "failing")


def test_what_notes_that_it_is_slow_is_no_part_of_its_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which the attempt waits for: else a throttled table would make a quick receiver slow."""
    noting, measured = threading.Event(), threading.Event()

    class Noting(threading.Timer):
        def cancel(self) -> None:
            """When the attempt has taken its time."""
            measured.set()

    def slowly(write: Callable[[], Any]) -> Any:
        if threading.current_thread() is threading.main_thread():
            return retrying(write)
        noting.set()
        assert measured.wait(60)
        world.monotonic += 5
        raise UnavailableError

    def answers() -> Any:
        assert noting.wait(60)
        return answering(200)()

    monkeypatch.setattr(health, "retrying", slowly)
    monkeypatch.setattr(health, "Timer", lambda _, note: Noting(0, note))
    subscription = begun(world, answers)

    one_attempt(world)

    assert delivery_of(subscription).attempts[0].duration_ms == 100
    assert subscription_now(subscription).pace == "quick"


# ---- attempts at the same time ---------------------------------------------------------------------------------------


def failing_now(world: World, subscription: Subscription) -> Callable[[], None]:
    """An attempt at another event, which fails, a second after it began."""
    event = an_event()
    other = deliveries.create(subscription, event_id=event["id"], event_type=event["type"], body="{}")
    trigger = deliveries.Trigger.of(other).message(world.now).content

    def fail() -> None:
        before = world.behaviours.get(host(subscription))
        world.behaviours[host(subscription)] = after_a_second(world, 500)
        assert world.handle(QUICK, trigger) == []
        world.behaviours[host(subscription)] = before or answering(200)

    return fail


def after_a_second(world: World, status: int) -> Behaviour:
    def answer() -> Any:
        world.now += timedelta(seconds=1)
        return answering(status)()

    return answer


CALLS = ["the subscription", "the claim", "the subscription again", "the outcome"]


@pytest.mark.parametrize("since", [None, timedelta(days=1)])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, len(CALLS) + 1))
def test_a_success_ends_the_failing_from_before_it_began_and_no_other(
    world: World, number: int, after: bool, since: timedelta | None
) -> None:
    """Another attempt fails, from its beginning to its end, before or after each call of one that succeeds."""
    subscription = begun(world, failing_since=since and clock.timestamp(world.now - since))
    (trigger,) = world.messages()
    fail = failing_now(world, subscription)
    world.behaviours[host(subscription)] = after_a_second(world, 200)

    with intercepted(between(number, fail, after=after)) as calls:
        world.handle(QUICK, trigger)

    assert calls
    is_older = (number, after) <= (2, True)
    now = subscription_now(subscription)
    if is_older:
        assert now.failing_since is None, f"it failed {'after' if after else 'before'} {CALLS[number - 1]}"
    elif since is None or (number, after) >= (4, True):
        assert now.failing_since is not None
    assert now.status == "active"


def test_a_failure_that_ends_while_a_success_is_under_way_is_remembered(world: World) -> None:
    subscription = begun(world)
    fail = failing_now(world, subscription)

    def succeeds_as_another_fails() -> Any:
        world.now += timedelta(seconds=1)
        fail()
        world.now += timedelta(seconds=1)
        return answering(200)()

    (trigger,) = world.messages()
    world.behaviours[host(subscription)] = succeeds_as_another_fails
    world.handle(QUICK, trigger)

    assert subscription_now(subscription).failing_since == "2026-01-01T00:00:02.000Z"


@pytest.mark.parametrize("status", [200, 500])
def test_what_an_attempt_found_is_not_said_of_another_receiver(world: World, status: int) -> None:
    subscription = begun(world, failing_since=clock.timestamp(world.now - timedelta(days=9)))

    def answers_as_it_is_edited() -> Any:
        fields = [Subscription.url.set("https://new.example/"), Subscription.version.add(1)]
        update_item(subscription, [*fields, Subscription.pace.remove(), Subscription.failing_since.remove()])
        return answering(status)()

    world.behaviours[host(subscription)] = answers_as_it_is_edited
    one_attempt(world)

    now = subscription_now(subscription)
    assert (now.status, now.pace, now.failing_since) == ("active", None, None)


@pytest.mark.parametrize("after", [False, True])
def test_what_an_attempt_found_is_said_of_one_whose_description_was_changed(world: World, after: bool) -> None:
    """Or a success would be forgotten, and the failing go on from before it."""
    subscription = begun(world, failing_since=clock.timestamp(world.now - timedelta(days=3)), pace="slow")
    (trigger,) = world.queues.pop(SLOW)

    def describe() -> None:
        update_item(subscription, [Subscription.description.set("Other"), Subscription.version.add(1)])

    with intercepted(between(3, describe, after=after)):
        world.handle(SLOW, trigger.body)

    now = subscription_now(subscription)
    assert (now.failing_since, now.pace, now.description, now.version) == (None, "quick", "Other", 2)


# ---- the quick and the slow -----------------------------------------------------------------------------------------


def test_a_slow_answer_moves_a_subscription_aside_and_a_quick_one_brings_it_back(world: World) -> None:
    subscription = begun(world, answering(500), answering(500), answering(200))
    world.takes[host(subscription)] = 3.0

    one_attempt(world)
    assert subscription_now(subscription).pace == "slow"
    assert len(world.messages(SLOW)) == 1
    one_attempt(world, SLOW)
    world.takes[host(subscription)] = 0.2
    one_attempt(world, SLOW)

    assert subscription_now(subscription).pace == "quick"
    assert delivery_of(subscription).status == "delivered"


def test_a_subscription_is_set_aside_while_its_slow_attempt_is_under_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "MAX_QUICK_SECONDS", 0.05)
    subscription = begun(world)
    meanwhile = []

    def slow() -> Any:
        meanwhile.append(wait_until(lambda: subscription_now(subscription).pace, lambda it: it == "slow"))
        return answering(200)()

    world.behaviours[host(subscription)] = slow
    one_attempt(world)

    assert meanwhile == ["slow"]
    assert delivery_of(subscription).status == "delivered"


def test_a_trigger_of_a_subscription_that_became_slow_is_moved_to_the_slow(world: World) -> None:
    subscription = begun(world)
    update_item(subscription, [Subscription.pace.set("slow")])
    (trigger,) = world.messages()

    one_attempt(world)

    assert world.posts == []
    assert world.messages(SLOW) == [trigger]
    assert world.queues[SLOW][0].group == subscription.id
    world.run()
    assert delivery_of(subscription).status == "delivered"


def test_of_a_subscription_that_nobody_knows_one_attempt_at_a_time_is_in_the_way_of_others(world: World) -> None:
    subscription, second = begun(world, pace=None), an_event()
    other = deliveries.create(subscription, event_id=second["id"], event_type=second["type"], body="{}")
    trigger = deliveries.Trigger.of(other).message(world.now).content
    posted_meanwhile = []

    def another_comes() -> Any:
        world.handle(QUICK, trigger)
        posted_meanwhile.append(len(world.posts))
        return answering(200)()

    world.behaviours[host(subscription)] = another_comes
    one_attempt(world)

    assert posted_meanwhile == [1]
    assert world.messages(SLOW) == [trigger]
    assert subscription_now(subscription).pace == "quick"


def test_an_attempt_to_get_to_know_a_subscription_that_was_cut_off_is_made_again(world: World) -> None:
    subscription = begun(world, pace=None, probed_until=milliseconds(world.now) - 1)

    one_attempt(world)

    assert len(world.posts_to(subscription)) == 1
