"""Loops that Lambda would end: it counts how often a chain of messages comes back to the same function.

It follows Lambda, SQS, SNS and S3, and neither streams nor EventBridge, which do not pass the count on:
https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
"""

from collections import defaultdict
from typing import Any

import pytest

from tests.support.template import Synthesized, listed, named_in

FOLLOWED = {
    "AWS::SQS::Queue": {"sqs:SendMessage"},
    "AWS::SNS::Topic": {"sns:Publish"},
    "AWS::S3::Bucket": {"s3:PutObject"},
    "AWS::Lambda::Function": {"lambda:InvokeFunction"},
    "AWS::Lambda::Alias": {"lambda:InvokeFunction"},
}

type Edges = dict[str, set[str]]


def hands_on(synthesized: Synthesized) -> Edges:
    """Returns a function, queue, topic or bucket → the resources to which it can pass a chain of messages."""
    resources = synthesized.template["Resources"]
    edges: Edges = defaultdict(set)
    for function, what in synthesized.all("AWS::Lambda::Function").items():
        roles = named_in(what["Role"])
        for policy in synthesized.all("AWS::IAM::Policy").values():
            if roles & named_in(policy["Roles"]):
                edges[function] |= may_send(policy, resources)
    for mapping in synthesized.all("AWS::Lambda::EventSourceMapping").values():
        for source in named_in(mapping["EventSourceArn"]):
            if resources[source]["Type"] in FOLLOWED:
                edges[source] |= named_in(mapping["FunctionName"])
    for subscription in synthesized.all("AWS::SNS::Subscription").values():
        for topic in named_in(subscription["TopicArn"]):
            edges[topic] |= named_in(subscription["Endpoint"])
    for kind, properties in (
        ("AWS::S3::Bucket", "NotificationConfiguration"),
        ("AWS::Lambda::Alias", "FunctionName"),
    ):
        for name, what in synthesized.all(kind).items():
            edges[name] |= named_in(what.get(properties, []))
    return edges


def may_send(policy: dict[str, Any], resources: dict[str, Any]) -> set[str]:
    found = set()
    for statement in policy["PolicyDocument"]["Statement"]:
        actions = set(listed(statement["Action"]))
        for name in named_in(statement["Resource"]):
            kind = resources.get(name, {}).get("Type")
            if {action.removesuffix("Batch") for action in actions} & FOLLOWED.get(kind, set()):
                found.add(name)
    return found


def reached_from(start: str, edges: Edges) -> set[str]:
    found: set[str] = set()
    ahead = [*edges[start]]
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += edges.get(name, ())
    return found


@pytest.mark.parametrize("stage", ["prod", "dev", "local"])
def test_lambda_lets_a_chain_of_messages_come_back_to_the_functions_that_hand_on_to_themselves(
    stage: str, request: pytest.FixtureRequest
) -> None:
    synthesized: Synthesized = request.getfixturevalue(stage)
    edges = hands_on(synthesized)
    functions = synthesized.all("AWS::Lambda::Function")
    looping = {name for name in functions if name in reached_from(name, edges)}
    allowed = {name for name, it in functions.items() if it.get("RecursiveLoop") == "Allow"}

    assert {name.removeprefix("Functions")[:-8] for name in looping} >= {"Sender", "Replayer", "Exporter", "Verifier"}
    assert allowed == looping, "and of no other, so that an accidental loop ends"


def test_a_loop_through_another_function_is_found() -> None:
    edges: Edges = defaultdict(set, {"A": {"q"}, "q": {"B"}, "B": {"topic"}, "topic": {"A"}, "C": {"q"}})

    assert [it for it in ("A", "B", "C") if it in reached_from(it, edges)] == ["A", "B"]
