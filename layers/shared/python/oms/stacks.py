"""For commands that an operator runs: what a deployed stage is made of, found through its stack by AWS credentials."""

from argparse import ArgumentTypeError
from collections.abc import Iterator
from datetime import date
from typing import Any

import boto3


def table_of(stage: str, domain: str) -> str:
    """The name of the table `Identity`, `Audit` … LookupError where the stack has none."""
    for resource in _resources(stage):
        if "DynamoDB" in resource["ResourceType"] and domain in resource["LogicalResourceId"]:
            return str(resource["PhysicalResourceId"])
    raise LookupError(f"the stack {_stack(stage)} has no {domain.lower()} table")


def queues_of(stage: str) -> list[str]:
    """The URLs of all queues."""
    return [it["PhysicalResourceId"] for it in _resources(stage) if it["ResourceType"] == "AWS::SQS::Queue"]


def outputs_of(stage: str) -> dict[str, str]:
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName=_stack(stage))["Stacks"]
    return {it["OutputKey"]: it["OutputValue"] for it in stack.get("Outputs", [])}


def output_of(stage: str, name: str) -> str | None:
    return outputs_of(stage).get(name)


def operator() -> str:
    """The ARN of whoever runs the command: the actor of its audit entries."""
    return str(boto3.client("sts").get_caller_identity()["Arn"])


def day(text: str) -> date:
    """A day that a command is given."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no day, as 2026-01-31 is one") from error


def _resources(stage: str) -> Iterator[Any]:
    # Page by page: describe_stack_resources would stop at the hundredth.
    pages = boto3.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=_stack(stage))
    return (resource for page in pages for resource in page["StackResourceSummaries"])


def _stack(stage: str) -> str:
    return f"Oms-{stage}"
