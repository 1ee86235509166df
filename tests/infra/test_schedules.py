"""Schedules in the template: the sender of their runs, the time of their processing, and the daily report."""

import json
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from infra.schedules import daily_at
from oms.schedules import events as schedule_events
from oms.schedules import runs, scheduler_entries
from tests.support.template import QUEUE, Synthesized, all_mappings

SCHEDULE, GROUP, ROLE = "AWS::Scheduler::Schedule", "AWS::Scheduler::ScheduleGroup", "AWS::IAM::Role"
RUNS = "SchedulesScheduleRuns"
LOOKS = "EventsSchedules"


def name(reference: Any) -> str:
    return str(reference["Fn::GetAtt"][0])[:-8]


def settings_of(prod: Synthesized) -> dict[str, Any]:
    return dict(prod.functions()["Scheduler"]["Environment"]["Variables"])


def test_a_run_is_processed_a_quarter_of_an_hour_after_its_time(prod: Synthesized, local: Synthesized) -> None:
    """By then all items from before its time can be read, even with the slowest clock and index."""
    assert prod.one(QUEUE, RUNS)["DelaySeconds"] == 900
    assert local.one(QUEUE, RUNS)["DelaySeconds"] == 5, "as the stage's settle_seconds"


def test_runs_and_checks_come_one_by_one_and_a_failed_message_is_retried_alone(prod: Synthesized) -> None:
    mappings = {it["EventSourceArn"]["Fn::GetAtt"][0][:-8]: it for of, it in all_mappings(prod) if of == "Scheduler"}

    assert mappings.keys() == {RUNS, LOOKS}
    for queue, mapping in mappings.items():
        properties = prod.one(QUEUE, queue)
        assert (mapping["BatchSize"], mapping["FunctionResponseTypes"]) == (1, ["ReportBatchItemFailures"])
        assert properties["VisibilityTimeout"] >= 6 * prod.functions()["Scheduler"]["Timeout"]
        assert properties["MessageRetentionPeriod"] == 14 * 24 * 3600
        assert properties["RedrivePolicy"]["maxReceiveCount"] == 5


def test_the_scheduler_hears_of_schedules_that_come_and_go(prod: Synthesized) -> None:
    rule = prod.one("AWS::Events::Rule", "EventsSchedulesRule")

    assert rule["EventPattern"] == {"source": ["oms.internal"], "detail-type": [schedule_events.RECONCILE_TRIGGER]}
    assert name(rule["Targets"][0]["Arn"]) == LOOKS


def test_entries_are_created_with_the_values_of_the_template(prod: Synthesized) -> None:
    known = settings_of(prod)

    assert known["OMS_SCHEDULE_GROUP"] == prod.one(GROUP, "SchedulesGroup")["Name"] == "oms-prod"
    assert name(known["OMS_SCHEDULE_ROLE"]) == "SchedulesRole"
    assert name(known["OMS_SCHEDULE_TARGET"]) == RUNS
    assert name(known["OMS_SCHEDULE_DEAD_LETTERS"]) == f"{RUNS}DeadLetters"


def test_schedules_may_send_runs_and_nothing_else_and_only_those_of_this_group(prod: Synthesized) -> None:
    ((statement,),) = (
        policy["PolicyDocument"]["Statement"]
        for policy in prod.all("AWS::IAM::Policy").values()
        if policy["Roles"][0]["Ref"][:-8] == "SchedulesRole"
    )
    (trust,) = prod.one(ROLE, "SchedulesRole")["AssumeRolePolicyDocument"]["Statement"]

    assert "sqs:SendMessage" in statement["Action"]
    assert {name(it) for it in statement["Resource"]} == {RUNS, f"{RUNS}DeadLetters"}
    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert name(trust["Condition"]["StringEquals"]["aws:SourceArn"]) == "SchedulesGroup"
    assert trust["Condition"]["StringEquals"]["aws:SourceAccount"] == {"Ref": "AWS::AccountId"}


def test_the_role_of_schedules_is_handed_to_the_service_alone(prod: Synthesized) -> None:
    passing = [
        statement
        for policy in prod.all("AWS::IAM::Policy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Action"] == "iam:PassRole"
    ]

    assert [it["Condition"] for it in passing] == [{"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}]


def test_the_daily_run_comes_after_midnight_in_utc_and_one_that_is_not_taken_is_kept(prod: Synthesized) -> None:
    daily = prod.one(SCHEDULE, "SchedulesDaily")
    target = daily["Target"]

    assert (daily["ScheduleExpression"], daily["ScheduleExpressionTimezone"]) == ("cron(30 0 * * ? *)", "Etc/UTC")
    assert (daily["State"], daily["FlexibleTimeWindow"], daily["GroupName"]) == ("ENABLED", {"Mode": "OFF"}, "oms-prod")
    assert json.loads(target["Input"]) == {"schedule": runs.DAILY, "time": scheduler_entries.SCHEDULED_TIME}
    assert (name(target["Arn"]), name(target["DeadLetterConfig"]["Arn"])) == (RUNS, f"{RUNS}DeadLetters")
    assert name(target["RoleArn"]) == "SchedulesRole"


def test_the_daily_run_is_at_half_past_four_in_the_shops_zone() -> None:
    daily = daily_at("America/Santiago")

    assert daily.expression_string == "cron(30 4 * * ? *)"
    assert daily.time_zone
    assert daily.time_zone.timezone_name == "America/Santiago"


def test_half_past_four_comes_on_every_day_of_every_zone() -> None:
    """EventBridge Scheduler leaves out a run whose time the clocks skip."""
    run = datetime(2026, 1, 1, 4, 30)  # noqa: DTZ001
    moments = [run + timedelta(days=day) for day in range(2 * 366)]

    for name in files("tzdata").joinpath("zones").read_text().split():
        zone = ZoneInfo(name)
        skipped = [it for it in moments if it.replace(tzinfo=zone).utcoffset() != _offset_at(it, zone)]
        assert not skipped, name


def _offset_at(local: datetime, zone: ZoneInfo) -> timedelta | None:
    """Returns the offset of the zone when its clocks show this time; a different one if they never do."""
    moment = local.replace(tzinfo=zone).astimezone(UTC)
    return moment.astimezone(zone).utcoffset()


def test_functions_and_commands_have_the_zone_of_the_stage(prod: Synthesized) -> None:
    assert settings_of(prod)["OMS_TIME_ZONE"] == prod.template["Outputs"]["TimeZone"]["Value"] == "UTC"


def test_the_group_is_there_before_its_schedules_and_both_go_with_the_stack(prod: Synthesized) -> None:
    resources = prod.template["Resources"]
    ((group, properties),) = ((it, resources[it]) for it in prod.all(GROUP))
    (daily,) = (resources[it] for it in prod.all(SCHEDULE))

    assert group in daily["DependsOn"]
    assert properties["DeletionPolicy"] == "Delete"


def test_the_daily_report_goes_to_whom_the_stage_names(prod: Synthesized, local: Synthesized) -> None:
    assert settings_of(prod)["OMS_DAILY_REPORT_TO"] == "ada@shop.example,bob@shop.example"
    assert settings_of(local)["OMS_DAILY_REPORT_TO"] == ""
