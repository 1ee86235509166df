"""Backups besides point-in-time recovery: of every table, daily, and in another region."""

import pytest

from infra.stages import Stage, StageError
from tests.infra.conftest import Synthesized


def test_every_table_is_in_the_daily_backup_that_is_copied_to_the_other_region(prod: Synthesized) -> None:
    plan = prod.one("AWS::Backup::BackupPlan", "BackupsPlan")["BackupPlan"]
    selection = prod.one("AWS::Backup::BackupSelection", "BackupsPlanTables")["BackupSelection"]
    (rule,) = plan["BackupPlanRule"]
    (copy,) = rule["CopyActions"]

    assert {it["Fn::GetAtt"][0] for it in selection["Resources"]} == set(prod.all("AWS::DynamoDB::GlobalTable"))
    assert rule["ScheduleExpression"] == "cron(0 2 * * ? *)"
    assert rule["Lifecycle"] == copy["Lifecycle"] == {"DeleteAfterDays": 90}
    vault = "".join(it if isinstance(it, str) else it["Ref"] for it in copy["DestinationBackupVaultArn"]["Fn::Join"][1])
    assert vault == "arn:AWS::Partition:backup:eu-west-1:AWS::AccountId:backup-vault:oms-prod"


def test_the_vault_and_its_content_outlive_the_stack(prod: Synthesized) -> None:
    (vault,) = (it for it in prod.template["Resources"].values() if it["Type"] == "AWS::Backup::BackupVault")

    assert vault["Properties"]["BackupVaultName"] == "oms-prod"
    assert vault["DeletionPolicy"] == "RetainExceptOnCreate"


def test_without_the_setting_there_is_no_backup(local: Synthesized) -> None:
    assert not any(it["Type"].startswith("AWS::Backup::") for it in local.template["Resources"].values())


@pytest.mark.parametrize(
    ("stage", "settings", "why"),
    [
        ("prod", {"backup_copy_region": "eu-west-1"}, "needs 'backup_days'"),
        ("prod", {"backup_days": 90, "backup_copy_region": "Ireland"}, "backup_copy_region"),
        ("prod", {"backup_days": 0}, "backup_days"),
        ("local", {"backup_days": 90}, "refused in 'local'"),
    ],
)
def test_a_backup_that_could_not_be_is_refused(stage: str, settings: dict[str, object], why: str) -> None:
    with pytest.raises(StageError, match=why):
        Stage.named(stage, settings)
