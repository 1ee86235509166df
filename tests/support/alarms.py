"""The alarms of a template: the metric of each, and the state that CloudWatch would give it."""

from collections.abc import Iterator, Sequence
from typing import Any

from tests.support.template import Resource, Synthesized

ALARM = "AWS::CloudWatch::Alarm"
# The ways out of a stage: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
ACTIONS = ("AlarmActions", "OKActions", "InsufficientDataActions")


def alarms(stage: Synthesized) -> dict[str, Resource]:
    """construct id → the alarm"""
    return {name.removeprefix("Alarms")[:-8]: alarm for name, alarm in stage.all(ALARM).items()}


def on_metric(stage: Synthesized, namespace: str, metric: str) -> list[Resource]:
    return [it for it in alarms(stage).values() if (it.get("Namespace"), it.get("MetricName")) == (namespace, metric)]


def watched(stage: Synthesized, namespace: str, metric: str) -> dict[str, Resource]:
    """Returns the logical id of the resource that an alarm's one dimension names → the alarm"""
    found: dict[str, Resource] = {}
    for alarm in on_metric(stage, namespace, metric):
        (dimension,) = alarm["Dimensions"]
        name = referred(dimension["Value"])
        assert name not in found, f"two alarms watch {metric} of {name}"
        found[name] = alarm
    return found


def referred(value: Any) -> str:
    """Returns the logical id that a Ref or a GetAtt names."""
    return str(value["Ref"] if "Ref" in value else value["Fn::GetAtt"][0])


def queries(stage: Synthesized) -> Iterator[tuple[str, set[str], int]]:
    """Yields for each alarm on a query its text without names, the resources that it names, and its maximum length."""
    for alarm in alarms(stage).values():
        for metric in alarm.get("Metrics", []):
            parts = metric["Expression"]["Fn::Join"][1]
            text = "".join(part for part in parts if isinstance(part, str))
            names = [referred(part) for part in parts if not isinstance(part, str)]
            # CloudFormation's names for functions have at most 64 characters; names of tables are created in the same
            # way.
            yield text, set(names), len(text) + 64 * len(names)


def judge(alarm: Resource, points: Sequence[float | None]) -> str:
    """Returns the state after these data points, of the alarm's last periods; None is missing data.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
    """
    assert len(points) == alarm["EvaluationPeriods"]
    treatment = alarm["TreatMissingData"]
    if all(point is None for point in points) and treatment in ("missing", "ignore"):
        return "INSUFFICIENT_DATA"  # with `ignore`, the previous state: at first this one
    breaching = {
        "GreaterThanOrEqualToThreshold": lambda point: point >= alarm["Threshold"],
        "LessThanThreshold": lambda point: point < alarm["Threshold"],
    }[alarm["ComparisonOperator"]]
    bad = [treatment == "breaching" if point is None else breaching(point) for point in points]
    return "ALARM" if all(bad) and (treatment != "missing" or None not in points) else "OK"
