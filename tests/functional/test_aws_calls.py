"""The hook into the clients of AWS, on which every test of calls, crashes and faults depends."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest

from oms.core.aws_json.client import Client
from tests.support.aws_calls import Call, intercepted


@pytest.mark.parametrize("make", [lambda: boto3.client("sqs"), lambda: Client("sqs", read_seconds=1, max_attempts=1)])
def test_a_call_of_any_client_passes_the_hook_once(make: Callable[[], Any]) -> None:
    """If botocore renames `_make_api_call`, tests of crashes can no longer fail; this one does."""
    with intercepted(lambda call: {"QueueUrl": call.parameters["QueueName"]}) as calls:
        answer = make().get_queue_url(QueueName="any")

    assert answer == {"QueueUrl": "any"}
    assert [(call.number, call.service, call.operation) for call in calls] == [(1, "sqs", "GetQueueUrl")]


def test_the_plan_that_began_last_decides_first_and_may_pass_the_call_on() -> None:
    decided: list[str] = []

    def first(_: Call) -> str:
        decided.append("first")
        return "answer"

    def last(call: Call) -> object:
        decided.append("last")
        return call.send()

    with intercepted(first), intercepted(last):
        answer = boto3.client("sqs").list_queues()

    assert (answer, decided) == ("answer", ["last", "first"])
