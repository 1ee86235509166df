"""The deployed resources, read through the AWS API and compared with the template after its corrections."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from local import fixups
from local.system import LocalSystem


@pytest.fixture(scope="module")
def template(system: LocalSystem) -> dict[str, Any]:
    return system.assembly.template


def declared(template: dict[str, Any], resource_type: str) -> dict[str, dict[str, Any]]:
    """Returns logical id → properties; never empty, so that no comparison is empty."""
    found = {
        logical_id: resource.get("Properties", {})
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == resource_type
    }
    assert found
    return found


def physical(system: LocalSystem, value: Any) -> Any:
    """Returns the physical value of a reference in the template."""
    match value:
        case {"Ref": logical_id} if logical_id in system.deployment.resources:
            return system.deployment.resources[logical_id]
        case _:
            return value


def by_name(items: list[dict[str, Any]], key: str) -> dict[str, dict[str, Any]]:
    return {item[key]: item for item in items}


def test_every_resource_of_the_template_exists(system: LocalSystem, template: dict[str, Any]) -> None:
    resources = system.client("cloudformation").describe_stack_resources(StackName="Oms-local")["StackResources"]
    states = {resource["LogicalResourceId"]: resource["ResourceStatus"] for resource in resources}

    assert set(states) == {name for name, it in template["Resources"].items() if it["Type"] != "AWS::CDK::Metadata"}
    assert set(states.values()) == {"CREATE_COMPLETE"}


def test_tables_have_the_keys_indexes_and_streams_of_the_template(
    system: LocalSystem, template: dict[str, Any]
) -> None:
    for logical_id, properties in declared(template, "AWS::DynamoDB::GlobalTable").items():
        name = system.deployment.resources[logical_id]
        table = system.client("dynamodb").describe_table(TableName=name)["Table"]

        assert table["KeySchema"] == properties["KeySchema"]
        assert by_name(table["AttributeDefinitions"], "AttributeName") == by_name(
            properties["AttributeDefinitions"], "AttributeName"
        )
        assert table["StreamSpecification"]["StreamEnabled"] is True
        assert table["StreamSpecification"]["StreamViewType"] == properties["StreamSpecification"]["StreamViewType"]
        deployed = by_name(table.get("GlobalSecondaryIndexes", []), "IndexName")
        wanted = by_name(properties.get("GlobalSecondaryIndexes", []), "IndexName")
        assert {name: (index["KeySchema"], index["Projection"]) for name, index in deployed.items()} == {
            name: (index["KeySchema"], index["Projection"]) for name, index in wanted.items()
        }


def test_items_end_where_the_template_says_so(system: LocalSystem, template: dict[str, Any]) -> None:
    ending = 0
    for logical_id, properties in declared(template, "AWS::DynamoDB::GlobalTable").items():
        name = system.deployment.resources[logical_id]
        deployed = system.client("dynamodb").describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        if wanted := properties.get("TimeToLiveSpecification"):
            ending += 1
            assert (deployed["TimeToLiveStatus"], deployed["AttributeName"]) == ("ENABLED", wanted["AttributeName"])
        else:
            assert deployed["TimeToLiveStatus"] == "DISABLED"
    assert ending == 4


def test_routes_lead_to_the_functions_of_the_template(system: LocalSystem, template: dict[str, Any]) -> None:
    client = system.client("apigatewayv2")
    api = system.deployment.outputs["ApiId"]
    targets = {
        integration["IntegrationId"]: (integration["IntegrationUri"], integration["PayloadFormatVersion"])
        for integration in client.get_integrations(ApiId=api)["Items"]
    }
    deployed = {
        route["RouteKey"]: targets[route["Target"].removeprefix("integrations/")]
        for route in client.get_routes(ApiId=api, MaxResults="500")["Items"]
    }

    integrations = declared(template, "AWS::ApiGatewayV2::Integration")
    wanted = {}
    for route in declared(template, "AWS::ApiGatewayV2::Route").values():
        integration = integrations[route["Target"]["Fn::Join"][1][1]["Ref"]]
        function = system.deployment.resources[integration["IntegrationUri"]["Fn::GetAtt"][0]]
        wanted[route["RouteKey"]] = function
    assert set(deployed) == set(wanted)
    for key, (uri, payload) in deployed.items():
        assert uri.endswith(f":function:{wanted[key]}")
        assert payload == "2.0"


def test_cross_origin_rules_are_those_of_the_template(system: LocalSystem, template: dict[str, Any]) -> None:
    (properties,) = declared(template, "AWS::ApiGatewayV2::Api").values()
    api = system.client("apigatewayv2").get_api(ApiId=system.deployment.outputs["ApiId"])

    deployed = {name: value for name, value in api["CorsConfiguration"].items() if value is not None}
    assert deployed == properties["CorsConfiguration"]


def test_a17_a_preflight_is_answered_for_a_known_origin_only(client: Callable[..., httpx.Client]) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}

    known = client().options("/api/v1/orders", headers={"Origin": "http://localhost:3000", **asked})
    assert known.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    assert "Access-Control-Allow-Credentials" not in known.headers
    for origin in (
        "https://evil.example",
        "null",
        "http://localhost:3000.evil.example",
        "http://evil.localhost:3000",
        "http://localhost:30000",
        "http://localhost",
        "https://localhost:3000",
    ):
        unknown = client().options("/api/v1/orders", headers={"Origin": origin, **asked})
        assert "Access-Control-Allow-Origin" not in unknown.headers, origin


def test_functions_run_the_code_layers_and_settings_of_the_template(
    system: LocalSystem, template: dict[str, Any]
) -> None:
    for logical_id, properties in declared(template, "AWS::Lambda::Function").items():
        name = system.deployment.resources[logical_id]
        deployed = system.client("lambda").get_function_configuration(FunctionName=name)

        for setting in ("Handler", "Runtime", "Timeout", "MemorySize"):
            assert deployed[setting] == properties[setting]
        assert [layer["Arn"] for layer in deployed["Layers"]] == [
            physical(system, layer) for layer in properties["Layers"]
        ]
        assert deployed["LoggingConfig"]["LogGroup"] == physical(system, properties["LoggingConfig"]["LogGroup"])
        variables = deployed["Environment"]["Variables"]
        assert set(variables) == set(properties["Environment"]["Variables"])
        for key, value in properties["Environment"]["Variables"].items():
            if isinstance(value, str):
                assert variables[key] == value


def test_reserved_concurrency_is_that_of_the_template(system: LocalSystem, template: dict[str, Any]) -> None:
    wanted = {
        system.deployment.resources[logical_id]: properties.get("ReservedConcurrentExecutions")
        for logical_id, properties in declared(template, "AWS::Lambda::Function").items()
    }
    deployed = {
        name: system.client("lambda").get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
        for name in wanted
    }

    assert deployed == wanted
    assert deployed[system.deployment.function("Passwords")] == 60


def test_log_groups_keep_their_retention(system: LocalSystem, template: dict[str, Any]) -> None:
    groups = by_name(system.client("logs").describe_log_groups()["logGroups"], "logGroupName")

    for logical_id, properties in declared(template, "AWS::Logs::LogGroup").items():
        assert groups[system.deployment.resources[logical_id]]["retentionInDays"] == properties["RetentionInDays"]


def test_queues_and_streams_feed_their_consumers(system: LocalSystem, template: dict[str, Any]) -> None:
    deployed = system.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    wanted = declared(template, "AWS::Lambda::EventSourceMapping")
    assert len(deployed) == len(wanted)

    for properties in wanted.values():
        function = physical(system, properties["FunctionName"])
        source = physical(system, {"Ref": properties["EventSourceArn"]["Fn::GetAtt"][0]}).rpartition("/")[2]
        (mapping,) = (
            it for it in deployed if it["FunctionArn"].endswith(f":{function}") and source in it["EventSourceArn"]
        )
        for name in {"BatchSize", "FunctionResponseTypes", "StartingPosition", "FilterCriteria"} & set(properties):
            assert mapping[name] == properties[name]


def test_queues_have_their_dead_letter_queues(system: LocalSystem, template: dict[str, Any]) -> None:
    sqs = system.client("sqs")
    attributes = {
        logical_id: sqs.get_queue_attributes(QueueUrl=system.deployment.resources[logical_id], AttributeNames=["All"])[
            "Attributes"
        ]
        for logical_id in declared(template, "AWS::SQS::Queue")
    }
    for logical_id, queue in declared(template, "AWS::SQS::Queue").items():
        if policy := queue.get("RedrivePolicy"):
            redrive = json.loads(attributes[logical_id]["RedrivePolicy"])
            target = policy["deadLetterTargetArn"]["Fn::GetAtt"][0]
            assert redrive["deadLetterTargetArn"] == attributes[target]["QueueArn"]
            assert int(redrive["maxReceiveCount"]) == policy["maxReceiveCount"]


def test_the_audit_bucket_is_locked_as_in_the_template(system: LocalSystem, template: dict[str, Any]) -> None:
    locked = {
        system.deployment.resources[logical_id]: properties["ObjectLockConfiguration"]
        for logical_id, properties in declared(template, "AWS::S3::Bucket").items()
        if "ObjectLockConfiguration" in properties
    }
    assert locked
    for bucket, wanted in locked.items():
        deployed = system.client("s3").get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
        assert deployed == wanted
        assert system.client("s3").get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"


def test_rules_have_the_patterns_and_targets_of_the_template(system: LocalSystem, template: dict[str, Any]) -> None:
    events = system.client("events")
    schedules = 0
    for logical_id, properties in declared(template, "AWS::Events::Rule").items():
        # A rule of a bus other than the default one is named <bus>|<rule>.
        name = system.deployment.resources[logical_id].rpartition("/")[2].rpartition("|")[2]
        bus = physical(system, properties.get("EventBusName", "default"))

        rule = events.describe_rule(Name=name, EventBusName=bus)
        (target,) = events.list_targets_by_rule(Rule=name, EventBusName=bus)["Targets"]

        assert rule["State"] == "ENABLED"
        assert (rule.get("ScheduleExpression") or None) == properties.get("ScheduleExpression")
        assert json.loads(rule.get("EventPattern") or "null") == properties.get("EventPattern")
        schedules += "ScheduleExpression" in properties
        (declared_target,) = properties["Targets"]
        wanted = physical(system, {"Ref": declared_target["Arn"]["Fn::GetAtt"][0]})
        assert target["Arn"].rpartition(":")[2] == wanted.rpartition("/")[2]
        assert target.get("Input") == declared_target.get("Input")
        assert target.get("InputPath") == declared_target.get("InputPath")
    assert schedules == 5


def test_every_fix_up_has_a_reason_and_an_effect(template: dict[str, Any]) -> None:
    assert all(fixup.reason for fixup in fixups.FIXUPS)
    for fixup in fixups.FIXUPS:
        assert declared(template, fixup.resource_type)
