"""The attempts of the sender: claimed, sent and recorded."""

import json
import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from oms.core import clock
from oms.core.dynamodb import update_item
from oms.core.secret_store import Reloaded
from oms.webhooks import deliveries, secret_encryption
from oms.webhooks.deliveries import milliseconds
from oms.webhooks.models import Subscription
from oms.webhooks.schemas import DeliveryResponse
from oms.webhooks.signature import new_secret
from oms.webhooks.targets import ForbiddenTargetError
from tests.support.aws_calls import Call, Plan, intercepted
from tests.support.faults import failing, lose_answer, refuse
from tests.support.invocation import Person
from tests.support.webhook_simulation import (
    QUICK,
    WebhookSimulation,
    answering,
    begun,
    delivery_of,
    one_attempt,
    silent,
)
from tests.support.webhooks import subscription_now

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture(autouse=True)
def no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 0.0)


# ---- what is sent ---------------------------------------------------------------------------------------------------


def test_a_request_is_signed_as_the_standard_says(simulation: WebhookSimulation) -> None:
    subscription = begun(simulation)
    delivery = delivery_of(subscription)
    simulation.now = clock.from_seconds(time.time())  # the verifier has a clock of its own

    simulation.run(simulation.now)

    (post,) = simulation.posts_to(subscription)
    secret = secret_encryption.decrypt(subscription.secret, subscription_id=subscription.id)
    assert Webhook(secret).verify(post.body, dict(post.headers)) == json.loads(delivery.body)
    assert post.id == delivery.event_id
    assert post.headers["Content-Type"] == "application/json"
    assert post.headers["User-Agent"] == "oms/0.1.0"


@pytest.mark.parametrize(("left", "signatures"), [(10, 2), (-10, 1)])
def test_a22_a_rotated_secret_signs_beside_the_new_one_until_its_time(
    simulation: WebhookSimulation, left: int, signatures: int
) -> None:
    subscription, old = begun(simulation), new_secret()
    simulation.now = clock.from_seconds(time.time())
    sealed = secret_encryption.encrypt(old, subscription_id=subscription.id)
    until = int(simulation.now.timestamp()) + left
    update_item(subscription, [Subscription.previous_secret.set(sealed), Subscription.previous_until.set(until)])

    simulation.run(simulation.now)

    (post,) = simulation.posts_to(subscription)
    assert len(post.headers["webhook-signature"].split()) == signatures
    if signatures == 2:
        assert Webhook(old).verify(post.body, dict(post.headers))
    else:
        with pytest.raises(WebhookVerificationError):
            Webhook(old).verify(post.body, dict(post.headers))


def lose_key(subscription: Subscription) -> None:
    """Changes the secret as if the key that encrypted it had been removed."""
    update_item(subscription, [Subscription.secret.set(b"9." + subscription.secret[2:])])


def test_a_secret_that_cannot_be_decrypted_is_an_attempt_that_says_so_and_raises_an_alarm(
    simulation: WebhookSimulation, capsys: pytest.CaptureFixture[str]
) -> None:
    """Until an admin rotates the secret, before the next attempt."""
    subscription = begun(simulation)
    lose_key(subscription)

    one_attempt(simulation)

    assert simulation.posts == []
    delivery = delivery_of(subscription)
    assert (delivery.status, delivery.attempt_count) == ("pending", 1)
    assert [it.error for it in delivery.attempts] == ["the secret of the webhook cannot be decrypted"]
    assert re.findall(r'"WebhookSecretUnopened":\s*\[1', capsys.readouterr().out)
    update_item(subscription, [Subscription.secret.set(subscription.secret)])
    one_attempt(simulation)
    assert delivery_of(subscription).status == "delivered"


