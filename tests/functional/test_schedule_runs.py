"""Runs of schedules: each creates one export, and together their time ranges cover all time once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from oms.core import clock
from oms.core.dynamodb import get_item, update_item
from oms.core.settings import settings
from oms.exports.models import Export
from oms.schedules import runs
from oms.schedules import service as schedules
from oms.schedules.models import Schedule
from oms.schedules.schemas import CreateScheduleRequest
from tests.support.aws_calls import intercepted
from tests.support.database import table
from tests.support.event_bus import entries_of
from tests.support.examples import examples
from tests.support.exports import request_export
from tests.support.faults import Crash, between, crash_after, crash_before, crashes, lose_answer
from tests.support.invocation import Person
from tests.support.schedules import addressed, due, entries_kept, serve
from tests.support.streams import streamed

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

ADA, BOB = "ada@example.com", "bob@example.com"
MADE = datetime(2027, 12, 30, 22, 15, 40, tzinfo=UTC)
# So late that every run of these tests has ended.
LATER = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def ada(person: Callable[..., Person]) -> Person:
    return addressed(person("manager", email=ADA), ADA)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Sets the clock."""
    return lambda moment: monkeypatch.setattr(clock, "now", lambda: moment)


@pytest.fixture
def schedule(ada: Person, at: Callable[[datetime], None]) -> Callable[..., Schedule]:
    """A factory of schedules created at that time; then the clock moves far ahead."""

    def make(report: str = "orders", made: datetime = MADE) -> Schedule:
        at(made)
        body = {"report": report, "schedule": "rate(1 hour)", "recipients": [ADA]}
        request = CreateScheduleRequest.model_validate(body)
        made_schedule, _ = schedules.create(request, by=ada, address="198.51.100.1").value
        at(LATER)
        return made_schedule

    return make


def exports() -> list[Export]:
    """Returns the stored exports, by the start of their range."""
    items = table("reports").items()
    found = [Export.from_raw_data(it) for it in items if it["kind"]["S"] == "export"]
    return sorted(found, key=lambda it: str(it.from_))


def spans() -> list[tuple[str | None, str | None]]:
    return [(it.from_, it.to) for it in exports()]


def forget() -> None:
    table("reports").clear()


def finish() -> None:
    for it in exports():
        update_item(it, [Export.status.set("done")])


def moment(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}Z")


# ---- a run ----------------------------------------------------------------------------------------------------------


def test_a_run_is_an_export_for_the_recipients_that_its_worker_hears_of(
    ada: Person, schedule: Callable[..., Schedule]
) -> None:
    made = schedule()

    with streamed("reports") as records:
        assert serve(due(made.id, "2027-12-31T00:00:00Z")) == []

    (export,) = exports()
    assert (export.report, export.status, export.schedule_id) == ("orders", "queued", made.id)
    assert (export.from_, export.to) == (made.created_at, "2027-12-31T00:00:00.000Z")
    assert export.recipients == [ada.id]
    assert (export.created_by, export.created_by_role) == ("system", "system")
    assert [it["DetailType"] for it in entries_of(records)] == ["export.look"]
    actions = {(it["action"]["S"], it["actor_id"]["S"]) for it in table("audit").items()}
    assert actions == {("schedule.created", ada.id), ("export.requested", "system")}


def test_a_run_whose_message_is_repeated_is_no_second_export(schedule: Callable[..., Schedule]) -> None:
    made = schedule()
    run = due(made.id, "2027-12-31T00:00:00Z")

    assert serve(run, run) == []
    assert serve(run) == []

    assert len(exports()) == 1
    assert len(table("audit").items()) == 2


def test_f14_late_runs_have_nothing_left_to_report_and_early_ones_wait(
    schedule: Callable[..., Schedule], at: Callable[[datetime], None]
) -> None:
    made = schedule()
    early, late = moment("2027-12-31T00:00:00"), moment("2027-12-31T01:00:00")
    serve(due(made.id, late), due(made.id, early))
    assert spans() == [(made.created_at, "2027-12-31T01:00:00.000Z")]

    at(late - timedelta(minutes=5))
    assert serve(due(made.id, late + timedelta(minutes=1))) == ["0"], "by this clock the time is in the future"
    assert len(exports()) == 1


