"""One attempt at a time: claimed, sent, settled."""

import json
import re
import time
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from oms import clock
from oms.dynamodb import update_item
from oms.webhooks import deliveries, sending, vault
from oms.webhooks.deliveries import milliseconds
from oms.webhooks.models import Subscription
from oms.webhooks.signature import new_secret
from oms.webhooks.targets import ForbiddenTargetError
from tests.faults.injector import faults, lose_answer
from tests.functional.webhook_world import (
    QUICK,
    SLOW,
    Behaviour,
    World,
    answering,
    delivery_of,
    host,
    in_turn,
    silent,
    subscribe,
)
from tests.functional.webhooks import an_event, subscription_now

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

FOREVER = timedelta(days=30)


@pytest.fixture(autouse=True)
def no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 0.0)


def begun(world: World, *behaviours: Behaviour, **fields: Any) -> Subscription:
    """A subscription with one delivery that was put and nudged, and nothing sent."""
    subscription = subscribe(**fields)
    if behaviours:
        world.behaviours[host(subscription)] = in_turn(*behaviours)
    event = an_event()
    deliveries.nudge(
        [
            (
                subscription,
                deliveries.create(
                    subscription,
                    event_id=event["id"],
                    event_type=event["type"],
                    body=json.dumps(event, ensure_ascii=False),
                ),
            )
        ]
    )
    return subscription


def one_attempt(world: World, url: str = QUICK) -> None:
    """The queue brings the one nudge that is there."""
    (message,) = world.queues.pop(url)
    world.now = max(world.now, message.at)
    assert world.handle(url, message.body) == []


# ---- what is sent ---------------------------------------------------------------------------------------------------


def test_what_is_sent_is_signed_as_the_standard_says(world: World) -> None:
    subscription = begun(world)
    delivery = delivery_of(subscription)
    world.now = clock.from_seconds(time.time())  # the verifier has a clock of its own

    world.run(world.now)

    (post,) = world.posts_to(subscription)
    secret = vault.unseal(subscription.secret, subscription_id=subscription.id)
    assert Webhook(secret).verify(post.body, dict(post.headers)) == json.loads(delivery.body)
    assert post.id == delivery.event_id
    assert post.headers["Content-Type"] == "application/json"
    assert post.headers["User-Agent"] == "oms/0.1.0"


@pytest.mark.parametrize(("left", "signatures"), [(10, 2), (-10, 1)])
def test_a_rotated_secret_signs_beside_the_new_one_until_its_time(world: World, left: int, signatures: int) -> None:
    subscription, old = begun(world), new_secret()
    world.now = clock.from_seconds(time.time())
    sealed = vault.seal(old, subscription_id=subscription.id)
    until = int(world.now.timestamp()) + left
    update_item(subscription, [Subscription.previous_secret.set(sealed), Subscription.previous_until.set(until)])

    world.run(world.now)

    (post,) = world.posts_to(subscription)
    assert len(post.headers["webhook-signature"].split()) == signatures
    if signatures == 2:
        assert Webhook(old).verify(post.body, dict(post.headers))
    else:
        with pytest.raises(WebhookVerificationError):
            Webhook(old).verify(post.body, dict(post.headers))


# ---- outcomes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_success(world: World, status: int) -> None:
    subscription = begun(world, answering(status, body=b"thanks"))

    one_attempt(world)

    delivery = delivery_of(subscription)
    assert (delivery.status, delivery.made, delivery.due_at, delivery.due_key) == ("delivered", 1, None, None)
    (attempt,) = delivery.attempts
    assert (attempt.status_code, attempt.answer, attempt.error, attempt.duration_ms) == (status, "thanks", None, 100)
    assert attempt.at == clock.timestamp(world.now)
    assert world.messages() == []


@pytest.mark.parametrize("status", [199, 301, 302, 307, 400, 404, 429, 500, 503])
def test_anything_else_is_tried_again_after_five_seconds(world: World, status: int) -> None:
    subscription = begun(world, answering(status))

    one_attempt(world)

    delivery = delivery_of(subscription)
    again = world.now + timedelta(seconds=5)
    assert (delivery.status, delivery.made, delivery.due_at) == ("pending", 1, milliseconds(again))
    assert [it.at for it in world.queues[QUICK]] == [again]
    assert delivery.attempts[0].status_code == status


def test_no_answer_and_a_forbidden_address_are_failures_that_say_why(world: World) -> None:
    def forbidden() -> Any:
        raise ForbiddenTargetError("leads to an address that is not public")

    subscription = begun(world, silent, forbidden)

    one_attempt(world)
    one_attempt(world)

    assert [it.error for it in delivery_of(subscription).attempts] == [
        "no answer within 15 s",
        "leads to an address that is not public",
    ]


