"""For commands that an operator runs: where they act, and what a deployed stage is made of, found by its stack."""

import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from oms.core import aws
from oms.core.errors import OmsError


@contextmanager
def acting_on(stage: str) -> Iterator[None]:
    """Prints account, region and stage to stderr first. What AWS refuses inside ends the process with one sentence."""
    try:
        print(f"Account {_account()}, region {region()}, stage {stage}", file=sys.stderr)
        yield
    except (BotoCoreError, ClientError, PynamoDBException, LookupError, OmsError) as error:
        why = getattr(error, "cause", None) or error  # PynamoDB's own message leaves it out
        raise SystemExit(f"Stage {stage!r} cannot be reached (is it deployed?): {why}") from error


def _account() -> str:
    try:
        return account_of(operator())
    except (BotoCoreError, ClientError) as error:
        raise SystemExit(f"AWS cannot be called as this terminal is set up: {error}") from error


def account_of(arn: str) -> str:
    return arn.split(":")[4]


def region() -> str:
    """The region that commands act in. Ends the process where none is set."""
    name = aws.session().region_name
    if not name:
        raise SystemExit(
            "No AWS region is set. Set AWS_REGION, as in AWS_REGION=eu-central-1, or name one in the AWS profile."
        )
    return name


def find_stack(stage: str) -> Any:
    """The stack as `describe_stacks` gives it, or None where there is none. ClientError where AWS does not say."""
    try:
        (stack,) = cloudformation().describe_stacks(StackName=stack_of(stage))["Stacks"]
    except ClientError as error:
        # CloudFormation has no code of its own for a stack that does not exist.
        if error.response["Error"]["Message"].endswith("does not exist"):
            return None
        raise
    return stack


def table_of(stage: str, domain: str) -> str:
    """The name of the table `Identity`, `Audit` … LookupError where the stack has none."""
    for resource in _resources(stage):
        if "DynamoDB" in resource["ResourceType"] and domain in resource["LogicalResourceId"]:
            return str(resource["PhysicalResourceId"])
    raise LookupError(f"the stack {stack_of(stage)} has no {domain.lower()} table")


def queues_of(stage: str) -> list[str]:
    """The URLs of all queues."""
    return physical_ids(stage, "AWS::SQS::Queue")


def physical_ids(stage: str, resource_type: str) -> list[str]:
    return [it["PhysicalResourceId"] for it in _resources(stage) if it["ResourceType"] == resource_type]


def outputs_of(stage: str) -> dict[str, str]:
    (stack,) = cloudformation().describe_stacks(StackName=stack_of(stage))["Stacks"]
    return {it["OutputKey"]: it["OutputValue"] for it in stack.get("Outputs", [])}


def api_url(stage: str) -> str:
    """API Gateway's own address of the stage. Ends the process where it is switched off."""
    url = outputs_of(stage).get("ApiUrl")
    if url is None:
        raise SystemExit(
            f"The stage {stage!r} has no address of API Gateway (its setting default_endpoint is false). "
            "Name your own, as in URL=https://api.shop.example."
        )
    return url


def output_of(stage: str, name: str) -> str | None:
    return outputs_of(stage).get(name)


def operator() -> str:
    """The ARN of the caller's AWS identity: the actor of its audit entries."""
    return str(aws.session().client("sts", region_name=region()).get_caller_identity()["Arn"])


def day(text: str) -> date:
    """A day from a command's arguments, YYYY-MM-DD."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not a date; write it as 2026-01-31") from error


def _resources(stage: str) -> Iterator[Any]:
    # Page by page: describe_stack_resources would stop at the hundredth.
    pages = cloudformation().get_paginator("list_stack_resources").paginate(StackName=stack_of(stage))
    return (resource for page in pages for resource in page["StackResourceSummaries"])


def cloudformation() -> Any:
    return aws.session().client("cloudformation")


def stack_of(stage: str) -> str:
    return f"Oms-{stage}"