@pytest.mark.parametrize("failing_since", [None, "2025-12-01T00:00:00.000Z"])
@pytest.mark.parametrize("pace", [None, "quick", "slow"])
def test_a_secret_that_cannot_be_opened_says_nothing_of_its_subscription(
    simulation: WebhookSimulation, failing_since: str | None, pace: str | None
) -> None:
    """Nothing was sent, and the fault is this system's: it disables no webhook."""
    subscription = begun(simulation, failing_since=failing_since, pace=pace)
    lose_key(subscription)

    simulation.run()

    after = subscription_now(subscription)
    assert (after.status, after.failing_since, after.pace) == ("active", failing_since, pace)
    assert (delivery_of(subscription).status, delivery_of(subscription).attempt_count) == ("failed", 10)
    assert simulation.posts == []


def test_an_identity_table_that_cannot_be_read_costs_no_attempt(
    simulation: WebhookSimulation, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table shows whether the subscription's creator may still see events of users."""
    subscription = begun(simulation, event_type="user.locked", created_by=admin.id)
    (trigger,) = simulation.messages()

    with intercepted(refuse("BatchGetItem", failing("ThrottlingException"))):
        assert simulation.handle(QUICK, trigger) == ["0"]

    delivery = delivery_of(subscription)
    assert (delivery.status, delivery.attempt_count, delivery.attempts, simulation.posts) == ("pending", 0, [], [])
    simulation.run()
    delivery = delivery_of(subscription)
    assert (delivery.status, delivery.attempt_count, len(simulation.posts)) == ("delivered", 1, 1)


def test_a_replay_of_a_released_delivery_begins_its_attempts_again(
    simulation: WebhookSimulation, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscription = begun(simulation, event_type="user.locked", created_by=admin.id)
    (trigger,) = simulation.messages()

    def plan(call: Call) -> Any:
        if call.operation == "BatchGetItem":
            deliveries.replay_one(subscription, delivery_of(subscription).id)
            raise failing("ThrottlingException")(call)
        return call.send()

    with intercepted(plan):
        simulation.handle(QUICK, trigger)
    simulation.run()

    delivery = delivery_of(subscription)
    assert (delivery.status, delivery.attempt_count, len(simulation.posts)) == ("delivered", 1, 1)


def test_an_old_secret_that_cannot_be_opened_keeps_the_new_one_from_nothing(simulation: WebhookSimulation) -> None:
    until = int(simulation.now.timestamp()) + 10
    begun(simulation, previous_secret=b"9.x", previous_until=until)

    one_attempt(simulation)

    assert len(simulation.posts[0].headers["webhook-signature"].split()) == 1


def test_keys_that_cannot_be_had_now_cost_no_attempt(
    simulation: WebhookSimulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_keys() -> Any:
        raise EndpointConnectionError(endpoint_url="https://secrets.example")

    subscription = begun(simulation)
    (trigger,) = simulation.messages()
    monkeypatch.setattr(secret_encryption, "KEYS", Reloaded(no_keys))

    assert simulation.handle(QUICK, trigger) == ["0"]
    assert delivery_of(subscription).attempt_count == 0


# ---- outcomes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_success(simulation: WebhookSimulation, status: int) -> None:
    subscription = begun(simulation, answering(status, body=b"thanks"))

    one_attempt(simulation)

    delivery = delivery_of(subscription)
    assert (delivery.status, delivery.attempt_count, delivery.due_at, delivery.due_key) == ("delivered", 1, None, None)
    (attempt,) = delivery.attempts
    assert (attempt.status_code, attempt.answer, attempt.error, attempt.duration_ms) == (status, "thanks", None, 100)
    assert attempt.at == clock.timestamp(simulation.now)
    assert simulation.messages() == []


@pytest.mark.parametrize("status", [101, 301, 302, 307, 400, 404, 429, 500, 503])
def test_anything_else_is_tried_again_after_five_seconds(simulation: WebhookSimulation, status: int) -> None:
    subscription = begun(simulation, answering(status))

    one_attempt(simulation)

    delivery = delivery_of(subscription)
    again = simulation.now + timedelta(seconds=5)
    assert (delivery.status, delivery.attempt_count, delivery.due_at) == ("pending", 1, milliseconds(again))
    assert [it.at for it in simulation.queues[QUICK]] == [again]
    assert delivery.attempts[0].status_code == status


def test_a21_no_answer_and_a_forbidden_address_are_failures_that_say_why(simulation: WebhookSimulation) -> None:
    def forbidden() -> Any:
        raise ForbiddenTargetError("resolves to an address that is not public")

    subscription = begun(simulation, silent, forbidden)

    one_attempt(simulation)
    one_attempt(simulation)

    assert [it.error for it in delivery_of(subscription).attempts] == [
        "no response within 15 s",
        "resolves to an address that is not public",
    ]


def test_a_url_that_is_taken_no_longer_is_a_failure_without_a_post(simulation: WebhookSimulation) -> None:
    """As after a stricter rule for addresses than at the subscription's creation."""
    subscription = begun(simulation, url="http://127.0.0.1:8000/")

    one_attempt(simulation)

    assert simulation.posts == []
    assert delivery_of(subscription).attempts[0].error == "must begin with https://"


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [("1", 5), ("60", 60), ("86400", 86400), ("99999999", 86400), ("Thu, 01 Jan 2026 00:10:00 GMT", 600), ("soon", 5)],
)
def test_retry_after_is_honoured_where_it_asks_for_more(
    simulation: WebhookSimulation, retry_after: str, seconds: int
) -> None:
    subscription = begun(simulation, answering(503, retry_after=retry_after))

    one_attempt(simulation)

    due = simulation.now + timedelta(seconds=seconds)
    assert delivery_of(subscription).due_at == milliseconds(due)
    assert [it.at for it in simulation.queues[QUICK]] == ([due] if seconds <= 900 else []), "the sweep's, beyond that"


def test_f20_ten_attempts_are_made_and_no_more(simulation: WebhookSimulation) -> None:
    subscription = begun(simulation, answering(500))

    simulation.run()

    delivery = delivery_of(subscription)
    assert (delivery.status, delivery.attempt_count, len(delivery.attempts), delivery.due_at) == (
        "failed",
        10,
        10,
        None,
    )
    assert len(simulation.posts) == 10
    assert len({post.id for post in simulation.posts}) == 1
    assert len({post.body for post in simulation.posts}) == 1


def test_the_answer_is_kept_as_far_as_it_is_shown(simulation: WebhookSimulation) -> None:
    subscription = begun(simulation, answering(500, body="é".encode() * 5000), answering(200, body=b"\xff\x00"))

    one_attempt(simulation)
    one_attempt(simulation)

    assert [it.answer for it in delivery_of(subscription).attempts] == ["é" * 1000, "��"]


def test_the_latest_twenty_attempts_are_kept(simulation: WebhookSimulation) -> None:
    subscription = begun(simulation, answering(500))
    for _ in range(3):
        simulation.run()
        update_item(
            subscription, [Subscription.failing_since.remove()]
        )  # or five days of it would disable the subscription
        deliveries.replay_one(subscription_now(subscription), delivery_of(subscription).id)
    first = simulation.now

    simulation.run()

    delivery = delivery_of(subscription)
    assert (len(simulation.posts), delivery.attempt_count, len(delivery.attempts)) == (40, 10, 20)
    assert [it.at for it in delivery.attempts[10:]] == [clock.timestamp(it.at) for it in simulation.posts[30:]]
    assert delivery.attempts[10].at == clock.timestamp(first)


# ---- triggers -------------------------------------------------------------------------------------------------------


def test_a_trigger_that_comes_twice_is_one_attempt(simulation: WebhookSimulation) -> None:
    subscription = begun(simulation, answering(500))
    (trigger,) = simulation.messages()

    simulation.handle(QUICK, trigger)
    simulation.now += timedelta(seconds=30)
    simulation.handle(QUICK, trigger)

    assert len(simulation.posts) == 1
    assert delivery_of(subscription).attempt_count == 1


def test_a_trigger_before_its_time_waits_for_it(simulation: WebhookSimulation) -> None:
    subscription = begun(simulation)
    (trigger,) = simulation.messages()
    simulation.queues.clear()
    simulation.now -= timedelta(seconds=40)

    simulation.handle(QUICK, trigger)

    assert simulation.posts == []
    (message,) = simulation.queues[QUICK]
    assert (json.loads(message.body), message.at, message.group) == (
        trigger,
        simulation.now + timedelta(seconds=40),
        subscription.id,
    )


def test_a_claim_that_was_made_while_its_answer_was_lost_is_ones_own(simulation: WebhookSimulation) -> None:
    subscription = begun(simulation)

    with intercepted(lose_answer("UpdateItem")):
        one_attempt(simulation)

    assert len(simulation.posts) == 1
    delivery = delivery_of(subscription)
    assert (delivery.status, delivery.attempt_count, len(delivery.attempts)) == ("delivered", 1, 1)


def test_an_outcome_that_was_written_while_its_answer_was_lost_is_written_once(simulation: WebhookSimulation) -> None:
    subscription = begun(simulation, answering(500))

    with intercepted(lose_answer("UpdateItem", after=2)) as calls:
        one_attempt(simulation)

    assert [it.operation for it in calls].count("UpdateItem") == 5, "claim, failing_since, the outcome twice, its count"
    delivery = delivery_of(subscription)
    assert (delivery.attempt_count, len(delivery.attempts), delivery.attempts[0].status_code) == (1, 1, 500)
    assert [it["due_at"] for it in simulation.messages()] == [delivery.due_at]


def test_an_attempt_reads_in_progress_while_it_is_made_and_then_as_it_ended(simulation: WebhookSimulation) -> None:
    seen: list[Any] = []

    def look_meanwhile(status: int) -> Callable[[], Any]:
        def answer() -> Any:
            seen.append(shown(subscription))
            return answering(status)()

        return answer

    subscription = begun(simulation, look_meanwhile(500), look_meanwhile(204))
    simulation.run()

    first, second = seen
    assert first["attempts"][-1] | {"at": ""} == {
        "at": "",
        "status": "in_progress",
        "status_code": None,
        "duration_ms": None,
        "error": None,
        "answer": None,
    }
    assert (first["status"], first["next_attempt_at"]) == ("pending", None)
    assert [it["status"] for it in second["attempts"]] == ["failed", "in_progress"]
    assert [it["status"] for it in shown(subscription)["attempts"]] == ["failed", "succeeded"]


def test_f18_an_attempt_that_was_cut_off_reads_interrupted_once_its_claim_is_over(
    simulation: WebhookSimulation,
) -> None:
    class TimedOut(BaseException):
        """Lambda ends the process."""

    def cut_off() -> Any:
        raise TimedOut

    subscription = begun(simulation, cut_off, answering(200))
    with pytest.raises(TimedOut):
        simulation.run()
    within = shown(subscription)
    simulation.now += timedelta(seconds=61)
    after = shown(subscription)

    assert (within["attempts"][0]["status"], within["attempts"][0]["error"]) == ("in_progress", None)
    assert (after["attempts"][0]["status"], after["attempts"][0]["error"]) == ("interrupted", "interrupted")
    assert after["next_attempt_at"] is not None


def shown(subscription: Subscription) -> Any:
    """Returns the only delivery of a webhook, as routes show it to admins."""
    delivery = delivery_of(subscription)
    in_progress = deliveries.is_in_progress(delivery)
    return DeliveryResponse.of(delivery, in_progress=in_progress, reader="admin").model_dump()


def test_f18_an_attempt_that_was_cut_off_counts_and_the_next_follows_after_its_claim(
    simulation: WebhookSimulation,
) -> None:
    class TimedOut(BaseException):
        """Lambda ends the process."""

    def cut_off() -> Any:
        raise TimedOut

    subscription = begun(simulation, cut_off, answering(200))
    start = simulation.now
    with pytest.raises(TimedOut):
        simulation.run()

    simulation.run()

    delivery = delivery_of(subscription)
    assert (delivery.status, delivery.attempt_count) == ("delivered", 2)
    assert [(it.error, it.status_code) for it in delivery.attempts] == [("interrupted", None), (None, 200)]
    # The claim is valid for a minute; a delivery two minutes overdue is swept at the next full minute.
    assert [post.at - start for post in simulation.posts] == [timedelta(0), timedelta(minutes=4)]


def test_f18_a_last_attempt_that_was_cut_off_is_the_last(simulation: WebhookSimulation) -> None:
    class TimedOut(BaseException):
        pass

    def cut_off() -> Any:
        raise TimedOut

    subscription = begun(simulation, *[answering(500)] * 9, cut_off)
    with pytest.raises(TimedOut):
        simulation.run()

    simulation.run()

    delivery = delivery_of(subscription)
    assert (delivery.status, delivery.attempt_count, len(simulation.posts)) == ("failed", 10, 10)
    assert delivery.attempts[-1].error == "interrupted"


def test_a_message_that_is_no_trigger_comes_back(simulation: WebhookSimulation) -> None:
    assert simulation.handle(QUICK, {"subscription": "S"}) == ["0"]
    assert simulation.handle(QUICK, "{") == ["0"]


def test_a_known_subscription_that_does_well_costs_one_read_and_three_writes(simulation: WebhookSimulation) -> None:
    begun(simulation)

    with intercepted() as calls:
        one_attempt(simulation)

    assert [it.operation for it in calls] == ["GetItem", "UpdateItem", "UpdateItem", "UpdateItem"]
    assert calls[0].parameters["ConsistentRead"] is False, "which costs half a unit"


def lagging(item: Subscription | None) -> Plan:
    """Answers reads that are not consistent with an older state."""

    def answer(call: Call) -> Any:
        if call.operation == "GetItem" and not call.parameters["ConsistentRead"]:
            return {"Item": item.serialize()} if item else {}
        return call.send()

    return answer


def test_a_subscription_that_a_replica_does_not_have_yet_is_read_again(simulation: WebhookSimulation) -> None:
    subscription = begun(simulation)

    with intercepted(lagging(None)):
        one_attempt(simulation)

    assert delivery_of(subscription).status == "delivered"


@pytest.mark.parametrize("fields", [{"status": "paused"}, {"pace": None}])
def test_only_the_current_state_pauses_a_delivery_or_moves_it_to_slow_senders(
    simulation: WebhookSimulation, fields: dict[str, Any]
) -> None:
    subscription = begun(simulation)
    before = subscription_now(subscription)
    for name, value in fields.items():
        setattr(before, name, value)

    with intercepted(lagging(before)) as calls:
        one_attempt(simulation)

    assert delivery_of(subscription).status == "delivered"
    assert not any("probed_until" in str(it.parameters) for it in calls)


def test_an_attempt_in_the_second_after_a_change_may_be_made_as_before_it(simulation: WebhookSimulation) -> None:
    """Pausing or deleting a webhook does not end attempts that have started, nor those of about the next second."""
    subscription = begun(simulation, answering(500), answering(200))
    before = subscription_now(subscription)
    update_item(subscription, [Subscription.status.set("paused")])

    with intercepted(lagging(before)):
        one_attempt(simulation)
    assert len(simulation.posts) == 1
    simulation.run()

    assert len(simulation.posts) == 1
    assert delivery_of(subscription).status == "paused"


def test_a_stale_trigger_costs_a_read_and_a_write(simulation: WebhookSimulation) -> None:
    begun(simulation)
    (trigger,) = simulation.messages()
    one_attempt(simulation)

    with intercepted() as calls:
        simulation.handle(QUICK, trigger)

    assert [it.operation for it in calls] == ["GetItem", "UpdateItem"]


def test_the_outcome_is_counted(simulation: WebhookSimulation, capsys: pytest.CaptureFixture[str]) -> None:
    begun(simulation, answering(500))
    one_attempt(simulation)
    one_attempt(simulation)
    simulation.handle(QUICK, {"subscription": "S", "delivery": "D" * 24, "due_at": 0})

    assert re.findall(r'"Delivery(\w+)":\s*\[1', capsys.readouterr().out) == ["Retried", "Retried", "Stale"]
