"""Schedule expressions: the documented `rate(…)` and `cron(…)` of EventBridge Scheduler, in UTC, at most once an hour.

The entry is created after the response, so the caller would not learn of a rejection by AWS. Therefore only documented
expressions are accepted: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

import re
from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

MIN_PERIOD, MAX_PERIOD = timedelta(hours=1), timedelta(days=366)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_RATE = re.compile(r"rate\(([1-9][0-9]{0,5}) (minute|hour|day)(s?)\)")
_CRON = re.compile(r"cron\((\S+) +(\S+) +(\S+) +(\S+) +(\S+) +(\S+)\)")


class ExpressionError(ValueError):
    """The message is the rest of a sentence that begins with "the schedule"."""


@dataclass(frozen=True)
class Rate:
    period: timedelta

    def next_after(self, moment: datetime, *, since: datetime) -> datetime:
        """Returns the first time after `moment` that is a whole number of periods after `since`."""
        return since + ((moment - since) // self.period + 1) * self.period


@dataclass(frozen=True)
class Cron:
    minute: int
    hours: frozenset[int]
    months: frozenset[int]
    years: frozenset[int]
    falls_on: Callable[[date], bool]

    def next_after(self, moment: datetime) -> datetime | None:
        """Returns the first run after `moment`; None if there is none."""
        for day in self._days(moment.date()):
            for hour in sorted(self.hours):
                at = datetime.combine(day, time(hour, self.minute), UTC)
                if at > moment:
                    return at
        return None

    def _days(self, first: date) -> Iterator[date]:
        for year in sorted(number for number in self.years if number >= first.year):
            for month in sorted(self.months):
                for number in range(1, monthrange(year, month)[1] + 1):
                    day = date(year, month, number)
                    if day >= first and self.falls_on(day):
                        yield day


def parse(text: str, *, now: datetime) -> Rate | Cron:
    """Parses an expression.

    Raises ExpressionError, also for one that runs more than once an hour, or never after `now`.
    """
    if found := _RATE.fullmatch(text):
        return _rate(int(found[1]), found[2], plural=found[3] == "s")
    if found := _CRON.fullmatch(text):
        cron = _cron(*found.groups())
        if cron.next_after(now) is None:
            raise ExpressionError("must have a time in the future")
        return cron
    raise ExpressionError("must have the form rate(1 day) or cron(30 6 * * ? *)")


def _rate(value: int, unit: str, *, plural: bool) -> Rate:
    if plural != (value > 1):
        raise ExpressionError(f"must have the form rate(1 {unit}) or rate(2 {unit}s)")
    period = value * timedelta(**{f"{unit}s": 1})
    if period < MIN_PERIOD:
        raise ExpressionError("must not run more often than hourly")
    if period > MAX_PERIOD:
        raise ExpressionError(f"must run every {MAX_PERIOD.days} days or more often")
    return Rate(period)


def _cron(minutes: str, hours: str, days: str, months: str, weekdays: str, years: str) -> Cron:
    if (days == "?") == (weekdays == "?"):
        raise ExpressionError("must have ? as the day of the month or as the day of the week")
    minute, *more = _MINUTES.values(minutes)
    if more:
        raise ExpressionError("must not run more often than hourly: the minute must be one number")
    return Cron(
        minute,
        _HOURS.values(hours),
        _MONTH.values(months),
        _YEAR.values(years),
        _on_weekdays(weekdays) if days == "?" else _on_days(days),
    )


@dataclass(frozen=True)
class _Field:
    """A field of a cron expression. `names` are other forms of its numbers, from 1 on."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    steps: bool = True

    def values(self, text: str) -> frozenset[int]:
        """Returns the numbers that a field of the expression names.

        They are all numbers for `*`, or those of a list such as `5,1-5,*/2`.
        """
        if text == "*":
            return frozenset(range(self.low, self.high + 1))
        return frozenset(number for part in text.split(",") for number in self._part(part))

    def _part(self, text: str) -> range:
        span, slash, step = text.partition("/")
        first, dash, last = span.partition("-")
        if slash and not (self.steps and re.fullmatch("[1-9][0-9]{0,3}", step) and int(step) <= self.high):
            raise self._error(text)
        if dash and first.isdigit() != last.isdigit():
            raise self._error(text)
        low = self.low if span == "*" and slash else self.number(first)
        high = self.number(last) if dash else self.high if slash else low
        if low > high:
            raise self._error(text)
        return range(low, high + 1, int(step or 1))

    def number(self, text: str) -> int:
        found = self.names.index(text) + 1 if text in self.names else None
        if found is None and re.fullmatch("[0-9]{1,4}", text) and len(text) <= len(str(self.high)):
            found = int(text)
        if found is None or not self.low <= found <= self.high:
            raise self._error(text)
        return found

    def _error(self, text: str) -> ExpressionError:
        return ExpressionError(f"has {text!r}, which is not a valid {self.name} in EventBridge Scheduler")


_MINUTES = _Field("minute", 0, 59)
_HOURS = _Field("hour", 0, 23)
_DAY = _Field("day of the month", 1, 31)
_MONTH = _Field("month", 1, 12, _MONTHS)
_WEEKDAY = _Field("day of the week", 1, 7, _WEEKDAYS, steps=False)
_YEAR = _Field("year", 1970, 2199)


def _on_days(text: str) -> Callable[[date], bool]:
    if text == "L":
        return lambda day: day.day == _last(day)
    if text.endswith("W"):
        number = _DAY.number(text[:-1])
        return lambda day: number <= _last(day) and day == _nearest_workday(day.replace(day=number))
    numbers = _DAY.values(text)
    return lambda day: day.day in numbers


def _on_weekdays(text: str) -> Callable[[date], bool]:
    if found := re.fullmatch("([1-7])#([1-5])", text):
        weekday, which = int(found[1]), int(found[2])
        return lambda day: _weekday(day) == weekday and (day.day + 6) // 7 == which
    if found := re.fullmatch("([1-7])L", text):
        last = int(found[1])
        return lambda day: _weekday(day) == last and day.day + 7 > _last(day)
    weekdays = frozenset({7}) if text == "L" else _WEEKDAY.values(text)
    return lambda day: _weekday(day) in weekdays


def _last(day: date) -> int:
    return monthrange(day.year, day.month)[1]


def _weekday(day: date) -> int:
    """Returns the day of the week, from 1 (Sunday) to 7 (Saturday)."""
    return day.isoweekday() % 7 + 1


def _nearest_workday(day: date) -> date:
    """Returns the nearest day from Monday to Friday in the same month."""
    steps = {6: -1 if day.day > 1 else 2, 7: 1 if day.day < _last(day) else -2}
    return day + timedelta(days=steps.get(day.isoweekday(), 0))
