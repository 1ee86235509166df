"""Schedule expressions, compared with a model of AWS's documented grammar: valid expressions and their runs."""

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from oms.schedules.expressions import Cron, ExpressionError, Rate, parse
from tests.support.examples import examples

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
MONTHS = [f"{date(2026, it, 1):%b}".upper() for it in range(1, 13)]
WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


# ---- the model: texts with their meaning, in a longer form ----------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A text of one field, and the numbers that it means."""

    text: str
    means: Callable[[int], bool]


@st.composite
def parts(draw: st.DrawFn, low: int, high: int, names: list[str] | None = None, *, steps: bool = True) -> Part:
    first = draw(st.integers(low, high))
    last = draw(st.integers(first, high))
    step = draw(st.integers(1, high - low or 1))
    as_names = draw(st.booleans()) and bool(names)
    begin, end = (names[it - low] if as_names and names else str(it) for it in (first, last))
    kinds = [
        Part(begin, lambda it: it == first),
        Part(f"{begin}-{end}", lambda it: first <= it <= last),
        Part(f"{begin}/{step}", lambda it: it >= first and (it - first) % step == 0),
        Part(f"{begin}-{end}/{step}", lambda it: first <= it <= last and (it - first) % step == 0),
        Part(f"*/{step}", lambda it: (it - low) % step == 0),
    ]
    return draw(st.sampled_from(kinds if steps else kinds[:2]))


@st.composite
def fields(draw: st.DrawFn, low: int, high: int, names: list[str] | None = None, *, steps: bool = True) -> Part:
    if draw(st.booleans()):
        return Part("*", lambda _: True)
    listed = draw(st.lists(parts(low, high, names, steps=steps), min_size=1, max_size=3))
    return Part(",".join(it.text for it in listed), lambda number: any(it.means(number) for it in listed))


def length(day: date) -> int:
    return monthrange(day.year, day.month)[1]


def week(which: int) -> range:
    """Returns the days of a month that have this occurrence of each day of the week."""
    return range(7 * which - 6, 7 * which + 1)


def sunday_first(day: date) -> int:
    return (day.toordinal() % 7) + 1


def nearest_weekday(day: date, number: int) -> bool:
    """Whether it is the weekday of its month that is nearest to the month's day of this number."""
    if number > length(day):
        return False
    month = [day.replace(day=it) for it in range(1, length(day) + 1)]
    working = [it for it in month if sunday_first(it) not in (1, 7)]
    return day == min(working, key=lambda it: abs(it.day - number))


@st.composite
def days(draw: st.DrawFn) -> tuple[str, str, Callable[[date], bool]]:
    """Returns the day of the month, the day of the week, and a test for the days of both."""
    number, weekday, which = draw(st.integers(1, 31)), draw(st.integers(1, 7)), draw(st.integers(1, 5))
    of_month, of_week = draw(fields(1, 31)), draw(fields(1, 7, WEEKDAYS, steps=False))
    return draw(
        st.sampled_from(
            [
                (of_month.text, "?", lambda day: of_month.means(day.day)),
                ("?", of_week.text, lambda day: of_week.means(sunday_first(day))),
                ("L", "?", lambda day: day.day == length(day)),
                (f"{number}W", "?", lambda day: nearest_weekday(day, number)),
                ("?", "L", lambda day: sunday_first(day) == 7),
                ("?", f"{weekday}L", lambda day: weekday == sunday_first(day) and day.day > length(day) - 7),
                ("?", f"{weekday}#{which}", lambda day: weekday == sunday_first(day) and day.day in week(which)),
            ]
        )
    )


@dataclass(frozen=True)
class Modelled:
    text: str
    minute: int
    runs_in: Callable[[int], bool]
    runs_on: Callable[[date], bool]

    def next_after(self, moment: datetime, *, within: int) -> datetime | None:
        """Returns the first run within this number of days."""
        for day in (moment.date() + timedelta(days=it) for it in range(within + 1)):
            for hour in range(24):
                at = datetime(day.year, day.month, day.day, hour, self.minute, tzinfo=UTC)
                if at > moment and self.runs_in(hour) and self.runs_on(day):
                    return at
        return None


@st.composite
def crons(draw: st.DrawFn) -> Modelled:
    minute, hours, months = draw(st.integers(0, 59)), draw(fields(0, 23)), draw(fields(1, 12, MONTHS))
    years = draw(st.one_of(st.just(Part("*", lambda _: True)), fields(1970, 2199)))
    of_month, of_week, falls_on = draw(days())
    gap, minutes = draw(st.sampled_from([" ", "  "])), draw(st.sampled_from([f"{minute}", f"{minute:02}"]))
    return Modelled(
        f"cron({gap.join([minutes, hours.text, of_month, months.text, of_week, years.text])})",
        minute,
        hours.means,
        lambda day: months.means(day.month) and years.means(day.year) and falls_on(day),
    )


