"""Capacity: docs/operate/capacity.md has the figures that follow from the template."""

import json
import re
from dataclasses import dataclass
from functools import cache
from math import ceil, floor, log10
from pathlib import Path
from typing import Any

import pytest

from benchmarks.capacity.__main__ import event_sources
from benchmarks.capacity.plan import PARTS
from infra.events import FEED_BATCH_SIZE
from infra.stages import Stage
from oms.feed.models import MAX_EVENTS, FeedRow
from oms.reports.sum_keys import SHARDS
from tests.support.feed import an_event
from tests.support.template import DEV_SETTINGS, MAPPING, QUEUE, Synthesized

PAGE = Path("docs/operate/capacity.md")
QUEUES = {
    "Mail": "EventsMail",
    "MailRequests": "EventsMailRequests",
    "Deliveries": "WebhooksDeliveries",
    "SlowDeliveries": "WebhooksSlowDeliveries",
    "Dispatch": "EventsDispatch",
    "Replays": "WebhooksReplays",
    "Exports": "EventsExports",
    "Imports": "EventsImports",
    "Aggregates": "EventsAggregates",
    "Feed": "EventsFeed",
    "Expiry": "ExpiryQueue",
}
STREAMS = ("Publisher", "Bookkeeper", "Finder", "Sealer")
# One message is for ten deliveries, and exports and imports process rows while their function runs.
IN_A_MESSAGE = {"Replays": 10, "Exports": 9000, "Imports": 500}
# Few and short: four calls a run, or one run in a day.
NO_LIMIT = {"EventsSchedules", "SchedulesScheduleRuns", "StockBookCheck"}


@dataclass(frozen=True)
class Row:
    cells: list[str]

    def number(self, column: int) -> float:
        return float(self.cells[column].split()[0])

    def has(self, column: int) -> bool:
        return bool(self.cells[column].strip(" -"))

    def names(self, column: int) -> set[str]:
        return set(re.findall("`(.*?)`", self.cells[column]))


