"""`make destroy` on a separate stack, in a separate emulator: all kinds of resources that stages retain."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.cloud import Cloud
from oms.commands import destroy
from oms.commands.protect import protect
from oms.core import aws

pytestmark = pytest.mark.full

TEMPLATE: dict[str, Any] = {
    "Resources": {
        "Orders": {
            "Type": "AWS::DynamoDB::GlobalTable",
            "DeletionPolicy": "Retain",
            "Properties": {
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "BillingMode": "PAY_PER_REQUEST",
                "Replicas": [{"Region": "us-east-1", "DeletionProtectionEnabled": True}],
            },
        },
        "Exports": {
            "Type": "AWS::S3::Bucket",
            "DeletionPolicy": "RetainExceptOnCreate",
            "Properties": {"VersioningConfiguration": {"Status": "Enabled"}},
        },
        "Pepper": {
            "Type": "AWS::SecretsManager::Secret",
            "DeletionPolicy": "RetainExceptOnCreate",
            "Properties": {"Name": "oms/dev/pepper", "SecretString": "salt"},
        },
        "Logs": {
            "Type": "AWS::Logs::LogGroup",
            "DeletionPolicy": "RetainExceptOnCreate",
            "Properties": {"RetentionInDays": 30},
        },
        "Feed": {"Type": "AWS::SQS::Queue"},
    }
}


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """An emulator with the stack Oms-dev, its bucket in use, and resources of another stage."""
    with Cloud(tmp_path) as running:
        running.wait_until_healthy()
        for name, value in running.access.environment().items():
            monkeypatch.setenv(name, value)
        aws.botocore_session.cache_clear()
        aws.session.cache_clear()
        running.client("secretsmanager").create_secret(Name="oms/prod/pepper", SecretString="salt")
        _deploy(running)
        yield running
    aws.botocore_session.cache_clear()
    aws.session.cache_clear()


def _deploy(cloud: Cloud) -> None:
    cloudformation = cloud.client("cloudformation")
    cloudformation.create_stack(StackName="Oms-dev", TemplateBody=json.dumps(TEMPLATE))
    waiter = cloudformation.get_waiter("stack_create_complete")
    waiter.wait(StackName="Oms-dev", WaiterConfig={"Delay": 0.1, "MaxAttempts": 600})
    protect("dev")
    (bucket,) = [it["Name"] for it in cloud.client("s3").list_buckets()["Buckets"]]
    for content in (b"1", b"2"):
        cloud.client("s3").put_object(Bucket=bucket, Key="orders.csv", Body=content)
    cloud.client("s3").delete_object(Bucket=bucket, Key="orders.csv")
    cloud.client("ssm").put_parameter(Name="/oms/dev/jwks", Value="{}", Type="String")
    # The emulator drops it from the template.
    (table,) = cloud.client("dynamodb").list_tables()["TableNames"]
    cloud.client("dynamodb").update_table(TableName=table, DeletionProtectionEnabled=True)


def _left(cloud: Cloud) -> dict[str, list[str]]:
    stacks = cloud.client("cloudformation").describe_stacks()["Stacks"]
    secrets = cloud.client("secretsmanager").list_secrets(IncludePlannedDeletion=True)["SecretList"]
    return {
        "stacks": [it["StackName"] for it in stacks],
        "tables": cloud.client("dynamodb").list_tables()["TableNames"],
        "buckets": [it["Name"] for it in cloud.client("s3").list_buckets()["Buckets"]],
        "secrets": [it["Name"] for it in secrets],
        "logs": [it["logGroupName"] for it in cloud.client("logs").describe_log_groups()["logGroups"]],
        "parameters": [it["Name"] for it in cloud.client("ssm").describe_parameters()["Parameters"]],
        "queues": cloud.client("sqs").list_queues().get("QueueUrls", []),
    }


GONE = {
    "stacks": [],
    "tables": [],
    "buckets": [],
    "secrets": ["oms/prod/pepper"],
    "logs": [],
    "parameters": [],
    "queues": [],
}


def test_a_stage_is_deleted_with_all_that_it_retains_and_without_any_of_another(cloud: Cloud) -> None:
    assert all(_left(cloud).values())

    assert destroy.destroy("dev", poll_seconds=0.1) == 0

    assert _left(cloud) == GONE


def test_a_run_that_was_cut_off_is_finished_by_the_next_and_the_stage_can_be_deployed_again(cloud: Cloud) -> None:
    destroy.delete_stack("dev", poll_seconds=0.1)  # and no more
    assert _left(cloud)["tables"]

    assert destroy.destroy("dev", poll_seconds=0.1) == 0
    assert _left(cloud) == GONE

    _deploy(cloud)
    assert destroy.destroy("dev", poll_seconds=0.1) == 0
    assert _left(cloud) == GONE