def refusal(text: str) -> str | None:
    try:
        parse(text, now=NOW)
    except ExpressionError as error:
        return str(error)
    return None


# ---- valid expressions, and their runs ------------------------------------------------------------------------------


@settings(max_examples=examples(100))
@given(crons(), st.timedeltas(timedelta(days=30), timedelta(days=3000)).map(lambda it: NOW + it))
def test_every_documented_cron_is_taken_and_runs_when_the_model_does(modelled: Modelled, moment: datetime) -> None:
    if why := refusal(modelled.text):
        assert why == "must have a time in the future"
        assert modelled.next_after(moment, within=400) is None
        return
    cron = parse(modelled.text, now=NOW)
    assert isinstance(cron, Cron)

    found = cron.next_after(moment)

    soon = found is not None and found < moment + timedelta(days=400)
    assert modelled.next_after(moment, within=401) == found if soon else modelled.next_after(moment, within=399) is None


def documented(text: str) -> bool:
    """Whether AWS's table of fields, values and wildcards allows the expression; written independently, with patterns
    only.
    """
    shape = re.fullmatch(r"cron\(([^ ]+) +([^ ]+) +([^ ]+) +([^ ]+) +([^ ]+) +([^ ]+)\)", text)
    if not shape:
        return False
    minutes, hours, of_month, months, of_week, years = shape.groups()

    def listed(field: str, low: int, high: int, names: list[str], step: bool) -> bool:
        value = "|".join([*(rf"0*{it}" for it in range(low, high + 1)), *names])
        wide = len(str(high))
        pattern = rf"(?:(?P<a>{value})(?:-(?P<b>{value}))?|(?P<all>\*))(?:/(?P<step>[1-9][0-9]*))?"
        for part in field.split(","):
            found = re.fullmatch(pattern, part)
            if not found or any(len(it) > max(wide, 3 if it in names else 0) for it in found.group("a", "b") if it):
                return False
            if found["all"] and not found["step"]:
                return field == "*"
            if found["step"] and (not step or int(found["step"]) > high):
                return False
            a, b = (names.index(it) + low if it in names else it and int(it) for it in found.group("a", "b"))
            if b is not None and (a > b or (found["a"] in names) != (found["b"] in names)):
                return False
        return True

    monthly = re.fullmatch("L|(0?[1-9]|[12][0-9]|3[01])W", of_month) or listed(of_month, 1, 31, [], True)
    weekly = re.fullmatch("L|[1-7]L|[1-7]#[1-5]", of_week) or listed(of_week, 1, 7, WEEKDAYS, False)
    return bool(
        listed(minutes, 0, 59, [], True)
        and listed(hours, 0, 23, [], True)
        and listed(months, 1, 12, MONTHS, True)
        and listed(years, 1970, 2199, [], True)
        and ((of_month == "?" and weekly) or (of_week == "?" and monthly))
    )


@settings(max_examples=examples(300))
@given(crons(), st.data())
def test_an_expression_outside_the_grammar_is_refused(modelled: Modelled, data: st.DataObject) -> None:
    """The expression is a valid one with some characters replaced, removed or added."""
    text = modelled.text
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(0, len(text) - 1))
        new = data.draw(st.sampled_from([*"0123456789,-*?/LW#() ", "", "MON", "JAN"]))
        text = text[:place] + new + text[place + data.draw(st.integers(0, 1)) :]

    why = refusal(text)

    if why is None:
        assert documented(text), text
    elif "hourly" not in why:  # this is checked before the other fields
        assert documented(text) == (why == "must have a time in the future"), f"{text} {why}"


