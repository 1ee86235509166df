"""What a deployed stage is made of, for commands that an operator runs: found through its stack, by AWS credentials."""

import boto3


def table_of(stage: str, domain: str) -> str:
    """The name of the table `Identity`, `Audit` … LookupError where the stack has none."""
    # Page by page: describe_stack_resources would stop at the hundredth.
    pages = boto3.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=_stack(stage))
    for resource in (resource for page in pages for resource in page["StackResourceSummaries"]):
        if "DynamoDB" in resource["ResourceType"] and domain in resource["LogicalResourceId"]:
            return resource["PhysicalResourceId"]
    raise LookupError(f"the stack {_stack(stage)} has no {domain.lower()} table")


def output_of(stage: str, name: str) -> str | None:
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName=_stack(stage))["Stacks"]
    return next((it["OutputValue"] for it in stack.get("Outputs", []) if it["OutputKey"] == name), None)


def operator() -> str:
    """The ARN of whoever runs the command: the actor of its audit entries."""
    return str(boto3.client("sts").get_caller_identity()["Arn"])


def _stack(stage: str) -> str:
    return f"Oms-{stage}"
