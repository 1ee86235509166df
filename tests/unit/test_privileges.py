"""The checker of least privilege: the calls and grants that it accepts, and those that it reports."""

from typing import Any

import pytest

from tests.support.policies import Call, Grant, not_allowed, statements_of, unused
from tests.support.privileges import Exceptions, review

TABLE, BUCKET = "DataOrders1234ABCD", "AuditHeads1234ABCD"


def arn(name: str, behind: str = "") -> Any:
    at = {"Fn::GetAtt": [name, "Arn"]}
    return {"Fn::Join": ["", [at, behind]]} if behind else at


def template(*statements: dict[str, Any]) -> dict[str, Any]:
    """Returns a template of one function, Orders, with a policy of these statements, and a role of no function."""
    function = {
        "Handler": "orders.handler.lambda_handler",
        "Role": {"Fn::GetAtt": ["FunctionsOrdersRole12345678", "Arn"]},
    }
    policy = {
        "Roles": [{"Ref": "FunctionsOrdersRole12345678"}],
        "PolicyDocument": {"Statement": [{"Effect": "Allow", **it} for it in statements]},
    }
    others = {"Roles": [{"Ref": "SchedulesRole12345678"}], "PolicyDocument": {"Statement": []}}
    return {
        "Resources": {
            "FunctionsOrders12345678": {"Type": "AWS::Lambda::Function", "Properties": function},
            "FunctionsOrdersRolePolicy12345678": {"Type": "AWS::IAM::Policy", "Properties": policy},
            "SchedulesRolePolicy12345678": {"Type": "AWS::IAM::Policy", "Properties": others},
        }
    }


READ = {"Action": ["dynamodb:GetItem", "dynamodb:Query"], "Resource": [arn(TABLE), arn(TABLE, "/index/*")]}
APPEND = {
    "Action": "dynamodb:PutItem",
    "Resource": arn(TABLE),
    "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["day#*", "chain"]}},
}


def call(action: str, resource: str = f"<{TABLE}>", **context: str) -> Call:
    keys = {"leading": "dynamodb:LeadingKeys", "sender": "ses:FromAddress"}
    return Call("Orders", action, resource, tuple((keys[name], value) for name, value in context.items()))


def test_a_call_that_a_statement_allows_is_not_named() -> None:
    calls = [
        call("dynamodb:GetItem"),
        call("dynamodb:Query", f"<{TABLE}>/index/open"),
        call("dynamodb:PutItem", leading="day#…"),
        call("dynamodb:PutItem", leading="chain"),
    ]

    assert not_allowed(statements_of(template(READ, APPEND)), calls) == []


@pytest.mark.parametrize(
    "refused",
    [
        call("dynamodb:DeleteItem"),
        call("dynamodb:GetItem", "<DataAudit1234ABCD>"),
        Call("Inventory", "dynamodb:GetItem", f"<{TABLE}>"),
        call("dynamodb:PutItem", leading="links#…"),
    ],
    ids=["another action", "another table", "another function", "outside the leading keys"],
)
def test_a_call_that_no_statement_allows_is_named(refused: Call) -> None:
    allowed = call("dynamodb:Query")

    assert not_allowed(statements_of(template(READ, APPEND)), [allowed, refused]) == [refused]


def test_one_leading_key_outside_the_condition_is_enough_to_be_named() -> None:
    both = (("dynamodb:LeadingKeys", "day#…"), ("dynamodb:LeadingKeys", "links#…"))
    refused = Call("Orders", "dynamodb:PutItem", f"<{TABLE}>", both)

    assert not_allowed(statements_of(template(APPEND)), [refused]) == [refused]


def test_a_removed_grant_is_named_by_the_call_that_needed_it() -> None:
    calls = [call("dynamodb:GetItem"), call("dynamodb:Query")]
    without = {**READ, "Action": ["dynamodb:GetItem"]}

    assert not_allowed(statements_of(template(READ)), calls) == []
    assert not_allowed(statements_of(template(without)), calls) == [call("dynamodb:Query")]


def test_a_wildcard_ends_where_the_resource_does() -> None:
    put = {"Action": "s3:PutObject", "Resource": arn(BUCKET, "/heads/*")}
    inside, outside = (call("s3:PutObject", f"<{BUCKET}>/{key}") for key in ("heads/2026-01-01", "tails/1"))

    assert not_allowed(statements_of(template(put)), [inside, outside]) == [outside]


def test_an_equals_condition_needs_its_key() -> None:
    send = {
        "Action": "ses:SendEmail",
        "Resource": "identity/shop.example",
        "Condition": {"StringEquals": {"ses:FromAddress": "shop@shop.example"}},
    }
    own = call("ses:SendEmail", "identity/shop.example", sender="shop@shop.example")
    others = call("ses:SendEmail", "identity/shop.example", sender="ceo@shop.example")
    unsaid = call("ses:SendEmail", "identity/shop.example")

    assert not_allowed(statements_of(template(send)), [own, others, unsaid]) == [unsaid, others]


def test_an_action_that_no_call_used_is_named_once_for_a_table_and_its_indexes() -> None:
    statements = statements_of(template(READ, APPEND))
    calls = [call("dynamodb:Query", f"<{TABLE}>/index/open"), call("dynamodb:PutItem", leading="day#…")]

    assert unused(statements, calls) == [Grant("Orders", "dynamodb:GetItem", f"<{TABLE}>")]


def test_a_condition_without_a_rule_here_is_refused_rather_than_passed_over() -> None:
    conditioned = {**READ, "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}

    with pytest.raises(NotImplementedError, match="IpAddress"):
        not_allowed(statements_of(template(conditioned)), [call("dynamodb:GetItem")])


def review_of(calls: list[Call], exceptions: Exceptions) -> list[str]:
    return review(statements_of(template(READ, APPEND)), calls, exceptions).faults


def test_the_review_names_missing_grants_unused_grants_and_unused_reasons() -> None:
    calls = [call("dynamodb:GetItem"), call("dynamodb:DeleteItem")]
    exceptions = {("Orders", "dynamodb:Put*", "DataOrders"): "for the tests", ("*", "s3:*", "*"): "for a removed grant"}

    assert review_of(calls, exceptions) == [
        "not granted: Orders dynamodb:DeleteItem on DataOrders",
        "granted and never used: Orders dynamodb:Query on DataOrders",
        "a reason for a grant that is not there, or is used: * s3:* on *",
    ]


def test_the_review_is_silent_about_grants_that_are_used_or_have_a_reason() -> None:
    calls = [call("dynamodb:GetItem"), call("dynamodb:Query")]

    assert review_of(calls, {("Orders", "dynamodb:PutItem", "DataOrders"): "for the tests"}) == []
