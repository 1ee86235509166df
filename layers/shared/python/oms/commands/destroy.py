"""Deletes a stage with all its data: `python -m oms.commands.destroy --stage S [--confirm S] [--prod]`.

It deletes the stack first, then the resources that the stack retains: tables, buckets, secrets and log groups. It finds
them in the stack's events, which CloudFormation keeps for 90 days after the deletion, so an interrupted run can be
repeated.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from oms.commands import stacks, web_acl
from oms.commands.closed_pipe import run_until_unread
from oms.commands.deployments import settings_of
from oms.commands.protect import protect
from oms.core import aws

POLL_SECONDS = 10
WAIT_SECONDS = 3600


class LeftError(Exception):
    """A resource cannot be deleted. The message says why."""


@dataclass(frozen=True)
class Resource:
    kind: str
    name: str


def stack_ids(stage: str) -> list[str]:
    """Returns the ids of the existing stack and of deleted stacks of this name.

    CloudFormation lists them for 90 days.
    """
    found = [stack["StackId"] for stack in [stacks.find_stack(stage)] if stack]
    pages = stacks.cloudformation().get_paginator("list_stacks").paginate(StackStatusFilter=["DELETE_COMPLETE"])
    deleted = (stack for page in pages for stack in page["StackSummaries"])
    return found + [stack["StackId"] for stack in deleted if stack["StackName"] == stacks.stack_of(stage)]


def retained(stack_id: str) -> Iterator[Resource]:
    """Yields the resources that the stack did not delete, including those that an update replaced or a rollback
    removed.
    """
    pages = stacks.cloudformation().get_paginator("describe_stack_events").paginate(StackName=stack_id)
    for event in (event for page in pages for event in page["StackEvents"]):
        if event.get("ResourceStatus") == "DELETE_SKIPPED" and event["ResourceType"] in DELETE:
            yield Resource(event["ResourceType"], event["PhysicalResourceId"])


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
            "which resource prevents it. Then run this command again."
        ) from error


def delete(resource: Resource) -> bool:
    """Deletes a resource. Returns whether it existed. Raises LeftError if it cannot be deleted."""
    try:
        return DELETE[resource.kind](resource.name) is not False
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ResourceNotFoundException", "NoSuchBucket", "ParameterNotFound"):
            return False
        raise LeftError(str(error)) from error
    except BotoCoreError as error:  # includes WaiterError
        raise LeftError(str(error)) from error


def _delete_table(name: str) -> None:
    dynamodb = aws.session().client("dynamodb")
    dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
    dynamodb.get_waiter("table_exists").wait(TableName=name)  # a table cannot be deleted during an update
    dynamodb.delete_table(TableName=name)


def _delete_bucket(name: str) -> None:
    s3 = aws.session().client("s3")
    # A caller with the right can bypass a lock in governance mode, but no caller can bypass one in compliance mode.
    bypass: Any = {"BypassGovernanceRetention": True} if _has_locks(s3, name) else {}
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        objects: list[Any] = [
            {"Key": version["Key"], "VersionId": version["VersionId"]}
            for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        ]
        if not objects:
            continue
        answer = s3.delete_objects(Bucket=name, Delete={"Objects": objects}, **bypass)
        if errors := answer.get("Errors"):
            until = _locked_until(s3, name, errors[0])
            raise LeftError(f"{len(errors)} of its objects are locked{until}; run this command again after that")
    s3.delete_bucket(Bucket=name)


def _has_locks(s3: Any, bucket: str) -> bool:
    """Returns whether the bucket has Object Lock. S3 refuses to bypass the locks of a bucket that has none."""
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
    # With recovery, the secret's name would stay in use for at least 7 days.
    aws.session().client("secretsmanager").delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def _delete_log_group(name: str) -> None:
    aws.session().client("logs").delete_log_group(logGroupName=name)


def _delete_vault(name: str) -> None:
    """Deletes a vault and its backups, which takes some minutes. Copies in other regions stay."""
    backup = aws.session().client("backup")
    pages = backup.get_paginator("list_recovery_points_by_backup_vault").paginate(BackupVaultName=name)
    points = [point["RecoveryPointArn"] for page in pages for point in page["RecoveryPoints"]]
    for point in points:
        backup.delete_recovery_point(BackupVaultName=name, RecoveryPointArn=point)
    if points:
        raise LeftError(f"its {len(points)} backups are being deleted; run this command again in some minutes")
    backup.delete_backup_vault(BackupVaultName=name)


def _delete_parameter(name: str) -> None:
    aws.session().client("ssm").delete_parameter(Name=name)


# Each may return False if the resource does not exist.
DELETE: dict[str, Callable[[str], bool | None]] = {
    "AWS::DynamoDB::GlobalTable": _delete_table,
    "AWS::S3::Bucket": _delete_bucket,
    "AWS::SecretsManager::Secret": _delete_secret,
    "AWS::Logs::LogGroup": _delete_log_group,
    "AWS::SSM::Parameter": _delete_parameter,
    "AWS::Backup::BackupVault": _delete_vault,
    "AWS::WAFv2::WebACL": web_acl.delete,
}


def destroy(stage: str, *, say: Callable[[str], None] = print, poll_seconds: float = POLL_SECONDS) -> int:
    """Deletes the stage. Returns the number of resources that are left. Skips resources that do not exist."""
    ids = stack_ids(stage)
    if stacks.find_stack(stage):
        say(f"Deleting the stack {stacks.stack_of(stage)}; this takes minutes …")
        delete_stack(stage, poll_seconds=poll_seconds)
    # `make keys` writes the parameter of the public keys, and `make deploy` the web ACL, so no stack has them. Without
    # a back office there is no ACL, and the operator may have no right to look for one in us-east-1.
    resources = [resource for stack_id in ids for resource in retained(stack_id)]
    resources.append(Resource("AWS::SSM::Parameter", f"/oms/{stage}/jwks"))
    if settings_of(stage).get("console"):
        resources.append(Resource("AWS::WAFv2::WebACL", web_acl.name_of(stage, stacks.region())))
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
    parser.add_argument("--confirm", default="", help="the stage's name, as confirmation without a prompt")
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
