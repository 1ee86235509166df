"""The dashboard shows this stage only, with all metrics of the functions."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.alarms import alarms
from tests.support.metrics import emitted_by
from tests.support.template import Synthesized

# dimension → the type of the resource that it names
NAMED = {
    ("AWS/Lambda", "FunctionName"): "AWS::Lambda::Function",
    ("AWS/SQS", "QueueName"): "AWS::SQS::Queue",
    ("AWS/DynamoDB", "TableName"): "AWS::DynamoDB::GlobalTable",
    ("AWS/ApiGateway", "ApiId"): "AWS::ApiGatewayV2::Api",
    ("AWS/Logs", "LogGroupName"): "AWS::Logs::LogGroup",
}
# Besides its table.
INDEX = "GlobalSecondaryIndexName"
# Of the whole account intentionally, since its quota is shared.
OF_THE_ACCOUNT = {"ClaimedAccountConcurrency", "ConcurrentExecutions"}


@dataclass(frozen=True)
class DashboardMetric:
    """A metric of the dashboard. The value of a dimension is text, or the reference to a resource."""

    namespace: str
    name: str
    dimensions: dict[str, Any]


def body(stage: Synthesized) -> dict[str, Any]:
    """Returns the dashboard's JSON, in which each reference is its own JSON as text."""
    (dashboard,) = stage.all("AWS::CloudWatch::Dashboard").values()
    parts = dashboard["DashboardBody"]["Fn::Join"][1]
    text = "".join(part if isinstance(part, str) else json.dumps(json.dumps(part))[1:-1] for part in parts)
    return dict(json.loads(text))


def dashboard_metrics(stage: Synthesized) -> Iterator[DashboardMetric]:
    for widget in body(stage)["widgets"]:
        for namespace, name, *rest in widget["properties"].get("metrics", []):
            values = [_reference(it) for it in rest if not isinstance(it, dict)]
            yield DashboardMetric(namespace, name, dict(zip(values[::2], values[1::2], strict=True)))


def _reference(text: str) -> Any:
    return json.loads(text) if text.startswith("{") else text


def referred(value: dict[str, Any]) -> str:
    return str(value["Ref"] if "Ref" in value else value["Fn::GetAtt"][0])


@pytest.fixture(params=["prod", "dev", "local"])
def stage(request: pytest.FixtureRequest) -> Synthesized:
    synthesized: Synthesized = request.getfixturevalue(request.param)
    return synthesized


def handlers(stage: Synthesized) -> dict[str, str]:
    """service → handler"""
    return {
        function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]: function["Handler"]
        for function in stage.functions().values()
    }


def test_there_is_one_dashboard_named_by_its_stage(stage: Synthesized) -> None:
    (dashboard,) = stage.all("AWS::CloudWatch::Dashboard").values()

    assert dashboard["DashboardName"] == f"Oms-{stage.stage}"


def test_each_metric_is_of_a_resource_of_this_stack_or_emitted_by_its_functions(stage: Synthesized) -> None:
    services = handlers(stage)
    filters = {
        (it["MetricNamespace"], it["MetricName"])
        for counter in stage.all("AWS::Logs::MetricFilter").values()
        for it in counter["MetricTransformations"]
    }
    sets = {it["Name"] for it in stage.all("AWS::SES::ConfigurationSet").values()}

    for it in dashboard_metrics(stage):
        if it.namespace == f"Oms/{stage.stage}":
            emitted = emitted_by(services[it.dimensions["service"]]) if it.dimensions else ()
            assert (it.namespace, it.name) in filters or any(name.fullmatch(it.name) for name in emitted), it
        elif it.namespace == "AWS/SES":
            assert it.dimensions["ses:configuration-set"] in sets, it
        elif it.namespace == "AWS/Lambda" and it.name in OF_THE_ACCOUNT:
            assert not it.dimensions
        else:
            index = it.dimensions.get(INDEX)
            ((dimension, value),) = ((name, value) for name, value in it.dimensions.items() if name != INDEX)
            resource = stage.all(NAMED[it.namespace, dimension])[referred(value)]
            assert index is None or index in {each["IndexName"] for each in resource["GlobalSecondaryIndexes"]}, it


@pytest.mark.parametrize(
    ("namespace", "metric", "resource"),
    [
        ("AWS/Lambda", "Errors", "AWS::Lambda::Function"),
        ("AWS/Lambda", "Throttles", "AWS::Lambda::Function"),
        ("AWS/Lambda", "Invocations", "AWS::Lambda::Function"),
        ("AWS/DynamoDB", "ConsumedReadCapacityUnits", "AWS::DynamoDB::GlobalTable"),
        ("AWS/DynamoDB", "ConsumedWriteCapacityUnits", "AWS::DynamoDB::GlobalTable"),
        ("AWS/Logs", "IncomingBytes", "AWS::Logs::LogGroup"),
        ("AWS/ApiGateway", "Latency", "AWS::ApiGatewayV2::Api"),
    ],
)
def test_all_functions_tables_and_logs_are_on_it(prod: Synthesized, namespace: str, metric: str, resource: str) -> None:
    found = [it.dimensions for it in dashboard_metrics(prod) if (it.namespace, it.name) == (namespace, metric)]
    names = {referred(value) for dimensions in found for name, value in dimensions.items() if name != INDEX}

    assert names == set(prod.all(resource))


def test_each_queue_is_on_it_with_its_waiting_or_failed_messages(prod: Synthesized) -> None:
    found = [it.dimensions["QueueName"] for it in dashboard_metrics(prod) if it.namespace == "AWS/SQS"]

    assert {referred(name) for name in found} == set(prod.all("AWS::SQS::Queue"))
    assert len(found) == len(prod.all("AWS::SQS::Queue"))


def test_the_metrics_of_functions_and_alarms_are_on_it(prod: Synthesized) -> None:
    on_it = {(it.dimensions.get("service"), it.name) for it in dashboard_metrics(prod) if it.namespace == "Oms/prod"}
    watched = {
        (next((it["Value"] for it in alarm.get("Dimensions", [])), None), alarm["MetricName"])
        for alarm in alarms(prod).values()
        if alarm.get("Namespace") == "Oms/prod"
    }
    names = {name for _, name in on_it}

    assert watched <= on_it
    for handler in handlers(prod).values():
        for emitted in emitted_by(handler):
            assert any(emitted.fullmatch(name) for name in names), f"{emitted.pattern} is emitted and never shown"
