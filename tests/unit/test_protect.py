"""Termination protection: the requests to CloudFormation, and how its responses are read."""

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from oms.commands import stacks
from oms.commands.protect import is_protected, protect


@pytest.fixture
def cloudformation(monkeypatch: pytest.MonkeyPatch) -> Stubber:
    client = boto3.client(
        "cloudformation",
        region_name="eu-central-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="example",
    )
    monkeypatch.setattr(stacks, "cloudformation", lambda: client)
    return Stubber(client)


def described(*, protected: bool) -> dict[str, object]:
    stack = {"StackName": "Oms-dev", "CreationTime": "2026-01-31T00:00:00Z", "StackStatus": "CREATE_COMPLETE"}
    return {"Stacks": [{**stack, "EnableTerminationProtection": protected}]}


@pytest.mark.parametrize("protected", [True, False])
def test_a_stack_says_itself_whether_it_is_protected(cloudformation: Stubber, protected: bool) -> None:
    cloudformation.add_response("describe_stacks", described(protected=protected), {"StackName": "Oms-dev"})

    with cloudformation:
        assert is_protected("dev") is protected


def test_a_stack_that_does_not_exist_is_not_protected(cloudformation: Stubber) -> None:
    cloudformation.add_client_error("describe_stacks", "ValidationError", "Stack with id Oms-dev does not exist")

    with cloudformation:
        assert not is_protected("dev")


def test_where_aws_does_not_say_a_deployment_is_not_begun_as_if_nothing_was_protected(cloudformation: Stubber) -> None:
    cloudformation.add_client_error("describe_stacks", "AccessDenied", "not authorized to perform: DescribeStacks")

    with cloudformation, pytest.raises(ClientError, match="not authorized"):
        is_protected("dev")


def test_protecting_names_the_stack_of_the_stage(cloudformation: Stubber) -> None:
    cloudformation.add_response(
        "update_termination_protection", {}, {"StackName": "Oms-dev", "EnableTerminationProtection": True}
    )

    with cloudformation:
        protect("dev")
        cloudformation.assert_no_pending_responses()
