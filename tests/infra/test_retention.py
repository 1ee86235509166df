"""Resources that a stack retains, and the repetition of a failed first deployment."""

import json
from pathlib import Path

import aws_cdk as cdk

from infra.app import build
from tests.support.template import FULL_SETTINGS, Synthesized

# The properties by which a template names a resource. CloudFormation generates the other names.
NAMES = ("Name", "TableName", "BucketName", "LogGroupName", "QueueName", "FunctionName", "RoleName", "TopicName")
RETAINED_TYPES = {"AWS::DynamoDB::GlobalTable", "AWS::S3::Bucket", "AWS::Logs::LogGroup", "AWS::SecretsManager::Secret"}


def test_f28_all_that_holds_data_outlives_the_stack_and_a_replacement(prod: Synthesized) -> None:
    for name, resource in prod.template["Resources"].items():
        if resource["Type"] in RETAINED_TYPES:
            assert resource["DeletionPolicy"] in ("Retain", "RetainExceptOnCreate"), name
            assert resource["UpdateReplacePolicy"] == "Retain", name


def test_a_creation_that_failed_leaves_nothing_behind_that_the_next_one_would_meet(prod: Synthesized) -> None:
    """Tables are the one exception: they have no fixed name, and a table that refuses its deletion would stop the
    roll-back. They are left behind, empty.
    """
    kept = {name: it for name, it in prod.template["Resources"].items() if it.get("DeletionPolicy") == "Retain"}

    assert {it["Type"] for it in kept.values()} == {"AWS::DynamoDB::GlobalTable"}
    for name, resource in kept.items():
        assert not [it for it in NAMES if it in resource["Properties"]], name
        assert all(replica["DeletionProtectionEnabled"] for replica in resource["Properties"]["Replicas"])


def test_a_stack_is_protected_from_deletion_once_a_deployment_of_it_succeeded(
    prod: Synthesized, tmp_path: Path
) -> None:
    """A stack whose creation failed has to be deleted; the CDK CLI would protect it before it creates it."""
    first = json.loads((prod.folder / "manifest.json").read_text())["artifacts"]["Oms-prod"]["properties"]
    context = {"stage": "prod", "settings": {"prod": FULL_SETTINGS}, "protected": "true"}
    later = build(context, outdir=str(tmp_path)).node.find_child("Oms-prod")

    assert not first.get("terminationProtection")
    assert isinstance(later, cdk.Stack)
    assert later.termination_protection


# CloudFormation generates a secret again when one of these properties changes, and creates a resource again when its #
# logical id changes: with a new pepper no password matches, and new tables are empty.
GENERATED = {"ExcludePunctuation": True, "PasswordLength": 64}
SECRETS = {
    "KeysSigningKeys5A5C24EC": GENERATED | {"GenerateStringKey": "unused", "SecretStringTemplate": '{"keys": []}'},
    "KeysPepperAAAF9FD1": GENERATED | {"GenerateStringKey": "1", "SecretStringTemplate": "{}"},
    "KeysOriginC1AB9E50": GENERATED,
    "KeysWebhookKeys25D40FA7": GENERATED | {"GenerateStringKey": "1", "SecretStringTemplate": "{}"},
    "KeysAuditKeys32830F59": GENERATED | {"GenerateStringKey": "1", "SecretStringTemplate": "{}"},
    "KeysAddressKeys94127E5B": GENERATED | {"GenerateStringKey": "unused", "SecretStringTemplate": "{}"},
}
DATA = {
    "AuditHeads27EF8852",
    "ConsoleFiles2D43986C",
    "DataAuditE4D9F575",
    "DataEventsB3DAF25C",
    "DataIdentityEB814885",
    "DataInventoryEF9B403A",
    "DataOrders20A4E13F",
    "DataReportsDF118707",
    "DataSearchC7D96612",
    "DataWebhooks42E59B84",
    "ExportsFiles165D4F61",
    "ImportsFiles4C162912",
}


def test_no_deployment_draws_a_secret_again(prod: Synthesized) -> None:
    secrets = prod.all("AWS::SecretsManager::Secret")

    assert {name: it["GenerateSecretString"] for name, it in secrets.items()} == SECRETS


def test_no_deployment_makes_a_new_table_or_bucket_in_the_place_of_one_with_data(prod: Synthesized) -> None:
    assert {*prod.all("AWS::DynamoDB::GlobalTable"), *prod.all("AWS::S3::Bucket")} == DATA
