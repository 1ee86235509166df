"""Deleting a stage: its confirmations. The local cloud tests which resources are deleted, and in which order."""

import io
import re
from datetime import UTC, datetime

import pytest

from oms.commands import destroy
from tests.support.aws_answers import AwsAnswers, RefusedError

GONE = RefusedError("ValidationError", "Stack with id Oms-dev does not exist")


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> AwsAnswers:
    return AwsAnswers(
        monkeypatch,
        {
            "sts.GetCallerIdentity": {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/ada"},
            "cloudformation.DescribeStacks": GONE,
            "cloudformation.ListStacks": {"StackSummaries": []},
            "ssm.DeleteParameter": RefusedError("ParameterNotFound"),
            "s3.GetObjectLockConfiguration": RefusedError("ObjectLockConfigurationNotFoundError"),
        },
    )


def skipped(kind: str, name: str) -> dict[str, str]:
    return {
        "StackId": "arn:dev",
        "StackName": "Oms-dev",
        "EventId": name,
        "Timestamp": "2026-01-31T00:00:00Z",
        "PhysicalResourceId": name,
        "ResourceType": kind,
        "ResourceStatus": "DELETE_SKIPPED",
    }


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    monkeypatch.setattr("sys.argv", ["destroy", *arguments])
    try:
        destroy.main()
    except SystemExit as end:
        return str(end)
    return ""


def test_prod_is_refused_without_an_explicit_extra(account: AwsAnswers, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "PROD=yes" in run(monkeypatch, "--stage", "prod", "--confirm", "prod")
    assert account.calls == []

    assert run(monkeypatch, "--stage", "prod", "--confirm", "prod", "--prod") == ""


@pytest.mark.parametrize("confirmation", ["", "prod", "yes"])
def test_nothing_is_deleted_without_the_stages_name(
    account: AwsAnswers, monkeypatch: pytest.MonkeyPatch, confirmation: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("dev\n"))  # no terminal, so no answer to a question

    assert run(monkeypatch, "--stage", "dev", "--confirm", confirmation) == "Nothing was deleted."

    assert {name for name, _ in account.calls} == {"sts.GetCallerIdentity"}


@pytest.mark.parametrize(("typed", "end"), [("dev", ""), ("de", "Nothing was deleted.")])
def test_in_a_terminal_the_command_asks_for_the_stages_name(
    account: AwsAnswers, monkeypatch: pytest.MonkeyPatch, typed: str, end: str
) -> None:
    terminal = io.StringIO(f"{typed}\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)

    assert run(monkeypatch, "--stage", "dev") == end


def test_a_web_acl_is_looked_for_only_if_the_stage_has_a_back_office(
    account: AwsAnswers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account.answers["wafv2.ListWebACLs"] = RefusedError("AccessDeniedException", "may not list")

    monkeypatch.setattr(destroy, "settings_of", lambda _: {"public_url": "https://shop.example"})
    assert run(monkeypatch, "--stage", "dev", "--confirm", "dev") == ""
    assert account.called("wafv2.ListWebACLs") == []

    monkeypatch.setattr(destroy, "settings_of", lambda _: {"console": True})
    assert run(monkeypatch, "--stage", "dev", "--confirm", "dev") == "1 resources are left, as listed above."
    assert "may not list" in capsys.readouterr().out


def test_a_resource_that_cannot_be_deleted_is_named_and_ends_no_other_deletion(
    account: AwsAnswers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = {"StackName": "Oms-dev", "StackStatus": "DELETE_COMPLETE", "CreationTime": "2026-01-31T00:00:00Z"}
    other = {**gone, "StackName": "Oms-prod", "StackId": "arn:prod"}
    account.answers |= {
        "cloudformation.ListStacks": {"StackSummaries": [other, {**gone, "StackId": "arn:dev"}]},
        "cloudformation.DescribeStackEvents": {
            "StackEvents": [
                skipped("AWS::S3::Bucket", "heads"),
                skipped("AWS::Logs::LogGroup", "forbidden"),
                skipped("AWS::DynamoDB::GlobalTable", "unseen"),
                skipped("AWS::Logs::LogGroup", "gone-already"),
                skipped("AWS::SecretsManager::Secret", "oms/dev/pepper"),
                skipped("AWS::Backup::BackupVault", "full"),
                skipped("AWS::Backup::BackupVault", "empty"),
            ]
        },
        "s3.GetObjectLockConfiguration": {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}},
        "s3.ListObjectVersions": {"Versions": [{"Key": "heads/1", "VersionId": "1"}]},
        "s3.DeleteObjects": {"Errors": [{"Key": "heads/1", "VersionId": "1", "Code": "AccessDenied"}]},
        "s3.GetObjectRetention": {
            "Retention": {"Mode": "COMPLIANCE", "RetainUntilDate": datetime(2027, 11, 30, tzinfo=UTC)}
        },
        "logs.DeleteLogGroup": lambda it: RefusedError(
            "ResourceNotFoundException" if it["logGroupName"] == "gone-already" else "AccessDeniedException"
        ),
        "dynamodb.UpdateTable": {},
        "dynamodb.DescribeTable": RefusedError("AccessDeniedException"),
        "secretsmanager.DeleteSecret": {},
        "backup.ListRecoveryPointsByBackupVault": lambda it: {
            "RecoveryPoints": [{"RecoveryPointArn": "arn:1"}] if it["BackupVaultName"] == "full" else []
        },
        "backup.DeleteRecoveryPoint": {},
        "backup.DeleteBackupVault": {},
    }

    assert run(monkeypatch, "--stage", "dev", "--confirm", "dev") == "4 resources are left, as listed above."

    said = capsys.readouterr().out.splitlines()
    assert [line[:7].strip() for line in said] == ["LEFT", "LEFT", "LEFT", "deleted", "LEFT", "deleted"]
    assert "1 of its objects are locked, the first until 2027-11-30" in said[0]
    assert "AccessDeniedException" in said[1]
    assert "Waiter TableExists failed" in said[2]
    assert "its 1 backups are being deleted; run this command again" in said[4]
    assert account.called("cloudformation.DescribeStackEvents") == [{"StackName": "arn:dev"}]
    assert account.called("secretsmanager.DeleteSecret")[0]["ForceDeleteWithoutRecovery"] is True


def test_the_stack_is_deleted_first_and_its_data_when_nothing_uses_them(
    account: AwsAnswers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = {"StackName": "Oms-dev", "StackId": "arn:dev", "CreationTime": "2026-01-31T00:00:00Z"}
    live, gone = {**stack, "StackStatus": "CREATE_COMPLETE"}, {**stack, "StackStatus": "DELETE_COMPLETE"}

    def describe(params: dict[str, str]) -> dict[str, list[dict[str, str]]] | RefusedError:
        deleted = account.called("cloudformation.DeleteStack")
        if deleted and params["StackName"] == "Oms-dev":
            return GONE
        return {"Stacks": [gone if deleted else live]}

    account.answers |= {
        "cloudformation.DescribeStacks": describe,
        "cloudformation.UpdateTerminationProtection": {},
        "cloudformation.DeleteStack": {},
        "cloudformation.DescribeStackEvents": {
            "StackEvents": [
                skipped("AWS::DynamoDB::GlobalTable", "orders"),
                skipped("AWS::S3::Bucket", "exports"),
                skipped("AWS::S3::Bucket", "exports"),
                skipped("AWS::SNS::Topic", "not-ours-to-delete"),
            ]
        },
        "dynamodb.UpdateTable": {},
        "dynamodb.DescribeTable": {"Table": {"TableStatus": "ACTIVE"}},
        "dynamodb.DeleteTable": {},
        "s3.ListObjectVersions": {"DeleteMarkers": [{"Key": "a.csv", "VersionId": "2"}]},
        "s3.DeleteObjects": {},
        "s3.DeleteBucket": {},
        "ssm.DeleteParameter": {},
    }

    assert run(monkeypatch, "--stage", "dev", "--confirm", "dev") == ""

    changes = [name.split(".")[1] for name, _ in account.calls if re.search(r"\.(Update|Delete)", name)]
    assert changes == [
        "UpdateTerminationProtection",
        "DeleteStack",
        "UpdateTable",
        "DeleteTable",
        "DeleteObjects",
        "DeleteBucket",
        "DeleteParameter",
    ]
    assert account.called("cloudformation.UpdateTerminationProtection")[0]["EnableTerminationProtection"] is False
    assert account.called("dynamodb.UpdateTable")[0]["DeletionProtectionEnabled"] is False
    assert "All resources of the stage 'dev' are deleted." in capsys.readouterr().out


def test_a_stack_that_cannot_be_deleted_is_said_and_its_data_stay(
    account: AwsAnswers, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = {"StackName": "Oms-dev", "StackId": "arn:dev", "CreationTime": "2026-01-31T00:00:00Z"}
    account.answers |= {
        "cloudformation.DescribeStacks": {"Stacks": [{**stack, "StackStatus": "DELETE_FAILED"}]},
        "cloudformation.UpdateTerminationProtection": {},
        "cloudformation.DeleteStack": {},
    }

    assert "The stack Oms-dev is not deleted" in run(monkeypatch, "--stage", "dev", "--confirm", "dev")

    assert account.calls[-1][0] == "cloudformation.DescribeStacks"


def test_the_lock_of_objects_is_bypassed_only_in_a_bucket_that_has_one(account: AwsAnswers) -> None:
    """S3 refuses the header for a bucket without Object Lock."""
    account.answers |= {
        "s3.GetObjectLockConfiguration": lambda it: (
            {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}
            if it["Bucket"] == "heads"
            else RefusedError("ObjectLockConfigurationNotFoundError")
        ),
        "s3.ListObjectVersions": {"Versions": [{"Key": "a", "VersionId": "1"}]},
        "s3.DeleteObjects": lambda it: (
            RefusedError("InvalidArgument") if it["Bucket"] == "exports" and "BypassGovernanceRetention" in it else {}
        ),
        "s3.DeleteBucket": {},
    }

    assert destroy.delete(destroy.Resource("AWS::S3::Bucket", "exports"))
    assert destroy.delete(destroy.Resource("AWS::S3::Bucket", "heads"))

    bypassed = {it["Bucket"]: it.get("BypassGovernanceRetention") for it in account.called("s3.DeleteObjects")}
    assert bypassed == {"exports": None, "heads": True}


def test_a_bucket_whose_lock_cannot_be_looked_up_is_left(account: AwsAnswers) -> None:
    account.answers |= {"s3.GetObjectLockConfiguration": RefusedError("AccessDenied")}

    with pytest.raises(destroy.LeftError, match="AccessDenied"):
        destroy.delete(destroy.Resource("AWS::S3::Bucket", "exports"))

    assert not account.called("s3.DeleteObjects")
