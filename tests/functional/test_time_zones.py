"""Days in reports, exports, lists, order numbers and mails are the shop's, also when its clocks change."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import batched, pairwise
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from oms.commands import rebuild_reports as rebuild
from oms.commands import stacks
from oms.core import clock
from oms.core.settings import settings
from oms.orders.models import Order
from oms.schedules import runs
from oms.schedules import service as schedules
from oms.schedules.models import Schedule
from oms.schedules.schemas import CreateScheduleRequest
from oms.webhooks import outcomes
from tests.support.deployment import deployed_with
from tests.support.event_bus import published
from tests.support.exports import exported
from tests.support.gateway import call, places
from tests.support.invocation import Person
from tests.support.mail import notify, order_event, set_up
from tests.support.open_order_counts import aggregate
from tests.support.past_orders import Past
from tests.support.past_sales import Sold, events_of_orders, store
from tests.support.schedules import addressed
from tests.support.shop import Shop
from tests.support.streams import streamed

SALES, STATS, ORDERS = "/api/v1/reports/sales", "/api/v1/admin/stats", "/api/v1/orders"


class Change(NamedTuple):
    """A day on which the clocks of a zone change."""

    zone: str
    day: date

    @property
    def rules(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def around(self, days: int) -> date:
        return self.day + timedelta(days=days)

    def orders(self, number: int = 60, **fields: Any) -> list[Order]:
        """Stores orders of that day, the two days before and the two after it, many near midnight."""
        last = self.around(2)
        return list(Past(number=number, days=5, last=last, zone=self.rules, lines=2, **fields).orders())


# Both clock changes of a year: by an hour, by half an hour, and at midnight, so that a day begins at one o'clock.
CHANGES = [
    Change(zone, date.fromisoformat(day))
    for zone, days in {
        "Europe/Berlin": ("2026-03-29", "2026-10-25"),
        "America/New_York": ("2026-03-08", "2026-11-01"),
        "Australia/Lord_Howe": ("2026-10-04", "2026-04-05"),
        "America/Santiago": ("2026-09-06", "2026-04-04"),
    }.items()
    for day in days
]
BERLIN = CHANGES[0]


@pytest.fixture(params=CHANGES, ids=[f"{it.zone} {it.day}" for it in CHANGES])
def change(cloud: None, request: pytest.FixtureRequest) -> Iterator[Change]:
    with deployed_with(TIME_ZONE=request.param.zone):
        yield request.param


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str | datetime], None]:
    """Sets the clock."""

    def set_to(moment: str | datetime) -> None:
        at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        monkeypatch.setattr(clock, "now", lambda: at)

    return set_to


def summed_up(orders: list[Order]) -> None:
    store(orders)
    for batch in batched(events_of_orders(orders), 50, strict=False):
        assert aggregate(batch) == []


def get(path: str, person: Person) -> Any:
    answer = call("GET", path, token=person.token)
    assert answer.status == 200, answer.text
    return answer.json


def iso_week(day: str) -> str:
    year, week, _ = date.fromisoformat(day).isocalendar()
    return f"{year}-W{week:02}"


# ---- reports --------------------------------------------------------------------------------------------------------


def test_f21_every_report_equals_a_sum_straight_from_the_orders_of_its_days(
    change: Change, manager: Person, subtests: pytest.Subtests
) -> None:
    orders = change.orders()
    summed_up(orders)
    groups: dict[str, Callable[[Sold], Any]] = {
        "day": lambda sold: sold.by_time(lambda day: day),
        "week": lambda sold: sold.by_time(iso_week),
        "month": lambda sold: sold.by_time(lambda day: day[:7]),
        "product": lambda sold: sold.by_line(lambda line: line.product_id),
        "category": lambda sold: sold.by_line(lambda line: line.category),
    }

    for before, after in ((-2, 2), (0, 0), (-1, 0), (0, 1)):
        first, last = change.around(before), change.around(after)
        sold = Sold(orders, first, last, zone=change.rules)
        assert sold.good
        for group, expected in groups.items():
            with subtests.test(f"{first} to {last} by {group}"):
                assert get(f"{SALES}?from={first}&to={last}&group_by={group}", manager) == expected(sold)


def test_the_sums_of_the_days_are_as_the_orders_say(change: Change) -> None:
    summed_up(change.orders())

    for day in range(-3, 4):
        found = rebuild.check_day(change.around(day).isoformat(), shards=1)
        assert not [*found.differences, *found.moving]


def test_statistics_count_todays_and_the_last_days_orders(
    change: Change, person: Callable[..., Person], at: Callable[[datetime], None]
) -> None:
    orders = change.orders()
    summed_up(orders)
    for edge in (time(0, 0, 0), time(23, 59, 59)):
        # If midnight does not exist, this is the time before it: the day has not begun.
        at(max(datetime.combine(change.day, edge, change.rules).astimezone(UTC), clock.start_of(change.day)))
        revenue = get(STATS, person("admin"))["revenue"]
        for name, days in (("today", 1), ("last_7_days", 7)):
            sold = Sold(orders, change.around(1 - days), change.day, zone=change.rules)
            assert revenue[name] == sold.by_time(lambda _: "all")["totals"]["revenue"], name


def test_the_default_ends_today(change: Change, person: Callable[..., Person], at: Callable[[datetime], None]) -> None:
    first = clock.start_of(change.day)
    for moment, today in ((first - timedelta(milliseconds=1), change.around(-1)), (first, change.day)):
        at(moment)
        report = get(SALES, person("manager"))
        assert (report["from"], report["to"]) == (str(today - timedelta(days=29)), str(today))


def test_deliveries_of_seven_days_are_those_of_the_shop(
    cloud: None, person: Callable[..., Person], at: Callable[[str], None]
) -> None:
    with deployed_with(TIME_ZONE="Pacific/Auckland"):
        for moment in ("2026-01-01T10:59:59Z", "2026-01-01T11:00:00Z", "2026-01-08T10:00:00Z"):
            at(moment)
            outcomes.count("delivered", "D1")

        assert get(STATS, person("admin"))["deliveries"]["delivered"] == 2, "without that of New Year's day there"


# ---- lists and exports ----------------------------------------------------------------------------------------------


def test_a_date_in_a_list_or_an_export_is_the_whole_day(change: Change, files: None, manager: Person) -> None:
    orders = change.orders(30)
    summed_up(orders)
    for before, after in ((0, 0), (-1, 1)):
        first, last = change.around(before), change.around(after)
        expected = {it.id for it in Sold(orders, first, last, zone=change.rules).orders}
        assert expected

        listed = get(f"{ORDERS}?from={first}&to={last}&limit=100", manager)["items"]
        rows = exported(manager, **{"from": str(first), "to": str(last)})

        assert {it["id"] for it in listed} == {it["order_id"] for it in rows} == expected
        assert {it["created_at"][-1] for it in (*listed, *rows)} == {"Z"}, "times are UTC's"


def test_an_export_of_sales_has_the_days_of_the_report(change: Change, files: None, manager: Person) -> None:
    summed_up(change.orders())
    first, last = change.around(-2), change.around(2)

    rows = exported(manager, report="sales", **{"from": str(first), "to": str(last)})

    series = get(f"{SALES}?from={first}&to={last}", manager)["series"]
    shown = [{name: str(it[name]) for name in ("key", "orders", "units", "revenue")} for it in series]
    assert [{name: it["date" if name == "key" else name] for name in shown[0]} for it in rows] == shown


def test_an_export_of_sales_takes_only_days_of_the_shop(cloud: None, manager: Person) -> None:
    with deployed_with(TIME_ZONE="Europe/Berlin"):
        body = {"report": "sales", "from": "2026-03-29T00:00:00Z", "to": "2026-03-29T22:00:00Z"}

        answer = call("POST", "/api/v1/reports/exports", body, token=manager.token)

        assert places(answer) == {"#/from"}
        body["from"] = "2026-03-29T00:00:00+01:00"
        assert call("POST", "/api/v1/reports/exports", body, token=manager.token).status == 202


# ---- numbers and mails ----------------------------------------------------------------------------------------------


def test_numbers_and_mails_have_the_shops_date_and_time(
    cloud: None, person: Callable[..., Person], at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with deployed_with(TIME_ZONE="Europe/Berlin"):
        ses = set_up(monkeypatch)
        at("2026-03-28T23:30:00Z")
        shop = Shop(person(email="ada@example.com", email_verified=True), person("manager"))
        with streamed("orders") as records:
            order = shop.buy({shop.product(3): 1}).json

        assert notify(*map(json.dumps, published(records))) == []

    assert order["created_at"] == "2026-03-28T23:30:00.000Z"
    assert order["number"].startswith("20260329-")
    assert "of 29 March 2026" in ses.texts[0]
    assert "29 March 2026, 01:00 CET" in ses.texts[0]


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("UTC", "28 March 2026, 12:00 UTC"),
        ("America/New_York", "28 March 2026, 08:00 EDT"),
        ("America/Santiago", "28 March 2026, 09:00 UTC-03:00"),
        ("Australia/Lord_Howe", "28 March 2026, 23:00 UTC+11:00"),
    ],
)
def test_mails_name_the_zone_of_their_times(
    cloud: None, customer: Person, at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, zone: str, shown: str
) -> None:
    with deployed_with(TIME_ZONE=zone):
        ses = set_up(monkeypatch)
        at("2026-03-28T11:30:00Z")
        assert notify(order_event(customer.id, expires_at="2026-03-28T12:00:00.000Z")) == []

    assert shown in ses.texts[0]


# ---- schedules ------------------------------------------------------------------------------------------------------


def test_the_daily_run_has_the_orders_of_the_shops_day_before(change: Change, at: Callable[[datetime], None]) -> None:
    at(clock.start_of(change.around(9)))
    spans = []
    for days in range(-1, 3):
        export = runs.run(runs.DAILY, clock.start_of(change.around(days)) + timedelta(hours=4, minutes=30))
        assert export
        spans.append((export.from_, export.to))

    starts = [clock.timestamp(clock.start_of(change.around(days))) for days in range(-2, 3)]
    assert spans == list(pairwise(starts))


@pytest.fixture
def scheduled(person: Callable[..., Person], at: Callable[[datetime], None]) -> Callable[[datetime], Schedule]:
    def make(made: datetime) -> Schedule:
        at(made)
        ada = addressed(person("manager", email="ada@example.com"), "ada@example.com")
        body = {"report": "sales", "schedule": "rate(1 hour)", "recipients": ["ada@example.com"]}
        request = CreateScheduleRequest.model_validate(body)
        schedule, _ = schedules.create(request, by=ada, address="198.51.100.1").value
        return schedule

    return make


def test_runs_of_sales_have_each_day_of_the_shop_once(
    change: Change, scheduled: Callable[[datetime], Schedule], at: Callable[[datetime], None]
) -> None:
    made = clock.start_of(change.around(-1)) + timedelta(hours=5)
    schedule = scheduled(made)
    at(clock.start_of(change.around(9)))

    made_by_runs = [runs.run(schedule.id, made + timedelta(hours=hours)) for hours in range(1, 80, 3)]

    spans = [(it.from_, it.to) for it in made_by_runs if it]
    starts = [clock.timestamp(clock.start_of(change.around(days))) for days in range(-1, 3)]
    assert spans == list(pairwise(starts))


# ---- another zone for a deployed shop -------------------------------------------------------------------------------


def test_a_rebuild_counts_every_order_on_its_new_day_after_the_zone_has_changed(
    change: Change, person: Callable[..., Person], at: Callable[[datetime], None]
) -> None:
    manager = person("manager")
    orders = change.orders(30, customers=[person().id])
    with deployed_with(TIME_ZONE="UTC"):
        summed_up(orders)
    at(clock.start_of(change.around(4)))
    manager = person("manager")
    said: list[str] = []

    assert rebuild.rebuild(None, None, shards=1, fix=True, say=said.append)
    again: list[str] = []
    rebuild.rebuild(None, None, shards=1, fix=False, say=again.append)

    first, last = change.around(-2), change.around(2)
    expected = Sold(orders, first, last, zone=change.rules).by_time(lambda day: day)
    assert get(f"{SALES}?from={first}&to={last}", manager) == expected
    assert [it for it in said if "sales#" in it], "some orders were counted on another day"
    assert again == ["All sums are right."]


def test_an_order_moves_to_its_day_of_the_new_zone_by_its_next_event(cloud: None, manager: Person) -> None:
    (order,) = Past(number=1, days=1, last=date(2026, 3, 28), seed=3).orders()
    order.created_at, order.history = "2026-03-28T23:30:00.000Z", order.history[:1]
    store([order])
    order_events = events_of_orders([order])
    confirmed = [
        order_events[0]
        | {"sequence": 2, "type": "order.confirmed", "data": order_events[0]["data"] | {"status": "confirmed"}}
    ]
    counts = []
    for zone, events in (("UTC", order_events), ("Europe/Berlin", confirmed)):
        with deployed_with(TIME_ZONE=zone):
            assert aggregate(events) == []
            series = get(f"{SALES}?from=2026-03-28&to=2026-03-29", manager)["series"]
            counts.append([it["orders"] for it in series])

    assert counts == [[1, 0], [0, 1]]


def test_a_schedule_of_sales_continues_with_whole_days_after_the_zone_has_changed(
    cloud: None, scheduled: Callable[[datetime], Schedule], at: Callable[[datetime], None]
) -> None:
    schedule = scheduled(datetime(2026, 3, 27, 12, tzinfo=UTC))
    at(datetime(2026, 4, 1, tzinfo=UTC))

    with deployed_with(TIME_ZONE="America/New_York"):
        export = runs.run(schedule.id, datetime(2026, 3, 29, 6, tzinfo=UTC))

    assert export
    assert (export.from_, export.to) == ("2026-03-26T04:00:00.000Z", "2026-03-29T04:00:00.000Z")


def test_the_rebuild_counts_by_the_days_of_the_stage(
    cloud: None, monkeypatch: pytest.MonkeyPatch, at: Callable[[datetime], None]
) -> None:
    outputs = {"dev": {"OrderShards": "1", "TimeZone": "Europe/Berlin"}}
    monkeypatch.setattr(stacks, "table_of", lambda stage, domain: {"dev": domain.lower()}[stage])
    monkeypatch.setattr(stacks, "outputs_of", outputs.__getitem__)
    monkeypatch.setattr("sys.argv", ["rebuild", "--stage", "dev"])
    zones = []
    real = rebuild.rebuild

    def noted(*arguments: Any, **options: Any) -> bool:
        zones.append(str(settings().time_zone))
        return real(*arguments, **options)

    monkeypatch.setattr(rebuild, "rebuild", noted)
    with deployed_with(TIME_ZONE="UTC"):
        rebuild.main()

    assert zones == ["Europe/Berlin"]