@hypothesis_settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(minutes=st.lists(st.integers(-1000, 400 * 24 * 60), min_size=1, max_size=8))
def test_f21_the_ranges_of_runs_have_no_gap_or_overlap_in_any_order_and_number_of_runs(
    schedule: Callable[..., Schedule], minutes: list[int]
) -> None:
    """The runs begin before the schedule was created, and cover two ends of a year and a leap day."""
    forget()
    made = schedule()
    times = [MADE + timedelta(minutes=it) for it in [*minutes, minutes[0]]]

    for time in times:
        assert serve(due(made.id, time)) == []
        finish()

    starts, ends = [str(start) for start, _ in spans()], [str(end) for _, end in spans()]
    last = clock.timestamp(max(MADE, *times))
    assert [*starts, last] == [clock.timestamp(MADE), *ends]
    assert all(start < end for start, end in zip(starts, ends, strict=True))
    stored = get_item(Schedule, Schedule.key(made.id))
    assert stored is not None
    assert stored.covered_until == last


def test_a25_while_four_exports_of_a_schedule_are_unfinished_its_runs_are_left_to_the_next_one(
    schedule: Callable[..., Schedule], ada: Person
) -> None:
    made, another = schedule(), schedule()
    hours = [MADE + timedelta(hours=it) for it in range(1, 8)]
    for at in hours[:-1]:
        assert serve(due(made.id, at)) == []
    assert [it.to for it in exports()] == [clock.timestamp(it) for it in hours[:4]]
    assert serve(due(another.id, hours[0])) == [], "each schedule has its own limit"
    request_export(ada)

    finish()
    assert serve(due(made.id, hours[-1])) == []

    of_it = [(it.from_, it.to) for it in exports() if it.schedule_id == made.id]
    assert of_it[-1] == (clock.timestamp(hours[3]), clock.timestamp(hours[-1])), "from where the fourth ended"


def test_a_run_of_inventory_has_no_bounds(schedule: Callable[..., Schedule]) -> None:
    made = schedule("inventory")

    serve(due(made.id, "2027-12-31T00:00:00Z"), due(made.id, "2027-12-31T01:00:00Z"))

    assert spans() == [(None, None)] * 2


def test_f21_runs_of_sales_report_the_days_that_have_ended_since_over_leap_days_and_years_ends(
    schedule: Callable[..., Schedule],
) -> None:
    made = schedule("sales")

    for time in ("2027-12-30T23:59:00", "2027-12-31T06:00:00", "2027-12-31T07:00:00", "2028-01-01T00:00:00"):
        assert serve(due(made.id, f"{time}Z")) == []
    serve(due(made.id, "2028-02-29T06:00:00Z"), due(made.id, "2028-03-01T06:00:00Z"))

    assert [(str(start)[:10], str(end)[:10]) for start, end in spans()] == [
        ("2027-12-30", "2027-12-31"),
        ("2027-12-31", "2028-01-01"),
        ("2028-01-01", "2028-02-29"),
        ("2028-02-29", "2028-03-01"),
    ]
    assert all(str(bound).endswith("T00:00:00.000Z") for span in spans() for bound in span)


def test_sales_of_more_than_a_year_are_those_of_the_last_366_days(schedule: Callable[..., Schedule]) -> None:
    made = schedule("sales", MADE - timedelta(days=1000))

    serve(due(made.id, "2028-12-31T06:00:00Z"))

    assert [(str(start)[:10], str(end)[:10]) for start, end in spans()] == [("2027-12-31", "2028-12-31")]


def test_without_a_time_from_the_scheduler_it_is_the_minute_of_sending(schedule: Callable[..., Schedule]) -> None:
    made = schedule()
    sent = moment("2027-12-31T00:00:59.999")

    serve(due(made.id, "<aws.scheduler.scheduled-time>"), sent_at=sent)
    serve(due(made.id, "<aws.scheduler.scheduled-time>"), sent_at=sent - timedelta(seconds=50))

    assert spans() == [(made.created_at, "2027-12-31T00:00:00.000Z")]


def test_a_run_of_a_schedule_that_is_gone_ends_its_entry(
    schedule: Callable[..., Schedule], ada: Person, cloud: None
) -> None:
    made = schedule()

    with entries_kept() as kept:
        serve({"schedule": made.id})
        schedules.delete(made.id, by=ada, address="198.51.100.1")
        assert kept.keys() == {made.id}
        assert serve(due(made.id, "2027-12-31T00:00:00Z")) == []

    assert (kept, exports()) == ({}, [])


# ---- failures -------------------------------------------------------------------------------------------------------


def test_f13_a_crash_at_any_call_of_a_run_and_the_run_again_is_one_export(schedule: Callable[..., Schedule]) -> None:
    def begin() -> Schedule:
        forget()
        return schedule()

    points = 0
    for point, made in crashes(begin, lambda it: serve(due(it.id, "2027-12-31T00:00:00Z"))):
        points += 1
        assert serve(due(made.id, "2027-12-31T00:00:00Z")) == []
        assert spans() == [(made.created_at, "2027-12-31T00:00:00.000Z")], point

    assert points == 4


