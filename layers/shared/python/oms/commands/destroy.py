"""Deletes a stage with all its data: `python -m oms.commands.destroy --stage S [--confirm S] [--prod]`.

The stack is deleted first, then the resources that it retains: tables, buckets, secrets and log groups. They are found
in the stack's events, which CloudFormation keeps for 90 days after the deletion. So an interrupted run can be repeated.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from oms.commands import stacks
from oms.commands.closed_pipe import run_until_unread
from oms.commands.protect import protect
from oms.core import aws

POLL_SECONDS = 10
WAIT_SECONDS = 3600


class LeftError(Exception):
    """A resource cannot be deleted; the message says why."""


@dataclass(frozen=True)
class Resource:
    kind: str
    name: str


def stack_ids(stage: str) -> list[str]:
    """The id of the existing stack, and of deleted ones of its name, which CloudFormation lists for 90 days."""
    found = [it["StackId"] for it in [stacks.find_stack(stage)] if it]
    pages = stacks.cloudformation().get_paginator("list_stacks").paginate(StackStatusFilter=["DELETE_COMPLETE"])
    deleted = (stack for page in pages for stack in page["StackSummaries"])
    return found + [it["StackId"] for it in deleted if it["StackName"] == stacks.stack_of(stage)]


def retained(stack_id: str) -> Iterator[Resource]:
    """The resources that the stack did not delete, also those that an update replaced or a rollback removed."""
    pages = stacks.cloudformation().get_paginator("describe_stack_events").paginate(StackName=stack_id)
    for it in (event for page in pages for event in page["StackEvents"]):
        if it.get("ResourceStatus") == "DELETE_SKIPPED" and it["ResourceType"] in DELETE:
            yield Resource(it["ResourceType"], it["PhysicalResourceId"])


def delete_stack(stage: str, *, poll_seconds: float = POLL_SECONDS) -> None:
    """Deletes the stack and waits for the end. Ends the process if CloudFormation cannot delete a resource."""
    cloudformation, stack = stacks.cloudformation(), stacks.find_stack(stage)
    protect(stage, on=False)
    cloudformation.delete_stack(StackName=stack["StackId"])
    attempts = int(WAIT_SECONDS / poll_seconds)
    waiter = cloudformation.get_waiter("stack_delete_complete")
    try:
        waiter.wait(StackName=stack["StackId"], WaiterConfig={"Delay": poll_seconds, "MaxAttempts": attempts})
    except WaiterError as error:
        raise SystemExit(
            f"The stack {stacks.stack_of(stage)} is not deleted: {error}. Its events in the CloudFormation console say "
            "which resource prevents it. Then run this again."
        ) from error


def delete(resource: Resource) -> bool:
    """Deletes a resource; returns whether it existed. Raises LeftError if it cannot be deleted."""
    try:
        DELETE[resource.kind](resource.name)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ResourceNotFoundException", "NoSuchBucket", "ParameterNotFound"):
            return False
        raise LeftError(str(error)) from error
    except BotoCoreError as error:  # includes WaiterError
        raise LeftError(str(error)) from error
    return True


def _delete_table(name: str) -> None:
    dynamodb = aws.session().client("dynamodb")
    dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
    dynamodb.get_waiter("table_exists").wait(TableName=name)  # a table cannot be deleted during an update
    dynamodb.delete_table(TableName=name)


def _delete_bucket(name: str) -> None:
    s3 = aws.session().client("s3")
    # With the right, a caller can bypass a lock in governance mode. No caller can bypass one in compliance mode.
    bypass: Any = {"BypassGovernanceRetention": True} if _has_locks(s3, name) else {}
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        objects: list[Any] = [
            {"Key": it["Key"], "VersionId": it["VersionId"]}
            for it in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        ]
        if not objects:
            continue
        answer = s3.delete_objects(Bucket=name, Delete={"Objects": objects}, **bypass)
        if errors := answer.get("Errors"):
            until = _locked_until(s3, name, errors[0])
            raise LeftError(f"{len(errors)} of its objects are locked{until}; run this again after that")
    s3.delete_bucket(Bucket=name)


def _has_locks(s3: Any, bucket: str) -> bool:
    """Whether the bucket has Object Lock. S3 refuses to bypass the locks of a bucket that has none."""
    try:
        s3.get_object_lock_configuration(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ObjectLockConfigurationNotFoundError":
            return False
        raise
    return True


def _locked_until(s3: Any, bucket: str, error: Any) -> str:
    try:
        lock = s3.get_object_retention(Bucket=bucket, Key=error["Key"], VersionId=error["VersionId"])
    except ClientError:
        return f" ({error['Code']})"
    return f", the first until {lock['Retention']['RetainUntilDate']:%Y-%m-%d}"


def _delete_secret(name: str) -> None:
    # Otherwise its name stays in use for at least 7 days.
    aws.session().client("secretsmanager").delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def _delete_log_group(name: str) -> None:
    aws.session().client("logs").delete_log_group(logGroupName=name)


def _delete_vault(name: str) -> None:
    """Deletes a vault and its backups, which takes AWS Backup some minutes. Copies in other regions stay."""
    backup = aws.session().client("backup")
    pages = backup.get_paginator("list_recovery_points_by_backup_vault").paginate(BackupVaultName=name)
    points = [it["RecoveryPointArn"] for page in pages for it in page["RecoveryPoints"]]
    for point in points:
        backup.delete_recovery_point(BackupVaultName=name, RecoveryPointArn=point)
    if points:
        raise LeftError(f"its {len(points)} backups are being deleted; run this again in some minutes")
    backup.delete_backup_vault(BackupVaultName=name)


def _delete_parameter(name: str) -> None:
    aws.session().client("ssm").delete_parameter(Name=name)


DELETE: dict[str, Callable[[str], None]] = {
    "AWS::DynamoDB::GlobalTable": _delete_table,
    "AWS::S3::Bucket": _delete_bucket,
    "AWS::SecretsManager::Secret": _delete_secret,
    "AWS::Logs::LogGroup": _delete_log_group,
    "AWS::SSM::Parameter": _delete_parameter,
    "AWS::Backup::BackupVault": _delete_vault,
}


def destroy(stage: str, *, say: Callable[[str], None] = print, poll_seconds: float = POLL_SECONDS) -> int:
    """Deletes the stage; returns the number of resources that are left. Skips those that are gone."""
    ids = stack_ids(stage)
    if stacks.find_stack(stage):
        say(f"Deleting the stack {stacks.stack_of(stage)}; this takes minutes …")
        delete_stack(stage, poll_seconds=poll_seconds)
    # The stack does not have the parameter of the public keys: `make keys` writes it.
    resources = [it for stack_id in ids for it in retained(stack_id)]
    resources.append(Resource("AWS::SSM::Parameter", f"/oms/{stage}/jwks"))
    left = 0
    for resource in dict.fromkeys(resources):
        try:
            if delete(resource):
                say(f"deleted {resource.kind} {resource.name}")
        except LeftError as error:
            say(f"LEFT    {resource.kind} {resource.name}: {error}")
            left += 1
    return left


def main() -> None:
    parser = stacks.stage_parser("Deletes the stack of a stage and all data that it retains.")
    parser.add_argument("--confirm", default="", help="the stage's name, instead of typing it")
    parser.add_argument(
        "--prod", action="store_true", help="required for the stage prod, in addition to the confirmation"
    )
    arguments = parser.parse_args()
    stage: str = arguments.stage
    if stage == "prod" and not arguments.prod:
        raise SystemExit("prod is not deleted without PROD=yes: its orders, accounts and audit log would be lost.")
    with stacks.acting_on(stage):
        if _confirmation(arguments.confirm, stage) != stage:
            raise SystemExit("Nothing was deleted.")
        left = destroy(stage)
    if left:
        raise SystemExit(f"{left} resources are left, as listed above.")
    print(f"All resources of the stage {stage!r} are deleted.")


def _confirmation(given: str, stage: str) -> str:
    if given or not sys.stdin.isatty():
        return given
    return input(
        f"All orders, accounts and products of {stage!r} will be deleted permanently. Type {stage} to continue: "
    )


if __name__ == "__main__":
    run_until_unread(main)
