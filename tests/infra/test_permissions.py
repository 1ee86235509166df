"""Permissions for EventBridge: on each target of a rule, and on the queue for undelivered events."""

from collections.abc import Iterator

import pytest

from tests.support.template import QUEUE, RULE, Synthesized, listed, named_in

EVENTBRIDGE = "events.amazonaws.com"


def targets(synthesized: Synthesized) -> Iterator[tuple[str, str]]:
    """Yields (rule, the resource that it calls or sends an event to)."""
    for rule, properties in synthesized.all(RULE).items():
        for target in properties["Targets"]:
            yield from ((rule, name) for name in named_in([target["Arn"], target.get("DeadLetterConfig", {})]))


def let_in(synthesized: Synthesized) -> Iterator[tuple[str, str]]:
    """Yields (rule, the resource that allows it)."""
    for permission in synthesized.all("AWS::Lambda::Permission").values():
        if (permission["Action"], permission["Principal"]) == ("lambda:InvokeFunction", EVENTBRIDGE):
            for rule in named_in(permission["SourceArn"]):
                yield from ((rule, name) for name in named_in(permission["FunctionName"]))
    for policy in synthesized.all("AWS::SQS::QueuePolicy").values():
        for statement in policy["PolicyDocument"]["Statement"]:
            allowed = statement["Effect"] == "Allow" and "sqs:SendMessage" in listed(statement["Action"])
            if allowed and statement["Principal"] == {"Service": EVENTBRIDGE}:
                (operator, condition), *others = statement["Condition"].items()
                assert operator in ("ArnEquals", "ArnLike", "StringEquals")
                assert not others
                for rule in named_in(condition["aws:SourceArn"]):
                    yield from ((rule, name) for name in named_in(policy["Queues"]))


@pytest.mark.parametrize("stage", ["prod", "dev", "local"])
def test_f28_each_target_of_a_rule_lets_exactly_that_rule_in(stage: str, request: pytest.FixtureRequest) -> None:
    synthesized: Synthesized = request.getfixturevalue(stage)
    called = set(targets(synthesized))

    assert len(called) > len(synthesized.all(RULE)), "some have a dead-letter queue too"
    assert {name for _, name in called} & synthesized.all(QUEUE).keys()
    assert called == set(let_in(synthesized))