@cache
def rows(section: str) -> dict[str, Row]:
    """name → the rest of its row, of the table below a heading"""
    text = PAGE.read_text().partition(f"## {section}\n")[2].partition("\n## ")[0]
    lines = [[it.strip() for it in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")]
    return {first.strip("`"): Row(rest) for first, *rest in lines[1:]}


def two_digits(value: float) -> float:
    """Returns the first two digits of a figure: more would suggest too much precision."""
    unit = 10 ** (floor(log10(value)) - 1)
    return floor(value / unit + 0.5) * unit


def mapping_of(synthesized: Synthesized, queue: str) -> dict[str, Any]:
    (found,) = (
        it
        for it in synthesized.all(MAPPING).values()
        if it["EventSourceArn"]["Fn::GetAtt"][0][:-8] == queue and it["EventSourceArn"]["Fn::GetAtt"][1] == "Arn"
    )
    return found


def at_once(synthesized: Synthesized, name: str) -> int:
    if name == "Expiry":  # a message a minute for each shard, and so a worker
        return int(synthesized.template["Outputs"]["OrderShards"]["Value"])
    return int(mapping_of(synthesized, QUEUES[name])["ScalingConfig"]["MaximumConcurrency"])


def check(name: str, row: Row, *, at_once: int, batch: int) -> None:
    assert (row.number(0), row.number(1)) == (at_once, batch), name
    bears = at_once * batch / row.number(2)
    assert row.number(3) == pytest.approx(two_digits(bears)), name
    if row.has(4):
        assert row.number(5) == pytest.approx(two_digits(bears / row.number(4))), name


def test_each_queue_that_could_be_too_slow_has_its_figures(prod: Synthesized) -> None:
    queues = rows("Queues")

    fed = {it["EventSourceArn"]["Fn::GetAtt"][0] for it in prod.all(MAPPING).values()} & prod.all(QUEUE).keys()
    assert {name[:-8] for name in fed} == {*QUEUES.values(), *NO_LIMIT}
    assert queues.keys() == QUEUES.keys()
    for name, row in queues.items():
        batch = mapping_of(prod, QUEUES[name])["BatchSize"] * IN_A_MESSAGE.get(name, 1)
        check(name, row, at_once=at_once(prod, name), batch=batch)


def test_each_consumer_of_streams_has_its_figures(prod: Synthesized) -> None:
    streams = rows("Streams")

    assert streams.keys() == set(STREAMS)
    for name, row in streams.items():
        (found,) = {
            (it["ParallelizationFactor"], it["BatchSize"])
            for it in prod.all(MAPPING).values()
            if prod.function_of(it["FunctionName"]).removeprefix("Functions")[:-8] == name
        }
        check(name, row, at_once=found[0], batch=found[1])


def test_the_api_has_its_figures(prod: Synthesized) -> None:
    (row,) = rows("Requests").values()
    settings = prod.one("AWS::ApiGatewayV2::Stage", "ApiStage")["DefaultRouteSettings"]

    assert row.number(0) == settings["ThrottlingRateLimit"]
    assert row.number(2) == row.number(0) / row.number(1)


def test_keys_that_share_a_partition_have_their_figures() -> None:
    found = [row for row in rows("Tables").values() if row.number(0)]

    assert len(found) == 8
    for row in found:
        assert row.number(1) == floor(1000 / row.number(0))


def test_the_feed_spreads_its_writes_as_the_page_computes() -> None:
    tables, events_of_order = rows("Tables"), rows("Queues")["Feed"].number(4)
    body = json.dumps(an_event(size=1200))
    row = FeedRow(*FeedRow.key(1), event_id="1" * 24, type="order.created", body=body, expires_at=1)
    units = 2 * ceil(sum(len(name) + len(str(value)) for name, value in row.serialize().items()) / 1024)
    shards = {FeedRow.key(position)[0] for position in range(100_000)}

    assert tables["a shard of the event feed"].number(0) == units * events_of_order / len(shards)
    assert tables["the head of the event feed"].number(0) == 2 * events_of_order / MAX_EVENTS


@pytest.mark.parametrize("sums", ["product of a day", "category of a month"])
def test_the_shards_of_sums_bear_more_than_a_thousand_orders_a_second(sums: str) -> None:
    row = rows("Tables")[f"a shard of the sums by {sums}"]
    products, units_of_a_write_in_a_transaction = 2, 2

    assert row.number(0) == products * units_of_a_write_in_a_transaction / SHARDS
    assert row.number(1) >= 2 * 1000


def test_the_concurrency_of_all_queues_is_added_up(prod: Synthesized) -> None:
    limits = [it["ScalingConfig"] for it in prod.all(MAPPING).values() if "ScalingConfig" in it]
    together = sum(it["MaximumConcurrency"] for it in limits)

    assert f"run at most {together} at once" in PAGE.read_text()
    assert f"take up to {together}, streams" in PAGE.read_text()


def test_a_setting_that_the_page_names_for_a_figure_raises_it(prod: Synthesized, dev: Synthesized) -> None:
    tables = rows("Queues") | rows("Streams") | rows("Requests") | rows("Tables")
    settings = {name for row in tables.values() for name in set().union(*map(row.names, range(2, len(row.cells))))}

    assert {it for it in settings if it.islower()} <= Stage.model_fields.keys()
    for name, row in rows("Queues").items():
        for setting in row.names(6):
            assert DEV_SETTINGS[setting] == at_once(dev, name) > at_once(prod, name), f"{setting} for {name}"


@pytest.mark.parametrize(
    "setting", ["mail_concurrency", "dispatch_concurrency", "feed_concurrency", "replay_concurrency"]
)
@pytest.mark.parametrize("value", [1, 1001])
def test_sqs_takes_no_less_than_two_and_no_more_than_a_thousand_at_once(setting: str, value: int) -> None:
    with pytest.raises(ValueError, match=setting):
        Stage(name="prod", **{setting: value})


def test_what_says_that_it_is_time_is_an_alarm(prod: Synthesized) -> None:
    alarms = {name.removeprefix("Alarms")[:-8] for name in prod.all("AWS::CloudWatch::Alarm")}
    named = {alarm for row in (rows("Queues") | rows("Streams") | rows("Requests")).values() for alarm in row.names(-1)}
    documented = set(re.findall(r"`([A-Z][A-Za-z]*(?:Throttled|Concurrency))`", PAGE.read_text()))

    assert named
    assert documented
    assert named | documented <= alarms


def test_the_simulations_read_the_event_sources_from_the_template(prod: Synthesized) -> None:
    sources = event_sources(prod)

    assert {source for part in PARTS for source in part.sources} <= sources.keys()
    assert sources["Feeder", "EventsFeed"] == {"batch": FEED_BATCH_SIZE, "concurrency": 2, "window": 1, "timeout": 60}
    assert sources["Bookkeeper", "DataInventory"]["concurrency"] == 4


def test_the_page_shows_each_simulated_part() -> None:
    text = PAGE.read_text()
    shown = re.findall(r"!\[[^\]]+\]\(\.\./images/capacity-([a-z-]+)\.svg\)", text)

    assert sorted(shown) == sorted(part.name for part in PARTS)
    for part in PARTS:
        assert f"| {part.title} " in text
