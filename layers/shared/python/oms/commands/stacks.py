"""The stage of a command: command-line arguments, tables, and the resources of the CloudFormation stack."""

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from oms.core import aws
from oms.core.dynamodb import StoredItem, tables_named
from oms.core.errors import OmsError

DEPLOYED_STAGES = ("dev", "prod")
ALL_STAGES = ("local", *DEPLOYED_STAGES)


def stage_parser(description: str, *, stages: Sequence[str] = DEPLOYED_STAGES) -> ArgumentParser:
    """Returns a parser for a command's arguments, with the required option `--stage`."""
    parser = ArgumentParser(description=description)
    parser.add_argument("--stage", required=True, choices=stages)
    return parser


def parse_with_days(parser: ArgumentParser) -> Namespace:
    """Parses the options of the parser, and `--from` and `--to` into `first` and `last`: dates, or None if omitted."""
    parser.add_argument("--from", dest="first", type=day, help="first day, as 2026-01-31; default: the oldest")
    parser.add_argument("--to", dest="last", type=day, help="last day; default: the latest")
    arguments = parser.parse_args()
    if arguments.first and arguments.last and arguments.first > arguments.last:
        parser.error("--to is before --from")
    return arguments


@contextmanager
def acting_on(stage: str, tables: Mapping[type[StoredItem], str] | None = None) -> Iterator[None]:
    """Prints account, region and stage to stderr, then binds models to the stage's tables within the `with` block.

    `tables` has the domain of each model, as `{Order: "Orders"}`. An error of AWS within the block ends the process
    with one sentence.
    """
    try:
        print(f"Account {_account()}, region {region()}, stage {stage}", file=sys.stderr)
        with tables_named({model: table_of(stage, domain) for model, domain in (tables or {}).items()}):
            yield
    except (BotoCoreError, ClientError, PynamoDBException, LookupError, OmsError) as error:
        why = getattr(error, "cause", None) or error  # PynamoDB's own message omits the cause
        raise SystemExit(f"Stage {stage!r} cannot be reached (is it deployed?): {why}") from error


def _account() -> str:
    try:
        return account_of(operator())
    except (BotoCoreError, ClientError) as error:
        raise SystemExit(f"AWS cannot be called with this terminal's settings: {error}") from error


def account_of(arn: str) -> str:
    return arn.split(":")[4]


def region() -> str:
    """Returns the region in which commands act. Ends the process if none is set."""
    name = aws.session().region_name
    if not name:
        raise SystemExit(
            "No AWS region is set. Set AWS_REGION, as in AWS_REGION=eu-central-1, or set a region in the AWS profile."
        )
    return name


def find_stack(stage: str) -> Any:
    """Returns the stack as `describe_stacks` returns it, or None if it does not exist.

    Raises ClientError if AWS refuses.
    """
    try:
        (stack,) = cloudformation().describe_stacks(StackName=stack_of(stage))["Stacks"]
    except ClientError as error:
        # CloudFormation has no separate code for a stack that does not exist.
        if error.response["Error"]["Message"].endswith("does not exist"):
            return None
        raise
    return stack


def table_of(stage: str, domain: str) -> str:
    """Returns the name of the table of a domain, such as `Identity`. Raises LookupError if the stack has none."""
    name = find_table(stage, domain)
    if name is None:
        raise LookupError(f"the stack {stack_of(stage)} has no {domain.lower()} table")
    return name


def find_table(stage: str, domain: str) -> str | None:
    """Returns the name of the table of a domain; None if an earlier version deployed the stack, without the table."""
    for resource in _resources(stage):
        if "DynamoDB" in resource["ResourceType"] and domain in resource["LogicalResourceId"]:
            return str(resource["PhysicalResourceId"])
    return None


def queues_of(stage: str) -> list[str]:
    """Returns the URLs of all the stage's queues."""
    return physical_ids(stage, "AWS::SQS::Queue")


def physical_ids(stage: str, resource_type: str) -> list[str]:
    return [
        resource["PhysicalResourceId"] for resource in _resources(stage) if resource["ResourceType"] == resource_type
    ]


def outputs_of(stage: str) -> dict[str, str]:
    (stack,) = cloudformation().describe_stacks(StackName=stack_of(stage))["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def api_url(stage: str) -> str:
    """Returns the URL of the stage's API: of its distribution, if it has one, else of API Gateway.

    Ends the process if the stage has switched that off.
    """
    url = outputs_of(stage).get("ApiUrl")
    if url is None:
        raise SystemExit(
            f"The stage {stage!r} has no URL of API Gateway (its setting default_endpoint is false). "
            "Pass the stage's URL, as in URL=https://api.shop.example."
        )
    return url


def output_of(stage: str, name: str) -> str | None:
    return outputs_of(stage).get(name)


def operator() -> str:
    """Returns the ARN of the caller's AWS identity: the actor of its audit entries."""
    return str(aws.session().client("sts", region_name=region()).get_caller_identity()["Arn"])


def day(text: str) -> date:
    """Parses a command's argument in the form YYYY-MM-DD."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not a date; write it as 2026-01-31") from error


def _resources(stage: str) -> Iterator[Any]:
    # Not `describe_stack_resources`, which returns at most 100.
    pages = cloudformation().get_paginator("list_stack_resources").paginate(StackName=stack_of(stage))
    return (resource for page in pages for resource in page["StackResourceSummaries"])


def cloudformation() -> Any:
    return aws.session().client("cloudformation")


def stack_of(stage: str) -> str:
    return f"Oms-{stage}"
