"""The path of events: from the streams to the bus, and from there by a rule and a queue to each consumer."""

import json
from typing import Any

from oms.events.types import EVENT_TYPES
from oms.feed import service as feed
from oms.orders import events as orders
from oms.reports import aggregation
from tests.support.template import MAPPING, QUEUE, RULE, Synthesized, all_mappings, dead_letter_queues, rules_of_the_bus


def streams(prod: Synthesized, function: str) -> dict[str, list[Any]]:
    """Returns the table whose stream a function reads → the patterns, one of which a record must match (none: all
    records)
    """
    return {
        mapping["EventSourceArn"]["Fn::GetAtt"][0][:-8]: [
            json.loads(it["Pattern"]) for it in mapping.get("FilterCriteria", {"Filters": []})["Filters"]
        ]
        for name, mapping in all_mappings(prod)
        if name == function
    }


def test_there_is_one_bus_named_by_its_stage(prod: Synthesized) -> None:
    ((bus, properties),) = prod.all("AWS::Events::EventBus").items()

    assert properties["Name"] == "oms-prod"
    assert {rule["EventBusName"]["Ref"] for rule in rules_of_the_bus(prod).values()} == {bus}
    assert prod.functions()["Publisher"]["Environment"]["Variables"]["OMS_EVENT_BUS"] == {"Ref": bus}


def test_the_publisher_reads_only_records_that_cause_events(prod: Synthesized) -> None:
    assert streams(prod, "Publisher") == {
        "DataOrders": [],
        "DataInventory": [{"dynamodb": {"Keys": {"sk": {"S": ["stock", "product", "level", "adjustment"]}}}}],
        "DataIdentity": [
            {"dynamodb": {"NewImage": {"kind": {"S": ["user"]}}}},
            {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"kind": {"S": ["mail-request"]}}}},
            {"dynamodb": {"NewImage": {"kind": {"S": ["counter"]}, "locked_at": {"S": [{"exists": True}]}}}},
        ],
        "DataWebhooks": [{"dynamodb": {"NewImage": {"kind": {"S": ["subscription"]}, "status": {"S": ["disabled"]}}}}],
        "DataReports": [
            {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"kind": {"S": ["export"]}}}},
            {"dynamodb": {"NewImage": {"kind": {"S": ["export"]}, "status": {"S": ["cancelled", "done"]}}}},
            {"dynamodb": {"NewImage": {"kind": {"S": ["import"]}, "status": {"S": ["queued", "cancelled"]}}}},
            {"eventName": ["INSERT", "REMOVE"], "dynamodb": {"Keys": {"pk": {"S": ["schedules"]}}}},
        ],
    }


def test_users_whose_orders_are_counted_do_not_invoke_the_publisher_each_for_itself(prod: Synthesized) -> None:
    (mapping,) = (
        it
        for name, it in all_mappings(prod)
        if name == "Publisher" and it["EventSourceArn"]["Fn::GetAtt"][0].startswith("DataIdentity")
    )

    assert (mapping["MaximumBatchingWindowInSeconds"], mapping["BatchSize"]) == (1, 100)


def test_a_rule_delivers_the_event_alone_and_undelivered_ones_are_kept(prod: Synthesized) -> None:
    dead = dead_letter_queues(prod)
    rules = rules_of_the_bus(prod)
    assert rules
    for rule in rules.values():
        (target,) = rule["Targets"]
        queue = target["Arn"]["Fn::GetAtt"][0]

        assert rule["State"] == "ENABLED"
        assert target["InputPath"] == "$.detail", "consumers store the published text unchanged"
        assert target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0] == dead[queue]


def test_the_feed_gets_all_events_and_nothing_internal(prod: Synthesized) -> None:
    rule = prod.one(RULE, "EventsFeedRule")

    assert rule["EventPattern"] == {"source": ["oms"]}
    assert rule["Targets"][0]["Arn"]["Fn::GetAtt"][0][:-8] == "EventsFeed"


# After five tries of a mail it is unknown whether SES will accept it soon.
TRIES = {"EventsMail": 10, "EventsMailRequests": 10}


def test_a_queue_of_events_gives_its_function_time_to_try_again_and_two_weeks(prod: Synthesized) -> None:
    rules = rules_of_the_bus(prod)
    queues = {rule["Targets"][0]["Arn"]["Fn::GetAtt"][0] for rule in rules.values()}
    seen = set()
    for mapping in prod.all(MAPPING).values():
        name = mapping["EventSourceArn"]["Fn::GetAtt"][0]
        if name in queues:
            seen.add(name)
            function = prod.all("AWS::Lambda::Function")[prod.function_of(mapping["FunctionName"])]
            queue = prod.all(QUEUE)[name]
            assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]
            assert queue["RedrivePolicy"]["maxReceiveCount"] == TRIES.get(name[:-8], 5)
            assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
            assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert seen == queues


def test_the_feeder_takes_the_events_of_one_transaction(prod: Synthesized) -> None:
    (mapping,) = (it for name, it in all_mappings(prod) if name == "Feeder")

    assert (mapping["BatchSize"], mapping["MaximumBatchingWindowInSeconds"]) == (feed.MAX_EVENTS, 1)
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}


def test_the_feeder_gets_a_new_version_after_the_readers_of_the_feed(prod: Synthesized, dev: Synthesized) -> None:
    for stage in (prod, dev):
        aliases = {name[:-8]: name for name in stage.all("AWS::Lambda::Alias")}
        feeder = stage.template["Resources"][aliases["FunctionsFeederLive"]]
        assert aliases["FunctionsWebhooksLive"] in feeder["DependsOn"]


def test_the_feeder_has_time_for_conflicts_until_it_gives_up(prod: Synthesized) -> None:
    feeder = prod.one("AWS::Lambda::Function", "FunctionsFeeder")

    assert feeder["Timeout"] > feed._DEADLINE_SECONDS + 6, "the last call may take six seconds"


def test_the_aggregator_ends_its_calls_before_its_time_is_over(prod: Synthesized) -> None:
    aggregator_seconds = prod.functions()["Aggregator"]["Timeout"]

    assert aggregator_seconds >= aggregation.START_DEADLINE_SECONDS + 6, "the last call may take six seconds"


def test_the_aggregator_gets_events_of_orders_and_roles_of_users(prod: Synthesized) -> None:
    rule = prod.one(RULE, "EventsAggregatesRule")

    assert rule["EventPattern"] == {
        "source": ["oms"],
        "detail-type": [{"prefix": "order."}, "user.registered", "user.role_changed"],
    }
    assert {name for name in EVENT_TYPES if name.startswith("order.")} == orders.PAYLOADS.keys()
    assert {"user.registered", "user.role_changed"} <= EVENT_TYPES.keys()
    assert rule["Targets"][0]["Arn"]["Fn::GetAtt"][0][:-8] == "EventsAggregates"
    (mapping,) = (it for name, it in all_mappings(prod) if name == "Aggregator")
    assert mapping["EventSourceArn"]["Fn::GetAtt"][0][:-8] == "EventsAggregates"
