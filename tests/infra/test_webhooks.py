"""Deliveries: the queues between events and subscribers."""

from typing import Any

import pytest

from oms.core import retries
from oms.webhooks import deliveries, dispatch, health, overdue, post, sending
from tests.support.template import Synthesized, all_mappings

QUEUE = "AWS::SQS::Queue"
# The time of a call that begins in time, in seconds: to DynamoDB two connections and reads, to SQS three.
DYNAMODB_CALL = 2 * (1 + 2)
SQS_CALL = 3 * (1 + 5)
DELIVERIES = ("WebhooksDeliveries", "WebhooksSlowDeliveries")


def mapping_of(prod: Synthesized, queue: str) -> tuple[str, dict[str, Any]]:
    ((name, mapping),) = (
        (name, it) for name, it in all_mappings(prod) if it["EventSourceArn"]["Fn::GetAtt"][0][:-8] == queue
    )
    return name, mapping


def test_the_dispatcher_gets_every_event_of_the_bus(prod: Synthesized) -> None:
    rule = prod.one("AWS::Events::Rule", "EventsDispatchRule")

    assert rule["EventPattern"] == {"source": ["oms"]}
    assert mapping_of(prod, "EventsDispatch")[0] == "Dispatcher"


@pytest.mark.parametrize("queue", DELIVERIES)
def test_one_delivery_is_attempted_at_a_time_by_a_limited_number_of_senders_for_each_queue(
    prod: Synthesized, queue: str
) -> None:
    name, mapping = mapping_of(prod, queue)

    assert name == "Sender"
    assert (mapping["BatchSize"], mapping["ScalingConfig"]) == (1, {"MaximumConcurrency": 20})
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert "FifoQueue" not in prod.one(QUEUE, queue), "message groups are for fairness, not for order"


@pytest.mark.parametrize(
    ("queue", "function"), [*((it, "Sender") for it in DELIVERIES), ("WebhooksReplays", "Replayer")]
)
def test_f28_a_trigger_is_redelivered_after_its_function_is_gone_and_is_kept_for_a_day(
    prod: Synthesized, queue: str, function: str
) -> None:
    triggers = prod.one(QUEUE, queue)

    assert triggers["VisibilityTimeout"] >= 6 * prod.functions()[function]["Timeout"]
    assert triggers["MessageRetentionPeriod"] == 24 * 3600, "the sweep triggers again what is lost"
    assert triggers["RedrivePolicy"]["maxReceiveCount"] == 5
    assert mapping_of(prod, queue)[1]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_no_sender_lives_longer_than_its_claim_and_each_has_time_for_its_post(prod: Synthesized) -> None:
    seconds = prod.functions()["Sender"]["Timeout"]

    assert seconds <= deliveries.CLAIM_LEASE.total_seconds()
    # A call that begins in time ends within two connections and reads. Later calls are not made:
    # before the claim that costs no attempt. Marking a slow one meanwhile ends within the time of the post.
    assert (
        seconds
        >= sending.START_DEADLINE_SECONDS
        + DYNAMODB_CALL
        + post.TIMEOUT_SECONDS
        + sending.RESULT_DEADLINE_SECONDS
        + DYNAMODB_CALL
    )
    assert health.MAX_QUICK_SECONDS + retries._RETRY_SECONDS + DYNAMODB_CALL <= post.TIMEOUT_SECONDS


def test_the_dispatcher_has_time_to_trigger_its_deliveries_and_the_sweeper_to_end_its_round(prod: Synthesized) -> None:
    functions = prod.functions()

    assert functions["Dispatcher"]["Timeout"] >= dispatch.START_DEADLINE_SECONDS + DYNAMODB_CALL + SQS_CALL
    assert functions["Sweeper"]["Timeout"] >= overdue.START_DEADLINE_SECONDS + DYNAMODB_CALL + SQS_CALL
    assert functions["Sweeper"]["Timeout"] >= overdue.READ_DEADLINE_SECONDS + DYNAMODB_CALL


def test_functions_that_trigger_deliveries_know_both_queues(prod: Synthesized) -> None:
    environments = {name: function["Environment"]["Variables"] for name, function in prod.functions().items()}

    for setting in ("OMS_DELIVERY_QUEUE_URL", "OMS_SLOW_DELIVERY_QUEUE_URL"):
        assert {name for name, it in environments.items() if setting in it} == {
            "Webhooks",
            "Dispatcher",
            "Sender",
            "Replayer",
            "Sweeper",
        }
