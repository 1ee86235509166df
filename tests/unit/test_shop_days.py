"""The shop's days: where they begin and end in its time zone, also on days on which clocks change."""

from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from oms.core import clock
from oms.core.settings import read
from tests.support.deployment import deployed_with

ZONES = files("tzdata").joinpath("zones").read_text().split()
# Day, its first moment in UTC, and its hours: both clock changes of a year in zones with different rules.
CHANGES = [
    ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00.000Z", 23),
    ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00.000Z", 25),
    ("America/New_York", "2026-03-08", "2026-03-08T05:00:00.000Z", 23),
    ("America/New_York", "2026-11-01", "2026-11-01T04:00:00.000Z", 25),
    # Its clocks change by half an hour.
    ("Australia/Lord_Howe", "2026-10-04", "2026-10-03T13:30:00.000Z", 23.5),
    ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00:00.000Z", 24.5),
    # Midnight does not exist: the day begins at one o'clock.
    ("America/Santiago", "2026-09-06", "2026-09-06T04:00:00.000Z", 23),
    ("Asia/Beirut", "2026-03-29", "2026-03-28T22:00:00.000Z", 23),
    # The last hour of the day occurs twice.
    ("America/Santiago", "2026-04-04", "2026-04-04T03:00:00.000Z", 25),
    # Its first hour occurs twice: the day begins with the first of them.
    ("Atlantic/Azores", "2026-10-25", "2026-10-25T00:00:00.000Z", 25),
    ("Asia/Kathmandu", "2026-01-01", "2025-12-31T18:15:00.000Z", 24),
    ("UTC", "2026-03-29", "2026-03-29T00:00:00.000Z", 24),
]


@pytest.mark.parametrize(("zone", "day", "start", "hours"), CHANGES, ids=[f"{it[0]} {it[1]}" for it in CHANGES])
def test_f21_a_day_begins_at_its_first_moment_however_long_it_is(zone: str, day: str, start: str, hours: float) -> None:
    with deployed_with(TIME_ZONE=zone):
        first, next_ = (clock.start_of(date.fromisoformat(day) + timedelta(days=n)) for n in (0, 1))
        edges = [clock.day_of(first - timedelta(milliseconds=1)), clock.day_of(first)]
        ends = [clock.day_of(next_ - timedelta(milliseconds=1)), clock.day_of(next_)]

    assert clock.timestamp(first) == start
    assert (next_ - first) / timedelta(hours=1) == hours
    assert [it.isoformat() == day for it in (*edges, *ends)] == [False, True, True, False]


def _rules(zone: str) -> ZoneInfo:
    """Uses the time zone rules of the functions. Those of the machine (`ZoneInfo(zone)`) may be of another year."""
    with files("tzdata.zoneinfo").joinpath(*zone.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules)


@hypothesis_settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(ZONES), st.datetimes(datetime(2024, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_each_moment_is_in_one_day_of_every_zone(zone: str, moment: datetime) -> None:
    with deployed_with(TIME_ZONE=zone):
        day = clock.day_of(moment)

        assert clock.start_of(day) <= moment < clock.start_of(day + timedelta(days=1))
        assert day == moment.astimezone(_rules(zone)).date()


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("day", [date.min, date.max])
def test_the_ends_of_the_calendar_are_days(zone: str, day: date) -> None:
    with deployed_with(TIME_ZONE=zone):
        assert clock.day_of(clock.start_of(day)) in (day, date.min, date.max)


@pytest.mark.parametrize(
    "name", ["", "Berlin", "europe/berlin", "CEST", "+02:00", "../zones", "/etc/localtime", "Europe"]
)
def test_a_name_that_is_no_time_zone_fails_at_once(name: str) -> None:
    with pytest.raises(ValueError, match="must be a time zone of the IANA database"):
        read({"OMS_TIME_ZONE": name})


def test_every_time_zone_can_be_the_shops() -> None:
    assert all(str(read({"OMS_TIME_ZONE": name}).time_zone) == name for name in ZONES)
