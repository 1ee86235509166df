"""Daily backups of all tables, copied to another region, against the loss of a table or a region."""

import aws_cdk as cdk
from aws_cdk import aws_backup as backup
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.checks import acknowledge
from infra.data import Data
from infra.stages import Stage


class Backups(Construct):
    """The backups of a stage with `backup_days`.

    This stack is in one region, so it does not contain the vault in the other region. An operator creates that once,
    with the same name.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, data: Data) -> None:
        super().__init__(scope, construct_id)
        kept = cdk.Duration.days(stage.backup_days or 0)
        name = f"oms-{stage.name}"
        vault = backup.BackupVault(
            self, "Vault", backup_vault_name=name, removal_policy=cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
        )
        plan = backup.BackupPlan(
            self,
            "Plan",
            backup_plan_name=name,
            backup_vault=vault,
            backup_plan_rules=[
                backup.BackupPlanRule(
                    rule_name="Daily",
                    schedule_expression=events.Schedule.cron(minute="0", hour="2"),
                    # The backups of all tables start within an hour. The stock check finds the differences between
                    # them.
                    start_window=cdk.Duration.hours(1),
                    completion_window=cdk.Duration.hours(12),
                    delete_after=kept,
                    copy_actions=self._copies(stage.backup_copy_region, name, kept),
                )
            ],
        )
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("backup.amazonaws.com"))
        role.add_managed_policy(
            iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AWSBackupServiceRolePolicyForBackup")
        )
        acknowledge(
            role,
            "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup]",
            "AWS Backup's own policy: AWS updates it with the actions that backups and copies need.",
        )
        plan.add_selection(
            "Tables", resources=[backup.BackupResource.from_dynamo_db_table(table) for table in data.all], role=role
        )

    def _copies(self, region: str | None, name: str, kept: cdk.Duration) -> list[backup.BackupPlanCopyActionProps]:
        if region is None:
            return []
        arn = cdk.Stack.of(self).format_arn(
            service="backup",
            region=region,
            resource="backup-vault",
            resource_name=name,
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        destination = backup.BackupVault.from_backup_vault_arn(self, "Copies", arn)
        return [backup.BackupPlanCopyActionProps(destination_backup_vault=destination, delete_after=kept)]
