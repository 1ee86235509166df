"""Reads the functions' log groups in the local cloud."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# Lines get their time before they are stored, and the emulator's other threads can delay the storing.
MAX_DELAY_MILLISECONDS = 2000


# The function of a line in a shared group, if no line of its invocation names it.
UNKNOWN = "?"


@dataclass(frozen=True)
class LogLine:
    function: str
    # The end of the line's invocation, in milliseconds since 1970.
    at: int
    text: str


class LogReader:
    """A reader of the functions' log groups. It reads each line once.

    `groups` has the group of each function; functions may share one. The emulator creates a log stream for each
    invocation, and stores all its lines when the invocation ends.
    """

    def __init__(self, logs: Any, groups: Mapping[str, str]) -> None:
        self._logs = logs
        # group → (name in the lines → function)
        self._functions: dict[str, dict[str, str]] = {group: {} for group in groups.values()}
        for function, group in groups.items():
            self._functions[group][function.lower()] = function
        self._since = dict.fromkeys(self._functions, 0)
        # group → (stream → the number of its lines that were read), for streams that the next read can return again
        self._read: dict[str, dict[str, int]] = {group: {} for group in self._functions}

    def read(self) -> list[LogLine]:
        """Returns the new lines, in the order in which their invocations ended."""
        lines = [line for group in self._functions for line in self._new(group) if line]
        return sorted(lines, key=lambda line: line.at)

    def _new(self, group: str) -> Iterator[LogLine | None]:
        # A response has at most 10,000 lines, and the emulator returns no token for the next page.
        while lines := list(self._page(group)):
            yield from lines

    def _page(self, group: str) -> Iterator[LogLine | None]:
        """Yields the new lines, and None for each that another function has written to a shared group."""
        since = max(0, self._since[group] - MAX_DELAY_MILLISECONDS)
        answer = self._logs.filter_log_events(logGroupName=group, startTime=since)
        already_read, counts = self._read[group], dict[str, int]()
        services = _services(answer["events"])
        for event in answer["events"]:
            stream = event["logStreamName"]
            counts[stream] = counts.get(stream, 0) + 1
            if counts[stream] > already_read.get(stream, 0):
                self._since[group] = max(self._since[group], event["timestamp"])
                function = self._function(group, services.get(stream))
                yield LogLine(function, event["timestamp"], event["message"]) if function else None
        self._read[group] = counts

    def _function(self, group: str, service: str | None) -> str | None:
        functions = self._functions[group]
        if service is None:
            return next(iter(functions.values())) if len(functions) == 1 else UNKNOWN
        return functions.get(service)


def _services(events: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Returns the name that a JSON line of each stream has for its function, by stream."""
    found: dict[str, str] = {}
    for event in events:
        if event["logStreamName"] not in found and event["message"].startswith("{"):
            service = _service(event["message"])
            if service:
                found[event["logStreamName"]] = service
    return found


def _service(text: str) -> str | None:
    try:
        service = json.loads(text).get("service")
    except (ValueError, RecursionError):
        return None
    return service if isinstance(service, str) else None
