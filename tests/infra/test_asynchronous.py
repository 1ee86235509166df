"""Queues and schedules: retries, retention and dead-letter queues."""

import json
import re
from collections import Counter
from pathlib import Path

from oms.commands import redrive
from tests.support.template import QUEUE, Synthesized, all_mappings, dead_letter_queues, mappings

# The queues for records that stream consumers quarantine: no function consumes these.
STREAMING = {"Bookkeeper", "Finder", "Publisher", "Sealer"}
POISON = {"StockBookBookkeeperPoison", "EventsPublisherPoison", "AuditSealerPoison", "SearchFinderPoison"}


def poison_queues(prod: Synthesized) -> set[str]:
    found = {name for name in prod.all(QUEUE) if name[:-8] in POISON}
    assert len(found) == len(POISON)
    return found


def test_f28_every_queue_has_a_dead_letter_queue(prod: Synthesized) -> None:
    dead = dead_letter_queues(prod)

    assert {name[:-8] for name in dead} == {
        "ExpiryQueue",
        "StockBookCheck",
        "EventsFeed",
        "EventsMail",
        "EventsMailRequests",
        "EventsAggregates",
        "EventsDispatch",
        "EventsExports",
        "EventsImports",
        "WebhooksDeliveries",
        "WebhooksSlowDeliveries",
        "WebhooksReplays",
        "EventsSchedules",
        "SchedulesScheduleRuns",
    }
    assert set(dead) | set(dead.values()) | poison_queues(prod) == set(prod.all(QUEUE))


def test_f28_dead_letters_are_kept_for_two_weeks(prod: Synthesized) -> None:
    for name in {*dead_letter_queues(prod).values(), *poison_queues(prod)}:
        assert prod.all(QUEUE)[name]["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_a_quarantined_record_of_the_largest_items_fits(prod: Synthesized) -> None:
    for name in poison_queues(prod):
        assert prod.all(QUEUE)[name]["MaximumMessageSize"] == 1024 * 1024


def test_f28_every_queue_refuses_plain_http(prod: Synthesized) -> None:
    guarded = set()
    for policy in prod.all("AWS::SQS::QueuePolicy").values():
        (queue,) = policy["Queues"]
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}:
                assert statement["Effect"] == "Deny"
                guarded.add(queue["Ref"])

    assert guarded == set(prod.all(QUEUE))


def test_the_expiry_worker_takes_one_message_and_reports_failures_alone(prod: Synthesized) -> None:
    mapping = mappings(prod)["Expiry"]
    queue = prod.one(QUEUE, "ExpiryQueue")

    assert mapping["EventSourceArn"]["Fn::GetAtt"][0][:-8] == "ExpiryQueue"
    assert mapping["BatchSize"] == 1
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] == 3
    assert queue["VisibilityTimeout"] >= 6 * prod.functions()["Expiry"]["Timeout"]


def test_the_sweeper_runs_every_minute_and_a_lost_run_is_kept(prod: Synthesized) -> None:
    rule = prod.one("AWS::Events::Rule", "ExpiryEveryMinute")
    (target,) = rule["Targets"]

    assert rule["ScheduleExpression"] == "rate(1 minute)"
    assert rule["State"] == "ENABLED"
    assert prod.function_of(target["Arn"])[:-8] == "FunctionsSweeper"
    assert target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0] in dead_letter_queues(prod).values()


def test_the_bookkeeper_reads_every_change_of_stock_and_levels_from_the_streams_beginning(prod: Synthesized) -> None:
    mapping = mappings(prod)["Bookkeeper"]
    name, attribute = mapping["EventSourceArn"]["Fn::GetAtt"]
    (pattern,) = (json.loads(it["Pattern"]) for it in mapping["FilterCriteria"]["Filters"])

    assert (name[:-8], attribute) == ("DataInventory", "StreamArn")
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert pattern == {"dynamodb": {"Keys": {"sk": {"S": ["stock", "level"]}}}}


