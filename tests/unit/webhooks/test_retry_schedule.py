from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oms.webhooks.schedule import DELAYS, MAX_RETRY_AFTER, next_attempt

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CONTRACT = ["5 s", "5 min", "30 min", "2 h", "5 h", "10 h", "14 h", "20 h", "24 h"]
UNITS = {"s": 1, "min": 60, "h": 3600}


def seconds(text: str) -> int:
    number, unit = text.split()
    return int(number) * UNITS[unit]


def wait(made: int, retry_after: str | None = None, chance: float = 0) -> timedelta | None:
    at = next_attempt(made, NOW, retry_after=retry_after, chance=chance)
    return at - NOW if at else None


def test_the_delays_are_the_contracts() -> None:
    assert [wait(made) for made in range(1, 10)] == [timedelta(seconds=seconds(it)) for it in CONTRACT]
    assert wait(10) is None


@pytest.mark.parametrize("made", range(1, 10))
def test_jitter_only_makes_it_later_and_by_a_tenth_at_most(made: int) -> None:
    assert wait(made, chance=0) == DELAYS[made - 1]
    assert wait(made, chance=1) == DELAYS[made - 1] * 1.1


@pytest.mark.parametrize(
    ("header", "waits"),
    [
        ("60", timedelta(minutes=1)),
        (" 60 ", timedelta(minutes=1)),
        ("1", DELAYS[0]),
        ("0", DELAYS[0]),
        ("Sun, 01 Mar 2026 12:10:00 GMT", timedelta(minutes=10)),
        ("Sun, 01 Mar 2026 12:10:00 -0000", timedelta(minutes=10)),
        ("Sun, 01 Mar 2026 11:00:00 GMT", DELAYS[0]),
        ("999999999999999999999", MAX_RETRY_AFTER),
        ("9999999", MAX_RETRY_AFTER),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER),
        ("-60", DELAYS[0]),
        ("1.5", DELAYS[0]),
        ("soon", DELAYS[0]),
        ("", DELAYS[0]),
        ("٦٠", DELAYS[0]),
        ("Sun, 99 Foo 2026 12:10:00 GMT", DELAYS[0]),
        ("Mon, 01 Jan 2029 00:00:00 +99999999999999999999", DELAYS[0]),
        ("Fri, 31 Dec 9999 23:59:59 -2359", MAX_RETRY_AFTER),
        ("Mon, 01 Jan 0001 00:00:00 +2359", DELAYS[0]),
    ],
)
def test_retry_after_is_honoured_where_it_asks_for_more(header: str, waits: timedelta) -> None:
    assert wait(1, header) == waits


def test_retry_after_gives_no_further_attempt() -> None:
    assert wait(10, "60") is None


# A text similar to a date gets further into a parser than a random one.
_DATE = st.tuples(
    st.sampled_from(["Sun, ", "Sunday, ", ""]),
    st.one_of(st.integers().map(str), st.text(max_size=4)),
    st.sampled_from([" Mar ", "-Mar-", " 3 ", " "]),
    st.one_of(st.integers().map(str), st.text(max_size=4)),
    st.just(" "),
    st.one_of(st.times().map(str), st.tuples(*[st.integers().map(str)] * 3).map(":".join), st.text(max_size=8)),
    st.sampled_from([" ", "+", " +", " -", " GMT"]),
    st.one_of(st.integers().map(str), st.just(""), st.text(max_size=6)),
).map("".join)


@given(st.one_of(st.text(), st.text("0123456789:, +-GMTarSun"), _DATE), st.integers(1, 9))
@example("Mon, 01 Jan 2025 00:00:00 +99999999999999999999", 1)
def test_no_text_of_retry_after_prevents_the_next_attempt(header: str, made: int) -> None:
    waits = wait(made, header)

    assert waits is not None
    assert DELAYS[made - 1] <= waits <= MAX_RETRY_AFTER
