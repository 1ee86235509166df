"""The hook into botocore: what every test of calls, crashes and faults rests on."""

import boto3

from tests.support.aws_calls import Call, intercepted


def test_a_call_of_any_client_passes_the_hook_once() -> None:
    """Were botocore to rename `_make_api_call`, no test of crashes could fail any more: this one does."""
    with intercepted(lambda call: {"QueueUrl": call.parameters["QueueName"]}) as calls:
        answer = boto3.client("sqs").get_queue_url(QueueName="any")

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