def test_a_stream_batch_that_fails_is_retried_until_the_stream_drops_it_and_is_kept_then(prod: Synthesized) -> None:
    streaming = [(name, it) for name, it in all_mappings(prod) if "StartingPosition" in it]

    assert {name for name, _ in streaming} == STREAMING
    for _, mapping in streaming:
        assert mapping["BisectBatchOnFunctionError"] is True
        assert "MaximumRetryAttempts" not in mapping, "without end, until the record reaches its maximum age"
        assert mapping["MaximumRecordAgeInSeconds"] == 23 * 3600
        assert mapping["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0] in poison_queues(prod)
        # A consumer finishes its batch or raises: partial answers would be a second way to report the same.
        assert "FunctionResponseTypes" not in mapping


def test_each_stream_consumer_alone_knows_its_poison_queue(prod: Synthesized) -> None:
    environments = {name: it["Environment"]["Variables"] for name, it in prod.functions().items()}

    known = {name: it["OMS_POISON_QUEUE_URL"] for name, it in environments.items() if "OMS_POISON_QUEUE_URL" in it}
    assert known.keys() == STREAMING
    assert {it["Ref"] for it in known.values()} == poison_queues(prod)


def test_the_records_that_a_redrive_has_in_hand_are_run_again_before_another_may_take_them(prod: Synthesized) -> None:
    for name in STREAMING:
        assert redrive._MAX_BATCH * prod.functions()[name]["Timeout"] < redrive._VISIBILITY_TIMEOUT_SECONDS


def test_the_stock_ledger_is_checked_every_night_and_in_full_every_week(prod: Synthesized) -> None:
    rules = {name: prod.one("AWS::Events::Rule", f"StockBook{name}") for name in ("Nightly", "Weekly")}
    targets = {name: rule["Targets"][0] for name, rule in rules.items()}

    assert {name: rule["ScheduleExpression"] for name, rule in rules.items()} == {
        "Nightly": "cron(30 1 * * ? *)",
        "Weekly": "cron(30 4 ? * SUN *)",
    }
    assert {name: json.loads(target["Input"]) for name, target in targets.items()} == {
        "Nightly": {"start": "new"},
        "Weekly": {"start": "full"},
    }
    assert {target["Arn"]["Fn::GetAtt"][0][:-8] for target in targets.values()} == {"StockBookCheck"}


def test_a_check_takes_one_message_at_a_time_which_is_redelivered_after_its_worker_is_gone(prod: Synthesized) -> None:
    mapping, queue = mappings(prod)["Verifier"], prod.one(QUEUE, "StockBookCheck")

    assert mapping["EventSourceArn"]["Fn::GetAtt"][0][:-8] == "StockBookCheck"
    assert (mapping["BatchSize"], mapping["FunctionResponseTypes"]) == (1, ["ReportBatchItemFailures"])
    assert queue["RedrivePolicy"]["maxReceiveCount"] == 3
    assert queue["VisibilityTimeout"] >= 6 * prod.functions()["Verifier"]["Timeout"]


def test_each_queue_where_failures_wait_is_named_for_the_command_that_redrives_it(prod: Synthesized) -> None:
    outputs = prod.template["Outputs"]
    queues = {
        name: output["Value"]["Ref"] for name, output in outputs.items() if name.endswith(("DeadLetters", "Poison"))
    }
    names = Counter(name.removesuffix("DeadLetters").removesuffix("Poison").lower() for name in queues)

    assert set(queues.values()) == set(dead_letter_queues(prod).values()) | poison_queues(prod)
    assert set(names.values()) == {1}
    assert len(set(dead_letter_queues(prod).values())) == len(dead_letter_queues(prod)), "each goes back to one queue"
    for name, queue in queues.items():
        if name.endswith("Poison"):
            function = prod.function_of(outputs[f"{name.removesuffix('Poison')}Function"]["Value"])
            environment = prod.all("AWS::Lambda::Function")[function]["Environment"]["Variables"]
            assert environment["OMS_POISON_QUEUE_URL"] == {"Ref": queue}, "that function runs it again"
    _, _, section = Path("docs/operate/operations.md").read_text().partition("\n## Each queue\n")
    rows = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    documented = {name.lower() for row in rows for name in re.findall("`(.*?)`", row.split("|")[1])}
    assert documented == set(names)
