"""FilterLogEvents, newest first and with patterns for JSON, which the emulator does not know.

The emulator ignores `startFromHead`, treats each pattern for JSON as one that matches all lines, and returns no token.
`correct` replaces `cloudwatch_logs._filter_log_events`, which the emulator looks up for each request. The replacement
reads the lines by `_resolve_log_group_name`, `_log_groups` and `_log_events_lock`. The in-process
tests use `newest_first` too.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

# AWS also ends a call before it has searched the whole log.
SEARCHED_IN_A_CALL = 10_000
_TOKEN = re.compile(r'\s*(\(|\)|&&|\|\||\$\.\w+|[<>!]?=|[<>]|"[^"*]*"|-?\d+)')
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda one, other: bool(one == other),
    "!=": lambda one, other: bool(one != other),
    ">=": lambda one, other: bool(one >= other),
    "<=": lambda one, other: bool(one <= other),
    ">": lambda one, other: bool(one > other),
    "<": lambda one, other: bool(one < other),
}

type _Matches = Callable[[Mapping[str, Any]], bool]


class UnsupportedPatternError(ValueError):
    """The pattern is not in the part of the language that this module knows."""


def correct() -> None:
    """Replaces the operation in the emulator's process, before it serves."""
    from ministack.services import cloudwatch_logs as logs

    oldest_first = logs._filter_log_events

    def filter_log_events(data: dict[str, Any]) -> Any:
        group = logs._log_groups.get(logs._resolve_log_group_name(data))
        if group is None or data.get("startFromHead", True):
            return oldest_first(data)
        with logs._log_events_lock:
            events = [
                event | {"logStreamName": name}
                for name, stream in group["streams"].items()
                for event in stream["events"]
            ]
        try:
            return logs.json_response(newest_first(events, data))
        except ValueError as error:
            return logs.error_response_json("InvalidParameterException", str(error), 400)

    logs._filter_log_events = filter_log_events


def newest_first(events: Sequence[dict[str, Any]], request: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the response to FilterLogEvents with `startFromHead` false.

    The token is a time and the number of events of that time that earlier pages have. Raises ValueError for a wrong
    token or pattern.
    """
    matches = json_pattern(request["filterPattern"])
    latest, skipped = map(int, request.get("nextToken", f"{request.get('endTime', 2**60)}.0").split("."))
    chosen = [it for it in events if request["startTime"] <= it["timestamp"] <= latest]
    found: list[dict[str, Any]] = []
    searched = 0
    for at, simultaneous in groupby(sorted(chosen, key=_time, reverse=True), key=_time):
        for number, event in enumerate(simultaneous):
            if at == latest and number < skipped:
                continue
            if searched == SEARCHED_IN_A_CALL or len(found) == request.get("limit", 10_000):
                return {"events": found, "nextToken": f"{at}.{number}", "searchedLogStreams": []}
            searched += 1
            if matches(_fields(event["message"])):
                found.append(event)
    return {"events": found, "searchedLogStreams": []}


def _time(event: Mapping[str, Any]) -> int:
    return int(event["timestamp"])


def _fields(message: str) -> Mapping[str, Any]:
    try:
        fields = json.loads(message)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def json_pattern(pattern: str) -> _Matches:
    """Returns the condition of a pattern such as `{ ($.name = "text") && ($.number >= 400 || $.number = 1) }`.

    It knows fields of the first level, numbers, and texts without wildcards. Raises UnsupportedPatternError.
    """
    inner = re.fullmatch(r"\{(.*)\}", pattern.strip())
    if len(pattern) > 1024 or not inner:
        raise UnsupportedPatternError(pattern)
    tokens, place = [], 0
    while inner[1][place:].strip():
        token = _TOKEN.match(inner[1], place)
        if not token:
            raise UnsupportedPatternError(pattern)
        tokens.append(token[1])
        place = token.end()
    try:
        matches = _either(tokens)
    except IndexError:
        tokens = [""]
    if tokens:
        raise UnsupportedPatternError(pattern)
    return matches


def _either(tokens: list[str]) -> _Matches:
    choices = [_both(tokens)]
    while tokens and tokens[0] == "||":
        tokens.pop(0)
        choices.append(_both(tokens))
    return lambda line: any(matches(line) for matches in choices)


def _both(tokens: list[str]) -> _Matches:
    parts = [_one(tokens)]
    while tokens and tokens[0] == "&&":
        tokens.pop(0)
        parts.append(_one(tokens))
    return lambda line: all(matches(line) for matches in parts)


def _one(tokens: list[str]) -> _Matches:
    first = tokens.pop(0)
    if first == "(":
        matches = _either(tokens)
        if tokens.pop(0) != ")":
            raise UnsupportedPatternError
        return matches
    operator, value = tokens.pop(0), tokens.pop(0)
    if not first.startswith("$.") or operator not in _COMPARE:
        raise UnsupportedPatternError
    name, compare, wanted = first[2:], _COMPARE[operator], json.loads(value)
    return lambda line: type(line.get(name)) is type(wanted) and compare(line[name], wanted)