def test_a_url_that_is_taken_no_longer_is_a_failure_without_a_post(world: World) -> None:
    """As when the rule for addresses was tightened after the subscription was made."""
    subscription = begun(world, url="http://127.0.0.1:8000/")

    one_attempt(world)

    assert world.posts == []
    assert delivery_of(subscription).attempts[0].error == "must begin with https://"


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [("1", 5), ("60", 60), ("86400", 86400), ("99999999", 86400), ("Thu, 01 Jan 2026 00:10:00 GMT", 600), ("soon", 5)],
)
def test_retry_after_is_honoured_where_it_asks_for_more(world: World, retry_after: str, seconds: int) -> None:
    subscription = begun(world, answering(503, retry_after=retry_after))

    one_attempt(world)

    due = world.now + timedelta(seconds=seconds)
    assert delivery_of(subscription).due_at == milliseconds(due)
    assert [it.at for it in world.queues[QUICK]] == ([due] if seconds <= 900 else []), "the sweep's, beyond that"


def test_ten_attempts_are_made_and_no_more(world: World) -> None:
    subscription = begun(world, answering(500))

    world.run()

    delivery = delivery_of(subscription)
    assert (delivery.status, delivery.made, len(delivery.attempts), delivery.due_at) == ("failed", 10, 10, None)
    assert len(world.posts) == 10
    assert len({post.id for post in world.posts}) == 1
    assert len({post.body for post in world.posts}) == 1


def test_the_answer_is_kept_as_far_as_it_is_shown(world: World) -> None:
    subscription = begun(world, answering(500, body="é".encode() * 5000), answering(200, body=b"\xff\x00"))

    one_attempt(world)
    one_attempt(world)

    assert [it.answer for it in delivery_of(subscription).attempts] == ["é" * 1000, "�\x00"]


def test_the_latest_twenty_attempts_are_kept(world: World) -> None:
    subscription = begun(world, answering(500))
    for _ in range(3):
        world.run()
        update_item(subscription, [Subscription.failing_since.remove()])  # or five days of it disable
        deliveries.replay_one(subscription_now(subscription), delivery_of(subscription).id)
    first = world.now

    world.run()

    delivery = delivery_of(subscription)
    assert (len(world.posts), delivery.made, len(delivery.attempts)) == (40, 10, 20)
    assert [it.at for it in delivery.attempts[10:]] == [clock.timestamp(it.at) for it in world.posts[30:]]
    assert delivery.attempts[10].at == clock.timestamp(first)


# ---- the subscription's state ---------------------------------------------------------------------------------------


def test_410_disables_at_once(world: World) -> None:
    subscription = begun(world, answering(410))

    one_attempt(world)

    after = subscription_now(subscription)
    assert (after.status, after.disabled_reason, after.version) == ("disabled", "gone", 2)
    assert (after.updated_by, after.updated_by_role) == ("system", "system")
    assert after.updated_at == clock.timestamp(world.now)
    assert delivery_of(subscription).status == "failed"
    assert world.messages() == []


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
def test_five_days_of_failing_disable(world: World, failing_for: timedelta, status: str) -> None:
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
    assert (kept.status, kept.due_at, kept.made, len(kept.attempts)) == ("paused", None, 1, 1)
    assert len(world.posts) == 1


def test_a_subscription_that_was_deleted_gets_nothing_more(world: World) -> None:
    subscription = begun(world)
    subscription.delete()

    world.run()

    assert world.posts == []
    assert delivery_of(subscription).status == "paused"


def test_a_user_event_is_kept_from_the_subscription_of_who_is_no_admin_now(world: World) -> None:
    """A27: also where it is replayed, or was pending as they were dismissed."""
    subscription, event = subscribe(), an_event("user.locked")
    made = deliveries.create(subscription, event_id=event["id"], event_type="user.locked", body=json.dumps(event))
    deliveries.nudge([(subscription, made)])

    world.run()

    kept = delivery_of(subscription)
    assert (kept.status, kept.attempts) == ("paused", [])
    assert world.posts == []


# ---- nudges ---------------------------------------------------------------------------------------------------------


def test_a_nudge_that_comes_twice_is_one_attempt(world: World) -> None:
    subscription = begun(world, answering(500))
    (nudge,) = world.messages()

    world.handle(QUICK, nudge)
    world.now += timedelta(seconds=30)
    world.handle(QUICK, nudge)

    assert len(world.posts) == 1
    assert delivery_of(subscription).made == 1


def test_a_nudge_before_its_time_waits_for_it(world: World) -> None:
    subscription = begun(world)
    (nudge,) = world.messages()
    world.queues.clear()
    world.now -= timedelta(seconds=40)

    world.handle(QUICK, nudge)

    assert world.posts == []
    (message,) = world.queues[QUICK]
    assert (json.loads(message.body), message.at, message.group) == (
        nudge,
        world.now + timedelta(seconds=40),
        subscription.id,
    )


