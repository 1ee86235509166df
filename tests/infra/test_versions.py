"""Upgrades without a gap: on AWS all calls go to the alias `live`, which is moved to a version with code and layers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from aws_cdk import aws_lambda as lambda_

from infra.app import build
from layers.shared import build as shared
from tests.support.template import DEV_SETTINGS, HTTP, Synthesized, named_in

FUNCTION, ALIAS, VERSION = "AWS::Lambda::Function", "AWS::Lambda::Alias", "AWS::Lambda::Version"
# The properties in which a template names the function to call.
CALLED = {
    "AWS::ApiGatewayV2::Integration": "IntegrationUri",
    "AWS::Events::Rule": "Targets",
    "AWS::Lambda::EventSourceMapping": "FunctionName",
    "AWS::Lambda::Permission": "FunctionName",
    "AWS::Scheduler::Schedule": "Target",
}


def called(synthesized: Synthesized) -> Iterator[tuple[str, str]]:
    """Yields (the caller, the logical id of the function or alias that it calls)."""
    resources = synthesized.template["Resources"]
    for caller, resource in resources.items():
        if where := CALLED.get(resource["Type"]):
            for name in named_in(resource["Properties"][where]):
                if resources[name]["Type"] in (FUNCTION, ALIAS, VERSION):
                    yield caller, name


@pytest.mark.parametrize("stage", ["prod", "dev"])
def test_all_that_calls_a_function_calls_its_live_alias(stage: str, request: pytest.FixtureRequest) -> None:
    synthesized: Synthesized = request.getfixturevalue(stage)
    aliases = synthesized.all(ALIAS)
    calls = list(called(synthesized))

    assert {caller: name for caller, name in calls if name not in aliases} == {}
    assert {synthesized.function_of({"Ref": name}) for _, name in calls} == set(synthesized.all(FUNCTION))


@pytest.mark.parametrize("stage", ["prod", "dev"])
def test_the_live_alias_is_of_a_version_with_code_and_layers_as_deployed(
    stage: str, request: pytest.FixtureRequest
) -> None:
    synthesized: Synthesized = request.getfixturevalue(stage)
    versions = synthesized.all(VERSION)
    found = {}
    for alias in synthesized.all(ALIAS).values():
        function = synthesized.function_of(alias["FunctionName"])
        assert alias["Name"] == "live"
        version, attribute = alias["FunctionVersion"]["Fn::GetAtt"]
        assert (synthesized.function_of(versions[version]["FunctionName"]), attribute) == (function, "Version")
        found[function] = version

    assert found.keys() == synthesized.all(FUNCTION).keys()
    assert set(found.values()) == versions.keys()


def test_a_version_stays_for_going_back_to(prod: Synthesized) -> None:
    for name in prod.all(VERSION):
        resource = prod.template["Resources"][name]
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_a_canary_is_taken_back_by_the_alarms_of_its_function_and_of_the_api(dev: Synthesized) -> None:
    groups = dev.all("AWS::CodeDeploy::DeploymentGroup")
    alarms = dev.all("AWS::CloudWatch::Alarm")
    found = set()
    for name in dev.all(ALIAS):
        resource = dev.template["Resources"][name]
        if policy := resource.get("UpdatePolicy"):
            function = dev.function_of({"Ref": name})
            group = groups[policy["CodeDeployLambdaAliasUpdate"]["DeploymentGroupName"]["Ref"]]
            watched = [alarms[it["Name"]["Ref"]] for it in group["AlarmConfiguration"]["Alarms"]]
            assert group["DeploymentConfigName"] == "CodeDeployDefault.LambdaCanary10Percent10Minutes"
            assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
            assert [(it["MetricName"], named_in(it["Dimensions"])) for it in watched] == [
                ("Errors", {function}),
                ("5xx", set(dev.all("AWS::ApiGatewayV2::Api"))),
            ]
            found.add(function.removeprefix("Functions")[:-8])

    assert found == HTTP


def test_without_the_setting_a_deployment_has_no_canary(prod: Synthesized) -> None:
    assert not [it for it in prod.template["Resources"].values() if it["Type"].startswith("AWS::CodeDeploy::")]
    assert not [it for it in prod.template["Resources"].values() if "UpdatePolicy" in it]


def test_operators_call_the_live_version(prod: Synthesized, local: Synthesized) -> None:
    """`make redrive` and `make republish` call functions by the stack's outputs."""
    for synthesized, suffix in ((prod, ":live"), (local, "")):
        outputs = {
            name: it["Value"] for name, it in synthesized.template["Outputs"].items() if name.endswith("Function")
        }
        assert len(outputs) == len(synthesized.functions())
        for name, value in outputs.items():
            function = synthesized.function_of(value)
            assert function.removeprefix("Functions")[:-8] == name.removesuffix("Function")
            assert value == ({"Fn::Join": ["", [{"Ref": function}, suffix]]} if suffix else {"Ref": function})


def test_the_local_stage_has_no_versions_as_its_functions_are_changed_where_they_are(local: Synthesized) -> None:
    assert not local.all(ALIAS)
    assert not local.all(VERSION)
    assert {name for _, name in called(local)} == set(local.all(FUNCTION))


def versions_of(outdir: Path) -> set[str]:
    """Returns the logical ids of the versions of the current sources, of the same stage as the fixture `dev`."""
    app = build({"stage": "dev", "settings": {"dev": DEV_SETTINGS}}, outdir=str(outdir))
    versions = [it for it in app.node.find_all() if isinstance(it, lambda_.CfnVersion)]
    return {str(it.stack.resolve(it.logical_id)) for it in versions}


def test_a_change_of_the_shared_code_alone_makes_a_new_version_of_each_function(
    dev: Synthesized, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A layer's new version does not change the text of a function's properties."""
    before, again = set(dev.all(VERSION)), versions_of(tmp_path / "again")
    build_shared = shared.build

    def changed(directory: Path) -> Path:
        archive = build_shared(directory)
        copy = tmp_path / f"{archive.stem}-changed.zip"
        copy.write_bytes(archive.read_bytes())
        return copy

    monkeypatch.setattr(shared, "build", changed)
    after = versions_of(tmp_path / "after")

    assert before == again
    assert len(before) == len(after)
    assert not before & after
