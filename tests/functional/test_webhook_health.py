"""The health of a subscription by its attempts: failing, gone or slow, and the effect on the next attempts."""

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from oms.core import clock
from oms.core.dynamodb import update_item
from oms.core.errors import UnavailableError
from oms.core.retries import retrying
from oms.webhooks import deliveries, health
from oms.webhooks.deliveries import milliseconds
from oms.webhooks.models import Subscription
from oms.webhooks.targets import ForbiddenTargetError
from tests.support.accounts import audit_entries
from tests.support.aws_calls import Call, intercepted
from tests.support.faults import between, reason_at
from tests.support.local_cloud.shop import wait_until
from tests.support.webhook_simulation import (
    QUICK,
    SLOW,
    Behaviour,
    WebhookSimulation,
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


def test_f20_410_disables_at_once(simulation: WebhookSimulation) -> None:
    subscription = begun(simulation, answering(410))

    one_attempt(simulation)

    after = subscription_now(subscription)
    assert (after.status, after.disabled_reason, after.version) == ("disabled", "gone", 2)
    assert (after.updated_by, after.updated_by_role) == ("system", "system")
    assert after.updated_at == clock.timestamp(simulation.now)
    assert delivery_of(subscription).status == "failed"
    assert simulation.messages() == []
    assert ends_audited() == [("system", f"webhook#{subscription.id}", {"reason": "gone"})]


def test_an_end_that_is_not_made_is_not_written_down_and_no_end_is_made_without(simulation: WebhookSimulation) -> None:
    subscription = begun(simulation, answering(410))
    entries = []

    def plan(call: Call) -> Any:
        if call.operation == "TransactWriteItems":
            entries.append(len(ends_audited()))
            raise reason_at(1, "TransactionConflict")(call)
        return call.send()

    (trigger,) = simulation.messages()
    with intercepted(plan):
        assert simulation.handle(QUICK, trigger) == ["0"]

    assert entries == [0] * 7
    assert (subscription_now(subscription).status, ends_audited()) == ("active", [])


def test_410_for_an_address_that_was_changed_meanwhile_disables_nothing_and_the_new_one_gets_the_event(
    simulation: WebhookSimulation,
) -> None:
    subscription = begun(simulation)

    def gone_while_edited() -> Any:
        update_item(subscription, [Subscription.version.add(1), Subscription.url.set("https://new.example/")])
        return answering(410)()

    simulation.behaviours[host(subscription)] = gone_while_edited
    one_attempt(simulation)

    assert (subscription_now(subscription).status, subscription_now(subscription).version) == ("active", 2)
    delivery = delivery_of(subscription)
    assert (delivery.status, delivery.attempts[0].status_code) == ("pending", 410)
    simulation.run()
    assert delivery_of(subscription).status == "delivered"
    assert [post.host for post in simulation.posts] == [host(subscription), "new.example"]


def test_410_of_one_that_was_paused_meanwhile_keeps_the_event_for_a_replay(simulation: WebhookSimulation) -> None:
    subscription = begun(simulation)

    def gone_while_paused() -> Any:
        update_item(subscription, [Subscription.version.add(1), Subscription.status.set("paused")])
        return answering(410)()

    simulation.behaviours[host(subscription)] = gone_while_paused
    simulation.run()

    assert subscription_now(subscription).status == "paused"
    assert (delivery_of(subscription).status, len(simulation.posts)) == ("paused", 1)


def test_the_first_failure_is_remembered_until_the_next_success(simulation: WebhookSimulation) -> None:
    subscription = begun(simulation, answering(500), answering(500), answering(200))
    first = clock.timestamp(simulation.now)

    one_attempt(simulation)
    assert subscription_now(subscription).failing_since == first
    one_attempt(simulation)
    assert subscription_now(subscription).failing_since == first, "the time of the first one stays"
    simulation.run()
    after = subscription_now(subscription)

    assert after.failing_since is None
    assert (after.status, after.version) == ("active", 1), "not an edit"


@pytest.mark.parametrize(("failing_for", "status"), [(timedelta(days=5), "disabled"), (timedelta(days=4.99), "active")])
def test_f20_five_days_of_failing_disable(simulation: WebhookSimulation, failing_for: timedelta, status: str) -> None:
    since = clock.timestamp(simulation.now - failing_for)
    subscription = begun(simulation, answering(500), failing_since=since)

    one_attempt(simulation)

    after = subscription_now(subscription)
    assert (after.status, after.failing_since) == (status, since)
    assert after.disabled_reason == ("failing" if status == "disabled" else None)
    kept = delivery_of(subscription)
    assert kept.status == ("paused" if status == "disabled" else "pending")
    assert kept.attempts[0].status_code == 500, "the attempt that disabled it is recorded too"


def test_a_success_that_came_meanwhile_keeps_it_active(simulation: WebhookSimulation) -> None:
    subscription = begun(simulation, failing_since=clock.timestamp(simulation.now - timedelta(days=9)))

    def fails_as_another_succeeds() -> Any:
        update_item(subscription, [Subscription.failing_since.remove()])
        return answering(500)()

    simulation.behaviours[host(subscription)] = fails_as_another_succeeds
    one_attempt(simulation)

    assert subscription_now(subscription).status == "active"


@pytest.mark.parametrize("status", ["paused", "disabled"])
def test_pending_deliveries_of_an_inactive_subscription_are_kept_for_a_replay(
    simulation: WebhookSimulation, status: str
) -> None:
    subscription = begun(simulation, answering(500))
    one_attempt(simulation)
    update_item(subscription, [Subscription.status.set(status)])

    simulation.run()

    kept = delivery_of(subscription)
    assert (kept.status, kept.due_at, kept.attempt_count, len(kept.attempts)) == ("paused", None, 1, 1)
    assert len(simulation.posts) == 1


def test_a_subscription_that_was_deleted_gets_nothing_more(simulation: WebhookSimulation) -> None:
    subscription = begun(simulation)
    subscription.delete()

    simulation.run()

    assert simulation.posts == []
    assert delivery_of(subscription).status == "paused"


def test_a27_a_user_event_is_withheld_from_the_subscription_of_a_former_admin(simulation: WebhookSimulation) -> None:
    """A27: also if it is replayed, or was pending when they lost the role."""
    subscription, event = subscribe(), an_event("user.locked")
    made = deliveries.create(subscription, event_id=event["id"], event_type="user.locked", body=json.dumps(event))
    deliveries.send_trigger([(subscription, made)])

    simulation.run()

    kept = delivery_of(subscription)
    assert (kept.status, kept.attempts) == ("paused", [])
    assert simulation.posts == []


def test_a_receiver_whose_name_leads_to_no_public_address_for_five_days_is_disabled(
    simulation: WebhookSimulation,
) -> None:
    """Nothing is sent, but the fault is the receiver's, whose name resolves to that address."""

    def forbidden() -> Any:
        raise ForbiddenTargetError("resolves to an address that is not public")

    subscription = begun(simulation, forbidden, failing_since=clock.timestamp(simulation.now - timedelta(days=5)))

    one_attempt(simulation)

    after = subscription_now(subscription)
    assert (after.status, after.disabled_reason) == ("disabled", "failing")


def test_the_write_that_marks_it_as_slow_is_no_part_of_its_time(
    simulation: WebhookSimulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt waits for that write: otherwise a throttled table would make a quick receiver slow."""
    noting, measured = threading.Event(), threading.Event()

    class Noting(threading.Timer):
        def cancel(self) -> None:
            """Ends the timer when the attempt has taken its time."""
            measured.set()

    def slowly(write: Callable[[], Any]) -> Any:
        if threading.current_thread() is threading.main_thread():
            return retrying(write)
        noting.set()
        assert measured.wait(60)
        simulation.monotonic += 5
        raise UnavailableError

    def answers() -> Any:
        assert noting.wait(60)
        return answering(200)()

    monkeypatch.setattr(health, "retrying", slowly)
    monkeypatch.setattr(health, "Timer", lambda _, note: Noting(0, note))
    subscription = begun(simulation, answers)

    one_attempt(simulation)

    assert delivery_of(subscription).attempts[0].duration_ms == 100
    assert subscription_now(subscription).pace == "quick"


# ---- attempts at the same time ---------------------------------------------------------------------------------------


def failing_now(simulation: WebhookSimulation, subscription: Subscription) -> Callable[[], None]:
    """Makes an attempt of another event, which fails a second after its start."""
    event = an_event()
    other = deliveries.create(subscription, event_id=event["id"], event_type=event["type"], body="{}")
    trigger = deliveries.Trigger.of(other).message(simulation.now).content

    def fail() -> None:
        before = simulation.behaviours.get(host(subscription))
        simulation.behaviours[host(subscription)] = after_a_second(simulation, 500)
        assert simulation.handle(QUICK, trigger) == []
        simulation.behaviours[host(subscription)] = before or answering(200)

    return fail


def after_a_second(simulation: WebhookSimulation, status: int) -> Behaviour:
    def answer() -> Any:
        simulation.now += timedelta(seconds=1)
        return answering(status)()

    return answer


CALLS = ["the subscription", "the claim", "the subscription again", "the outcome"]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, len(CALLS) + 1))
def test_a_success_ends_the_failing_from_before_it_began_and_no_other(
    simulation: WebhookSimulation, number: int, after: bool
) -> None:
    """Another attempt fails, from its start to its end, before or after each call of a successful one."""
    subscription = begun(simulation, failing_since=clock.timestamp(simulation.now - timedelta(days=1)))
    (trigger,) = simulation.messages()
    fail = failing_now(simulation, subscription)
    simulation.behaviours[host(subscription)] = after_a_second(simulation, 200)

    with intercepted(between(number, fail, after=after)) as calls:
        simulation.handle(QUICK, trigger)

    assert calls
    now = subscription_now(subscription)
    if (number, after) <= (2, True):
        assert now.failing_since is None, f"it failed {'after' if after else 'before'} {CALLS[number - 1]}"
    elif (number, after) >= (4, True):
        assert now.failing_since is not None
    assert now.status == "active"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, 4))
def test_a_success_of_a_working_subscription_ends_the_failing_from_before_it_was_read(
    simulation: WebhookSimulation, number: int, after: bool
) -> None:
    """Its calls are those of the subscription, the claim and the outcome. The next success ends the failing."""
    subscription = begun(simulation)
    (trigger,) = simulation.messages()
    fail = failing_now(simulation, subscription)
    simulation.behaviours[host(subscription)] = after_a_second(simulation, 200)

    with intercepted(between(number, fail, after=after)) as calls:
        simulation.handle(QUICK, trigger)

    assert calls
    assert (subscription_now(subscription).failing_since is None) == ((number, after) == (1, False))
    simulation.run()
    assert subscription_now(subscription).failing_since is None


def test_a_failure_that_ends_while_a_success_is_under_way_is_remembered(simulation: WebhookSimulation) -> None:
    subscription = begun(simulation)
    fail = failing_now(simulation, subscription)

    def succeeds_as_another_fails() -> Any:
        simulation.now += timedelta(seconds=1)
        fail()
        simulation.now += timedelta(seconds=1)
        return answering(200)()

    (trigger,) = simulation.messages()
    simulation.behaviours[host(subscription)] = succeeds_as_another_fails
    simulation.handle(QUICK, trigger)

    assert subscription_now(subscription).failing_since == "2026-01-01T00:00:02.000Z"


@pytest.mark.parametrize("status", [200, 500])
def test_the_findings_of_an_attempt_do_not_apply_to_another_receiver(
    simulation: WebhookSimulation, status: int
) -> None:
    subscription = begun(simulation, failing_since=clock.timestamp(simulation.now - timedelta(days=9)))

    def answers_as_it_is_edited() -> Any:
        fields = [Subscription.url.set("https://new.example/"), Subscription.version.add(1)]
        update_item(subscription, [*fields, Subscription.pace.remove(), Subscription.failing_since.remove()])
        return answering(status)()

    simulation.behaviours[host(subscription)] = answers_as_it_is_edited
    one_attempt(simulation)

    now = subscription_now(subscription)
    assert (now.status, now.pace, now.failing_since) == ("active", None, None)


@pytest.mark.parametrize("after", [False, True])
def test_the_findings_of_an_attempt_apply_after_a_change_of_the_description(
    simulation: WebhookSimulation, after: bool
) -> None:
    """Otherwise a success would be lost, and the subscription would stay failing."""
    subscription = begun(simulation, failing_since=clock.timestamp(simulation.now - timedelta(days=3)), pace="slow")
    (trigger,) = simulation.queues.pop(SLOW)

    def describe() -> None:
        update_item(subscription, [Subscription.description.set("Other"), Subscription.version.add(1)])

    with intercepted(between(3, describe, after=after)):
        simulation.handle(SLOW, trigger.body)

    now = subscription_now(subscription)
    assert (now.failing_since, now.pace, now.description, now.version) == (None, "quick", "Other", 2)


# ---- quick and slow subscriptions -----------------------------------------------------------------------------------


def test_a_slow_answer_moves_a_subscription_aside_and_a_quick_one_brings_it_back(simulation: WebhookSimulation) -> None:
    subscription = begun(simulation, answering(500), answering(500), answering(200))
    simulation.takes[host(subscription)] = 3.0

    one_attempt(simulation)
    assert subscription_now(subscription).pace == "slow"
    assert len(simulation.messages(SLOW)) == 1
    one_attempt(simulation, SLOW)
    simulation.takes[host(subscription)] = 0.2
    one_attempt(simulation, SLOW)

    assert subscription_now(subscription).pace == "quick"
    assert delivery_of(subscription).status == "delivered"


def test_a_subscription_is_marked_slow_while_its_slow_attempt_is_running(
    simulation: WebhookSimulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "MAX_QUICK_SECONDS", 0.05)
    subscription = begun(simulation)
    meanwhile = []

    def slow() -> Any:
        meanwhile.append(wait_until(lambda: subscription_now(subscription).pace, lambda it: it == "slow"))
        return answering(200)()

    simulation.behaviours[host(subscription)] = slow
    one_attempt(simulation)

    assert meanwhile == ["slow"]
    assert delivery_of(subscription).status == "delivered"


def test_a_trigger_of_a_subscription_that_became_slow_is_moved_to_the_slow(simulation: WebhookSimulation) -> None:
    subscription = begun(simulation)
    update_item(subscription, [Subscription.pace.set("slow")])
    (trigger,) = simulation.messages()

    one_attempt(simulation)

    assert simulation.posts == []
    assert simulation.messages(SLOW) == [trigger]
    assert simulation.queues[SLOW][0].group == subscription.id
    simulation.run()
    assert delivery_of(subscription).status == "delivered"


def test_a_subscription_of_unknown_pace_has_one_attempt_at_a_time_beside_the_quick_ones(
    simulation: WebhookSimulation,
) -> None:
    subscription, second = begun(simulation, pace=None), an_event()
    other = deliveries.create(subscription, event_id=second["id"], event_type=second["type"], body="{}")
    trigger = deliveries.Trigger.of(other).message(simulation.now).content
    posted_meanwhile = []

    def another_comes() -> Any:
        simulation.handle(QUICK, trigger)
        posted_meanwhile.append(len(simulation.posts))
        return answering(200)()

    simulation.behaviours[host(subscription)] = another_comes
    one_attempt(simulation)

    assert posted_meanwhile == [1]
    assert simulation.messages(SLOW) == [trigger]
    assert subscription_now(subscription).pace == "quick"


def test_an_attempt_to_get_to_know_a_subscription_that_was_cut_off_is_made_again(simulation: WebhookSimulation) -> None:
    subscription = begun(simulation, pace=None, probed_until=milliseconds(simulation.now) - 1)

    one_attempt(simulation)

    assert len(simulation.posts_to(subscription)) == 1
