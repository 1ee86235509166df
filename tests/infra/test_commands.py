"""The template's facts that operators' commands use: its bootstrap, its fixed names, and the data that it retains."""

import json

from oms.commands import destroy, preflight
from tests.support.template import Synthesized

# The names of these resources are unique in an account, or in all accounts. Names of inline policies, stages of an API
# and metrics are not among them.
NAMES = {
    "AlarmName",
    "BackupVaultName",
    "BucketName",
    "DashboardName",
    "FunctionName",
    "LayerName",
    "LogGroupName",
    "ManagedPolicyName",
    "Name",
    "QueueName",
    "RoleName",
    "TableName",
    "TopicName",
}


def test_the_bootstrap_version_is_the_one_that_the_assembly_asks_for(prod: Synthesized) -> None:
    manifest = json.loads((prod.folder / "manifest.json").read_text())
    asked = {
        it["properties"]["requiresBootstrapStackVersion"]
        for it in manifest["artifacts"].values()
        if "requiresBootstrapStackVersion" in it["properties"]
    }
    parameters = {
        it["properties"]["bootstrapStackVersionSsmParameter"]
        for it in manifest["artifacts"].values()
        if "bootstrapStackVersionSsmParameter" in it["properties"]
    }

    assert asked == {preflight.BOOTSTRAP_VERSION}
    assert parameters == {preflight.BOOTSTRAP_PARAMETER}


def test_each_fixed_name_is_looked_for_before_the_first_deployment(prod: Synthesized) -> None:
    fixed = {
        (resource["Type"], name)
        for resource in prod.template["Resources"].values()
        for key, name in resource.get("Properties", {}).items()
        # An alias has its name within its function, whose name is generated.
        if key in NAMES and isinstance(name, str) and resource["Type"] != "AWS::Lambda::Alias"
    }

    secrets = {name for kind, name in fixed if kind == "AWS::SecretsManager::Secret"}
    assert secrets
    assert all(name.startswith("oms/prod/") for name in secrets)
    assert {it for it in fixed if it[1] not in secrets} == {
        ("AWS::Events::EventBus", "oms-prod"),
        ("AWS::Scheduler::ScheduleGroup", "oms-prod"),
        ("AWS::SES::ConfigurationSet", "oms-prod"),
        ("AWS::Backup::BackupVault", "oms-prod"),
        ("AWS::CloudWatch::Dashboard", "Oms-prod"),  # replaces one of that name
        ("AWS::ApiGatewayV2::Api", "Oms-prod"),  # several may have the same name
    }


def test_each_kind_of_resource_that_the_stack_retains_is_deleted_by_the_command(prod: Synthesized) -> None:
    resources = prod.template["Resources"].values()

    kept = {it["Type"] for it in resources if it.get("DeletionPolicy", "Delete") != "Delete"}
    kept.remove("AWS::Lambda::Version")  # is deleted with its function
    assert kept
    assert kept <= destroy.DELETE.keys()
