"""An alarm reaches a person: alarm → action → topic → a policy that lets CloudWatch publish → subscription."""

from fnmatch import fnmatchcase
from typing import Any

import pytest

from tests.support.alarms import ACTIONS, ALARM
from tests.support.template import Resource, Synthesized

ACCOUNT = {"Ref": "AWS::AccountId"}
# The condition keys of a call by CloudWatch: AWS's services use TLS, and name the account that they act for.
REQUEST: dict[str, Any] = {"aws:SourceAccount": ACCOUNT, "aws:SecureTransport": "true"}


def holds(condition: dict[str, dict[str, Any]], request: dict[str, Any]) -> bool:
    """Whether every operator of the condition is met; an unknown operator fails the test."""
    for operator, wanted in condition.items():
        assert operator in ("StringEquals", "Bool"), f"{operator} is not evaluated by this test"
        if any(request.get(key) != value for key, value in wanted.items()):
            return False
    return True


def many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def applies(statement: dict[str, Any], *, service: str, topic: str, request: dict[str, Any]) -> bool:
    """Whether the statement applies to a call of `sns:Publish` by `service` on the topic."""
    assert {"NotPrincipal", "NotAction", "NotResource"}.isdisjoint(statement)
    principal = statement["Principal"]
    named = ["*"] if principal in ("*", {"AWS": "*"}) else many(principal.get("Service", []))
    return (
        any(name in ("*", service) for name in named)
        and any(fnmatchcase("sns:publish", action.lower()) for action in many(statement["Action"]))
        and any(resource in ({"Ref": topic}, "*") for resource in many(statement["Resource"]))
        and holds(statement.get("Condition", {}), request)
    )


def may_publish(stage: Synthesized, topic: str, service: str, request: dict[str, Any]) -> bool:
    """Whether AWS allows it: one Deny refuses, and without an Allow nothing is granted."""
    effects = {
        statement["Effect"]
        for policy in stage.all("AWS::SNS::TopicPolicy").values()
        if {"Ref": topic} in policy["Topics"]
        for statement in policy["PolicyDocument"]["Statement"]
        if applies(statement, service=service, topic=topic, request=request)
    }
    return effects == {"Allow"}


def actions(alarm: Resource) -> list[dict[str, str]]:
    return [action for kind in ACTIONS for action in alarm.get(kind, [])]


def test_cloudwatch_may_publish_to_every_topic_that_an_alarm_acts_on(prod: Synthesized, local: Synthesized) -> None:
    for stage in (prod, local):
        topics = set()
        for name, alarm in stage.all(ALARM).items():
            assert alarm.get("AlarmActions") or alarm.get("InsufficientDataActions"), f"{name} notifies no one"
            topics |= {action["Ref"] for action in actions(alarm)}

        assert topics == set(stage.all("AWS::SNS::Topic"))
        for topic in topics:
            assert may_publish(stage, topic, "cloudwatch.amazonaws.com", REQUEST)


@pytest.mark.parametrize(
    ("service", "request_of"),
    [
        ("cloudwatch.amazonaws.com", {**REQUEST, "aws:SourceAccount": "999999999999"}),
        ("cloudwatch.amazonaws.com", {**REQUEST, "aws:SecureTransport": "false"}),
        ("events.amazonaws.com", REQUEST),
    ],
)
def test_nothing_else_may_publish_to_the_topic(prod: Synthesized, service: str, request_of: dict[str, Any]) -> None:
    (topic,) = prod.all("AWS::SNS::Topic")

    assert not may_publish(prod, topic, service, request_of)


def test_the_topic_mails_the_person_that_the_stage_names(prod: Synthesized) -> None:
    (topic,) = prod.all("AWS::SNS::Topic")
    (subscription,) = prod.all("AWS::SNS::Subscription").values()

    assert subscription["TopicArn"] == {"Ref": topic}
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "ops@shop.example")


@pytest.mark.parametrize("stage", ["prod", "local"])
def test_an_alarm_hears_the_metrics_of_its_own_stage_alone(stage: str, request: pytest.FixtureRequest) -> None:
    synthesized: Synthesized = request.getfixturevalue(stage)
    emitted = {
        function["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"]
        for function in synthesized.functions().values()
    }
    heard = {alarm.get("Namespace", "") for alarm in synthesized.all(ALARM).values()}

    assert {it for it in heard if it and not it.startswith("AWS/")} == emitted == {f"Oms/{stage}"}