@given(st.integers(0, 600_000), st.sampled_from(["minute", "minutes", "hour", "hours", "day", "days"]))
def test_a_rate_is_taken_from_an_hour_to_a_year_with_the_unit_of_its_number(value: int, unit: str) -> None:
    length = value * {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}[unit[0]]
    good = unit.endswith("s") == (value != 1) and timedelta(hours=1) <= length <= timedelta(days=366)

    text = f"rate({value} {unit})"

    assert (refusal(text) is None) == good
    if good:
        assert parse(text, now=NOW) == Rate(length)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1 day",
        "rate()",
        "rate(1)",
        "rate(01 day)",
        "rate(1  day)",
        "rate( 1 day)",
        "rate(1 day )",
        "rate(1 day) ",
        "Rate(1 day)",
        "rate(-1 days)",
        "rate(1.5 days)",
        "rate(1 week)",
        "rate(٣ days)",
        "rate(9999999999 days)",
        "at(2026-12-01T08:00:00)",
        "cron(0 8 * * ?)",
        "cron(0 8 * * ? * *)",
        "cron(0 8 * * * *)",
        "cron(0 8 ? * ? *)",
        "cron(0 8 * * MON *)",
        "cron(0 24 * * ? *)",
        "cron(60 8 * * ? *)",
        "cron(*/60 8 * * ? *)",
        "cron(0 */0 * * ? *)",
        "cron(0 8 0 * ? *)",
        "cron(0 8 32 * ? *)",
        "cron(0 8 1,L * ? *)",
        "cron(0 8 LW * ? *)",
        "cron(0 8 L-3 * ? *)",
        "cron(0 8 ? * 0 *)",
        "cron(0 8 ? * 3#6 *)",
        "cron(0 8 ? * 3#1,6#3 *)",
        "cron(0 8 ? * MON/2 *)",
        "cron(0 8 ? * mon *)",
        "cron(0 8 ? * FRI-MON *)",
        "cron(0 8 ? * 2-FRI *)",
        "cron(0 8 * FOO ? *)",
        "cron(0 8 * * ? 1969)",
        "cron(0 8 * * ? 2200)",
        "cron(0 8 * * ? 02030)",
        "cron(٠ 8 * * ? *)",
        "cron(0\t8 * * ? *)",
        "cron(0 8 * * ? *)\n",
        "cron(0 8 * *,3 ? *)",
        "cron(,0 8 * * ? *)",
    ],
)
def test_requests_that_aws_refuses_are_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse(text, now=NOW)


@pytest.mark.parametrize(
    "text", ["cron(* * * * ? *)", "cron(0,30 8 * * ? *)", "cron(*/30 8 * * ? *)", "cron(0-1 8 1 1 ? *)"]
)
def test_a_cron_with_two_minutes_would_run_more_often_than_hourly(text: str) -> None:
    with pytest.raises(ExpressionError, match="hourly"):
        parse(text, now=NOW)


@pytest.mark.parametrize("text", ["cron(0 8 30 2 ? *)", "cron(0 8 31 4,6,9,11 ? *)", "cron(0 8 * * ? 2025)"])
def test_a_cron_that_never_runs_again_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError, match="must have a time in the future"):
        parse(text, now=NOW)


@pytest.mark.parametrize(
    ("text", "after", "then"),
    [
        ("cron(0 8 29 2 ? *)", "2026-11-23T09:30", "2028-02-29T08:00"),
        ("cron(0 8 L 2 ? *)", "2028-02-28T08:00", "2028-02-29T08:00"),
        ("cron(0 8 L 2 ? *)", "2099-03-01T00:00", "2100-02-28T08:00"),
        ("cron(59 23 31 12 ? *)", "2026-12-31T23:58", "2026-12-31T23:59"),
        ("cron(59 23 31 12 ? *)", "2026-12-31T23:59", "2027-12-31T23:59"),
        ("cron(15 10 ? * 6L 2022-2027)", "2026-12-25T10:15", "2027-01-29T10:15"),
        ("cron(15 10 ? * 6L *)", "2027-04-20T00:00", "2027-04-30T10:15"),
        ("cron(0 8 1W * ? *)", "2027-04-30T09:00", "2027-05-03T08:00"),
        ("cron(0 18 ? * MON-FRI *)", "2026-11-27T18:00", "2026-11-30T18:00"),
        # Includes the hours that summer time skips and repeats in many places: expressions are in UTC.
        ("cron(30 * * * ? *)", "2026-03-29T01:30", "2026-03-29T02:30"),
        ("cron(30 * * * ? *)", "2026-10-25T00:30", "2026-10-25T01:30"),
    ],
)
def test_f21_runs_at_leap_days_month_ends_years_ends_and_summer_time(text: str, after: str, then: str) -> None:
    cron = parse(text, now=datetime(2026, 1, 1, tzinfo=UTC))
    assert isinstance(cron, Cron)

    assert cron.next_after(datetime.fromisoformat(f"{after}Z")) == datetime.fromisoformat(f"{then}Z")


@given(st.timedeltas(timedelta(hours=1), timedelta(days=366)), st.timedeltas(timedelta(0), timedelta(days=3000)))
def test_a_rate_runs_at_whole_numbers_of_its_period_after_its_beginning(period: timedelta, later: timedelta) -> None:
    assume(period)

    at = Rate(period).next_after(NOW + later, since=NOW)

    assert NOW + later < at <= NOW + later + period
    assert (at - NOW) % period == timedelta(0)
