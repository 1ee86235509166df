"""Finds resources outside a new stack whose names the stack needs: secrets, the event bus, the schedule group, …"""

from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from oms.commands.deployments import PlannedDeployment
from oms.core import aws

type TakenName = tuple[str, str]
"""An existing resource whose name the stack needs, and the command that removes it."""


def _secrets(deployment: PlannedDeployment) -> Iterator[TakenName]:
    """Yields secrets with needed names, including deleted ones, which keep their names for 7 to 30 days."""
    pages = aws.session().client("secretsmanager").get_paginator("list_secrets")
    filters: Any = [{"Key": "name", "Values": [f"oms/{deployment.stage}/"]}]
    for page in pages.paginate(IncludePlannedDeletion=True, Filters=filters):
        for secret in page["SecretList"]:
            state = " (scheduled for deletion)" if "DeletedDate" in secret else ""
            command = f"aws secretsmanager delete-secret --force-delete-without-recovery --secret-id {secret['Name']}"
            yield f"the secret {secret['Name']}{state}", command


def _event_bus(deployment: PlannedDeployment) -> Iterator[TakenName]:
    name = f"oms-{deployment.stage}"
    if _exists(lambda: aws.session().client("events").describe_event_bus(Name=name)):
        yield f"the event bus {name}", f"aws events delete-event-bus --name {name}"


def _schedule_group(deployment: PlannedDeployment) -> Iterator[TakenName]:
    name = f"oms-{deployment.stage}"
    if _exists(lambda: aws.session().client("scheduler").get_schedule_group(Name=name)):
        yield f"the schedule group {name}", f"aws scheduler delete-schedule-group --name {name}"


def _configuration_set(deployment: PlannedDeployment) -> Iterator[TakenName]:
    name = f"oms-{deployment.stage}"
    if deployment.settings.get("mail_from") and _exists(
        lambda: aws.session().client("sesv2").get_configuration_set(ConfigurationSetName=name)
    ):
        command = f"aws sesv2 delete-configuration-set --configuration-set-name {name}"
        yield f"the SES configuration set {name}", command


def _backup_vault(deployment: PlannedDeployment) -> Iterator[TakenName]:
    name = f"oms-{deployment.stage}"
    if deployment.settings.get("backup_days") is None:
        return
    # Reads the list, since DescribeBackupVault answers AccessDenied for a vault that does not exist.
    pages = aws.session().client("backup").get_paginator("list_backup_vaults").paginate()
    if any(vault["BackupVaultName"] == name for page in pages for vault in page["BackupVaultList"]):
        yield f"the backup vault {name}", f"aws backup delete-backup-vault --backup-vault-name {name}"


NAMES: dict[str, Callable[[PlannedDeployment], Iterator[TakenName]]] = {
    "secrets": _secrets,
    "event bus": _event_bus,
    "schedule group": _schedule_group,
    "SES configuration set": _configuration_set,
    "backup vault": _backup_vault,
}


def _exists(describe: Callable[[], object]) -> bool:
    try:
        describe()
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ResourceNotFoundException", "NotFoundException"):
            return False
        raise
    return True
