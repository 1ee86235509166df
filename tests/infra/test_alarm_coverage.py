"""Coverage of the alarms, derived from the template: a new queue, function or table without its alarm fails here."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.alarms import alarms, judge, on_metric, queries, referred, watched
from tests.support.metrics import emitted_by
from tests.support.template import QUEUE, Synthesized, all_mappings

FUNCTION = "AWS::Lambda::Function"
RULE = "AWS::Events::Rule"
# SQS counts each minute, and the alarms' periods are five minutes.
SHORTEST = 900


@pytest.fixture(params=["prod", "dev", "local"])
def stage(request: pytest.FixtureRequest) -> Synthesized:
    synthesized: Synthesized = request.getfixturevalue(request.param)
    return synthesized


def silences(stage: Synthesized) -> dict[str, dict[str, str]]:
    """construct id → the dimensions of the alarms on a metric that has ended"""
    return {
        name: {it["Name"]: it["Value"] for it in alarm["Dimensions"]}
        for name, alarm in alarms(stage).items()
        if alarm["ComparisonOperator"] == "LessThanThreshold"
    }


def test_f28_every_function_has_an_alarm_on_its_first_error(stage: Synthesized) -> None:
    found = watched(stage, "AWS/Lambda", "Errors")

    assert set(found) == set(stage.all(FUNCTION))
    assert {alarm["Threshold"] for alarm in found.values()} == {1}


def service_behind(stage: Synthesized, target: dict[str, Any]) -> str:
    """Returns the service of the function that is a rule's target, or that consumes the target's queue."""
    fed = {referred(mapping["EventSourceArn"]): function for function, mapping in all_mappings(stage)}
    behind_queue = fed.get(referred(target["Arn"]))
    return (behind_queue or stage.function_of(target["Arn"]).removeprefix("Functions")[:-8]).lower()


def consumed(stage: Synthesized) -> set[str]:
    """Returns the queues that a function consumes."""
    return {
        referred(mapping["EventSourceArn"]) for _, mapping in all_mappings(stage) if "StartingPosition" not in mapping
    }


def test_f28_every_queue_of_failures_has_an_alarm_on_its_first_message(stage: Synthesized) -> None:
    found = watched(stage, "AWS/SQS", "ApproximateNumberOfMessagesVisible")

    # No function consumes these: they are for failures.
    assert set(found) == set(stage.all(QUEUE)) - consumed(stage)
    assert {alarm["Threshold"] for alarm in found.values()} == {1}


def test_f28_every_queue_with_a_consumer_has_an_alarm_on_its_oldest_message(stage: Synthesized) -> None:
    found = watched(stage, "AWS/SQS", "ApproximateAgeOfOldestMessage")

    assert set(found) == consumed(stage)
    for name, alarm in found.items():
        queue = stage.all(QUEUE)[name]
        # A message that waits as intended raises no alarm, and the alarm is raised long before messages expire.
        assert queue.get("DelaySeconds", 0) + SHORTEST <= alarm["Threshold"] <= queue["MessageRetentionPeriod"] / 4
        assert alarm["Statistic"] == "Maximum"


def test_every_function_on_a_stream_has_an_alarm_on_its_age(stage: Synthesized) -> None:
    streaming = {name for name, mapping in all_mappings(stage) if "StartingPosition" in mapping}
    found = watched(stage, "AWS/Lambda", "IteratorAge")

    assert {name.removeprefix("Functions")[:-8] for name in found} == streaming
    assert {alarm["Threshold"] for alarm in found.values()} == {3_600_000}


SERVING = {"Auth", "Passwords", "Inventory", "Orders", "Admin", "Webhooks", "Reports", "Docs"}


@pytest.mark.parametrize(
    ("metric", "schema", "named"),
    [
        ("ThrottledRequests", '"AWS/DynamoDB", TableName, Operation', "AWS::DynamoDB::GlobalTable"),
        ("SystemErrors", '"AWS/DynamoDB", TableName, Operation', "AWS::DynamoDB::GlobalTable"),
        ("RecursiveInvocationsDropped", '"AWS/Lambda", FunctionName', FUNCTION),
    ],
)
def test_every_table_and_function_is_named_by_the_queries_for_rare_failures(
    prod: Synthesized, dev: Synthesized, metric: str, schema: str, named: str
) -> None:
    for stage in (prod, dev):
        ((text, names, longest),) = (it for it in queries(stage) if f"({metric})" in it[0])
        dimension = schema.split(", ")[1]

        # The functions with routes are invoked by the gateway alone.
        serving = {it for it in stage.all(named) if it.removeprefix("Functions")[:-8] in SERVING}
        assert names == set(stage.all(named)) - serving
        start, _, condition = text.partition(" WHERE ")
        assert start == f"SELECT SUM({metric}) FROM SCHEMA({schema})"  # noqa: S608 - compared, never run
        assert condition.split(" OR ") == [f"{dimension} = ''"] * len(names)
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDataQuery.html
        assert longest <= 2048


def test_the_accounts_concurrency_is_watched_with_its_throttles(prod: Synthesized) -> None:
    (throttled,) = on_metric(prod, "AWS/Lambda", "Throttles")
    (claimed,) = on_metric(prod, "AWS/Lambda", "ClaimedAccountConcurrency")

    assert "Dimensions" not in throttled, "of all functions of the account: they share the quota"
    assert "Dimensions" not in claimed
    assert (claimed["Threshold"], claimed["Statistic"]) == (800, "Maximum")


def test_the_api_is_watched_for_errors_slow_answers_and_refused_clients(stage: Synthesized) -> None:
    (api,) = stage.all("AWS::ApiGatewayV2::Api")
    latency = watched(stage, "AWS/ApiGateway", "Latency")[api]
    (counter,) = stage.all("AWS::Logs::MetricFilter").values()
    (http,) = stage.all("AWS::ApiGatewayV2::Stage").values()
    (transformation,) = counter["MetricTransformations"]
    log = http["AccessLogSettings"]

    assert watched(stage, "AWS/ApiGateway", "5xx")[api]["Threshold"] == 1
    assert (latency["ExtendedStatistic"], latency["EvaluateLowSampleCountPercentile"]) == ("p99", "ignore")
    # The filter reads the access log's field, in the log group of the access log.
    assert json.loads(log["Format"])["status"] == "$context.status"
    assert counter["FilterPattern"] == '{ $.status = "429" }'
    assert referred(counter["LogGroupName"]) == referred(log["DestinationArn"])
    assert len(on_metric(stage, transformation["MetricNamespace"], transformation["MetricName"])) == 1


def test_every_group_of_schedules_is_watched_for_runs_that_do_not_arrive(stage: Synthesized) -> None:
    names = {group["Name"] for group in stage.all("AWS::Scheduler::ScheduleGroup").values()}

    assert names
    for metric in ("TargetErrorCount", "InvocationDroppedCount"):
        found = on_metric(stage, "AWS/Scheduler", metric)
        assert {(it["Dimensions"][0]["Name"], it["Dimensions"][0]["Value"]) for it in found} == {
            ("ScheduleGroup", name) for name in names
        }


def test_bounces_and_complaints_are_counted_and_watched_where_mail_is_sent(
    prod: Synthesized, local: Synthesized
) -> None:
    ((set_id, configuration_set),) = prod.all("AWS::SES::ConfigurationSet").items()
    (destination,) = prod.all("AWS::SES::ConfigurationSetEventDestination").values()

    assert configuration_set["ReputationOptions"] == {"ReputationMetricsEnabled": True}
    for metric, rate in (("Reputation.BounceRate", 0.05), ("Reputation.ComplaintRate", 0.001)):
        (alarm,) = on_metric(prod, "AWS/SES", metric)
        assert alarm["Dimensions"] == [{"Name": "ses:configuration-set", "Value": configuration_set["Name"]}]
        assert alarm["Threshold"] == rate
    assert referred(destination["ConfigurationSetName"]) == set_id
    assert {"bounce", "complaint"} <= set(destination["EventDestination"]["MatchingEventTypes"])
    assert not [name for name in alarms(local) if name.startswith("Mail") and not name.endswith(("Letters", "Behind"))]


def test_every_function_that_signs_tokens_has_an_alarm_on_a_missing_key(stage: Synthesized) -> None:
    signing = {
        function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
        for function in stage.functions().values()
        if "OMS_SIGNING_KEYS_SECRET" in function["Environment"]["Variables"]
    }
    namespace = f"Oms/{stage.stage}"

    found = on_metric(stage, namespace, "SigningKeyMissing")
    assert {dimension["Value"] for alarm in found for dimension in alarm["Dimensions"]} == signing


def test_every_job_of_a_timetable_has_an_alarm_on_its_silence(stage: Synthesized) -> None:
    jobs = {
        service_behind(stage, target)
        for rule in stage.all(RULE).values()
        if "ScheduleExpression" in rule
        for target in rule["Targets"]
    }

    assert {it["service"] for it in silences(stage).values()} == jobs == {"sweeper", "verifier", "sealer"}


def test_events_that_a_rule_cannot_deliver_are_kept_or_their_job_is_missed(stage: Synthesized) -> None:
    watched_jobs = {it["service"] for it in silences(stage).values()}

    for name, rule in stage.all(RULE).items():
        for target in rule["Targets"]:
            if "DeadLetterConfig" not in target:
                assert service_behind(stage, target) in watched_jobs, f"{name} may fail without an alarm"


def test_no_alarm_is_red_before_anything_has_happened(stage: Synthesized) -> None:
    for name, alarm in alarms(stage).items():
        nothing = [None] * alarm["EvaluationPeriods"]
        assert judge(alarm, nothing) != "ALARM", f"{name} is red from its creation"
        if name not in silences(stage):
            assert judge(alarm, [0.0] * alarm["EvaluationPeriods"]) == "OK", f"{name} is red without traffic"


def test_a_job_that_ran_once_and_never_again_raises_an_alarm(stage: Synthesized) -> None:
    for name in silences(stage):
        alarm = alarms(stage)[name]
        periods = alarm["EvaluationPeriods"]

        assert alarm["Statistic"] == "SampleCount"
        assert judge(alarm, [*[None] * (periods - 1), 1.0]) == "OK"
        assert judge(alarm, [1.0, *[None] * (periods - 1)]) == "OK"
        assert judge(alarm, [None] * periods) == "INSUFFICIENT_DATA"
        # The topic gets the alarm state and its end.
        assert alarm["InsufficientDataActions"] == alarm["OKActions"] != []


@pytest.mark.parametrize(
    ("name", "due_every", "alarm_within"),
    [
        ("SweeperSilent", 60, 15 * 60),
        ("AuditUnwitnessed", 3600, 4 * 3600),
        ("StockUncheckedAtNight", 24 * 3600, 27 * 3600),
    ],
)
def test_silence_is_longer_than_the_time_between_two_runs(
    prod: Synthesized, name: str, due_every: int, alarm_within: int
) -> None:
    alarm = alarms(prod)[name.removesuffix("AtNight")]

    assert due_every < alarm["Period"] * alarm["EvaluationPeriods"] <= alarm_within
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html: seven days by the hour
    assert alarm["Period"] * alarm["EvaluationPeriods"] <= (7 if alarm["Period"] >= 3600 else 1) * 24 * 3600


def own(stage: Synthesized) -> Iterator[tuple[str, str, str]]:
    """construct id, metric and service of each alarm on a metric that functions emit"""
    for name, alarm in alarms(stage).items():
        if alarm.get("Namespace") == f"Oms/{stage.stage}" and "Dimensions" in alarm:
            ((dimension, service),) = ((it["Name"], it["Value"]) for it in alarm["Dimensions"])
            assert dimension == "service", "as the functions' metrics are named"
            yield name, alarm["MetricName"], service


def test_every_metric_of_our_own_that_is_watched_is_emitted_by_the_function_that_it_names(stage: Synthesized) -> None:
    handlers = {
        function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]: function["Handler"]
        for function in stage.functions().values()
    }

    assert list(own(stage))
    for name, metric, service in own(stage):
        assert any(it.fullmatch(metric) for it in emitted_by(handlers[service])), f"{name}: {metric} is never emitted"
