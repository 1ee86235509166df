from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms.core import clock, settings

moments = st.datetimes(timezones=st.timezones(), min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1))  # noqa: DTZ001


@given(moments, moments)
def test_timestamps_sort_as_their_moments_do(one: datetime, other: datetime) -> None:
    first, second = clock.timestamp(one), clock.timestamp(other)

    if first < second:
        assert one < other
    if one < other:
        assert first <= second


@given(moments)
def test_a_timestamp_is_read_back_to_the_millisecond(moment: datetime) -> None:
    lost = moment - clock.instant(clock.timestamp(moment))

    assert timedelta(0) <= lost < timedelta(milliseconds=1)


def test_a_timestamp_is_utc_with_milliseconds() -> None:
    moment = datetime(2026, 1, 31, 10, 30, tzinfo=timezone(timedelta(hours=1)))

    assert clock.timestamp(moment) == "2026-01-31T09:30:00.000Z"


def test_now_is_moved_by_the_deployments_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = settings.read({"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "OMS_CLOCK_OFFSET": "86400"})
    monkeypatch.setattr(clock, "settings", lambda: moved)

    ahead = clock.now() - datetime.now(UTC)

    assert abs(ahead - timedelta(days=1)) < timedelta(seconds=5)


def test_random_ids_are_long_distinct_and_easy_to_speak() -> None:
    ids = {clock.random_id() for _ in range(1000)}

    assert len(ids) == 1000
    assert {len(it) for it in ids} == {20}
    assert set("".join(ids)) == set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        (date(2024, 2, 28), date(2024, 3, 1), ["2024-02-28", "2024-02-29", "2024-03-01"]),
        (date(2026, 1, 31), date(2026, 1, 31), ["2026-01-31"]),
        (date(2026, 1, 31), date(2026, 1, 30), []),
        (date(9999, 12, 30), date.max, ["9999-12-30", "9999-12-31"]),
        (date.min, date(1, 1, 2), ["0001-01-01", "0001-01-02"]),
    ],
)
def test_days_are_listed_from_the_first_to_the_last(first: date, last: date, days: list[str]) -> None:
    assert list(clock.days(first, last)) == days