def test_a_claim_that_was_made_while_its_answer_was_lost_is_ones_own(world: World) -> None:
    subscription = begun(world)

    with faults(lose_answer("UpdateItem")):
        one_attempt(world)

    assert len(world.posts) == 1
    delivery = delivery_of(subscription)
    assert (delivery.status, delivery.made, len(delivery.attempts)) == ("delivered", 1, 1)


def test_an_outcome_that_was_written_while_its_answer_was_lost_is_written_once(world: World) -> None:
    subscription = begun(world, answering(500))

    with faults(lose_answer("UpdateItem", after=2)) as calls:
        one_attempt(world)

    assert [it.operation for it in calls].count("UpdateItem") == 4, "claim, failing_since, and the outcome twice"
    delivery = delivery_of(subscription)
    assert (delivery.made, len(delivery.attempts), delivery.attempts[0].status_code) == (1, 1, 500)
    assert [it["due_at"] for it in world.messages()] == [delivery.due_at]


def test_f18_an_attempt_that_was_cut_off_counts_and_the_next_follows_after_its_claim(world: World) -> None:
    class TimedOut(BaseException):
        """Lambda ends the process."""

    def cut_off() -> Any:
        raise TimedOut

    subscription = begun(world, cut_off, answering(200))
    start = world.now
    with pytest.raises(TimedOut):
        world.run()

    world.run()

    delivery = delivery_of(subscription)
    assert (delivery.status, delivery.made) == ("delivered", 2)
    assert [(it.error, it.status_code) for it in delivery.attempts] == [("interrupted", None), (None, 200)]
    # The claim holds for a minute; what is two minutes overdue then is swept with the next full one.
    assert [post.at - start for post in world.posts] == [timedelta(0), timedelta(minutes=4)]


def test_f18_a_last_attempt_that_was_cut_off_is_the_last(world: World) -> None:
    class TimedOut(BaseException):
        pass

    def cut_off() -> Any:
        raise TimedOut

    subscription = begun(world, *[answering(500)] * 9, cut_off)
    with pytest.raises(TimedOut):
        world.run()

    world.run()

    delivery = delivery_of(subscription)
    assert (delivery.status, delivery.made, len(world.posts)) == ("failed", 10, 10)
    assert delivery.attempts[-1].error == "interrupted"


def test_a_message_that_is_no_nudge_comes_back(world: World) -> None:
    assert world.handle(QUICK, {"subscription": "S"}) == ["0"]
    assert world.handle(QUICK, "{") == ["0"]


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
    monkeypatch.setattr(sending, "QUICK", 0.05)
    subscription = begun(world)
    meanwhile = []

    def slow() -> Any:
        time.sleep(0.5)
        meanwhile.append(subscription_now(subscription).pace)
        return answering(200)()

    world.behaviours[host(subscription)] = slow
    one_attempt(world)

    assert meanwhile == ["slow"]
    assert delivery_of(subscription).status == "delivered"


def test_a_nudge_of_a_subscription_that_became_slow_is_moved_to_the_slow(world: World) -> None:
    subscription = begun(world)
    update_item(subscription, [Subscription.pace.set("slow")])
    (nudge,) = world.messages()

    one_attempt(world)

    assert world.posts == []
    assert world.messages(SLOW) == [nudge]
    assert world.queues[SLOW][0].group == subscription.id
    world.run()
    assert delivery_of(subscription).status == "delivered"


def test_of_a_subscription_that_nobody_knows_one_attempt_at_a_time_is_in_the_way_of_others(world: World) -> None:
    subscription, second = begun(world, pace=None), an_event()
    other = deliveries.create(subscription, event_id=second["id"], event_type=second["type"], body="{}")
    nudge = deliveries.Nudge.of(other).message(world.now).content
    posted_meanwhile = []

    def another_comes() -> Any:
        world.handle(QUICK, nudge)
        posted_meanwhile.append(len(world.posts))
        return answering(200)()

    world.behaviours[host(subscription)] = another_comes
    one_attempt(world)

    assert posted_meanwhile == [1]
    assert world.messages(SLOW) == [nudge]
    assert subscription_now(subscription).pace == "quick"


def test_an_attempt_to_get_to_know_a_subscription_that_was_cut_off_is_made_again(world: World) -> None:
    subscription = begun(world, pace=None, probed_until=milliseconds(world.now) - 1)

    one_attempt(world)

    assert len(world.posts_to(subscription)) == 1


def test_a_known_subscription_that_does_well_costs_one_read_and_two_writes(world: World) -> None:
    begun(world)

    with faults() as calls:
        one_attempt(world)

    assert [it.operation for it in calls] == ["GetItem", "UpdateItem", "UpdateItem"]


def test_the_outcome_is_counted(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    begun(world, answering(500))
    one_attempt(world)
    one_attempt(world)
    world.handle(QUICK, {"subscription": "S", "delivery": "D" * 24, "due_at": 0})

    assert re.findall(r'"Delivery(\w+)":\s*\[1', capsys.readouterr().out) == ["Retried", "Retried", "Stale"]