def test_a_run_whose_answer_was_lost_is_one_export(schedule: Callable[..., Schedule]) -> None:
    made = schedule()

    with intercepted(lose_answer("TransactWriteItems")):
        assert serve(due(made.id, "2027-12-31T00:00:00Z")) == []

    assert len(exports()) == 1


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("hours", [0, 1, 2])
def test_two_runs_at_once_share_out_the_time_to_report(
    schedule: Callable[..., Schedule], number: int, hours: int
) -> None:
    made = schedule()
    run = moment("2027-12-31T01:00:00")
    other = moment("2027-12-31T00:00:00") + timedelta(hours=hours)

    with intercepted(between(number, lambda: serve(due(made.id, other)), after=False)):
        assert serve(due(made.id, run)) == []

    ends = [str(end) for _, end in spans()]
    assert [start for start, _ in spans()] == [made.created_at, *ends[:-1]]
    assert ends[-1] == clock.timestamp(max(run, other))


def test_a_schedule_that_goes_while_it_runs_makes_no_export(schedule: Callable[..., Schedule], ada: Person) -> None:
    made = schedule()

    def go() -> None:
        schedules.delete(made.id, by=ada, address="198.51.100.1")

    with entries_kept(), intercepted(between(2, go, after=False)):
        assert serve(due(made.id, "2027-12-31T00:00:00Z")) == []

    assert exports() == []


# ---- each day -------------------------------------------------------------------------------------------------------


@pytest.fixture
def daily(ada: Person, at: Callable[[datetime], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment whose daily report names Ada, and a user who is not a manager."""
    at(LATER)
    known = replace(settings(), daily_report_to=(ADA, "mallory@elsewhere.example"))
    monkeypatch.setattr(runs, "settings", lambda: known)


@pytest.mark.parametrize(
    ("time", "day", "next_day"),
    [
        ("2028-03-01T00:30:00", "2028-02-29", "2028-03-01"),
        ("2028-01-01T00:30:00", "2027-12-31", "2028-01-01"),
        ("2028-03-26T00:30:00", "2028-03-25", "2028-03-26"),
    ],
)
def test_f21_the_daily_run_reports_the_previous_utc_day_once(
    daily: None, ada: Person, time: str, day: str, next_day: str
) -> None:
    assert serve(due("daily", f"{time}Z"), due("daily", f"{time}Z")) == []
    assert serve(due("daily", moment(time) + timedelta(hours=5))) == [], "later that day it is the same run"

    (export,) = exports()
    assert (export.from_, export.to) == (f"{day}T00:00:00.000Z", f"{next_day}T00:00:00.000Z")
    assert (export.report, export.schedule_id) == ("orders", "daily")


def test_a27_the_daily_report_is_for_managers_and_admins_only(
    daily: None, ada: Person, capsys: Any, caplog: pytest.LogCaptureFixture
) -> None:
    serve(due("daily", "2028-01-01T00:30:00Z"))

    assert [it.recipients for it in exports()] == [[ada.id]]
    printed = capsys.readouterr().out + caplog.text
    assert "daily_report_to" in printed
    assert "@" not in printed


def test_without_recipients_there_is_still_a_daily_export(ada: Person, at: Callable[[datetime], None]) -> None:
    at(LATER)

    serve(due("daily", "2028-01-01T00:30:00Z"))

    assert [it.recipients for it in exports()] == [None]


@pytest.mark.parametrize("kind", [crash_before, crash_after])
def test_f13_a_crash_at_any_call_of_the_daily_run_and_the_run_again_is_one_export(
    daily: None, kind: Callable[[int], Any]
) -> None:
    run = due("daily", "2028-01-01T00:30:00Z")
    for number in range(1, 10):
        forget()
        try:
            with intercepted(kind(number)):
                serve(run)
        except Crash:
            assert serve(run) == []
            assert len(exports()) == 1
        else:
            break

    assert number == 4


def test_a_schedules_runs_are_named_by_it_and_their_time(schedule: Callable[..., Schedule]) -> None:
    first, second = schedule(), schedule(made=MADE + timedelta(seconds=1))

    for made in (first, second):
        serve(due(made.id, "2027-12-31T00:00:00Z"), due(made.id, "2027-12-31T01:00:00Z"))

    assert len({it.id for it in exports()}) == 4
