"""Reads what the functions of the local cloud write to their log groups."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# Lines get their time before they are stored, and may then wait for the emulator's other threads.
LATE_MILLISECONDS = 2000


@dataclass(frozen=True)
class Line:
    function: str
    # When its invocation ended, in milliseconds since 1970.
    at: int
    text: str


class LogReader:
    """Reads log groups of the local cloud, by function; each line is read once.

    The emulator makes a stream for each invocation and stores its lines together, as the invocation ends.
    """

    def __init__(self, logs: Any, groups: Mapping[str, str]) -> None:
        self._logs = logs
        self._groups = groups
        self._since = dict.fromkeys(groups, 0)
        # function → (stream → how many of its lines were read), of streams that may be met again
        self._read: dict[str, dict[str, int]] = {function: {} for function in groups}

    def read(self) -> list[Line]:
        """The lines that are new, in the order in which the invocations ended."""
        lines = [line for function in self._groups for line in self._new(function)]
        return sorted(lines, key=lambda line: line.at)

    def _new(self, function: str) -> Iterator[Line]:
        # An answer ends at 10,000 lines, and the emulator gives no token for the next.
        while lines := list(self._page(function)):
            yield from lines

    def _page(self, function: str) -> Iterator[Line]:
        since = max(0, self._since[function] - LATE_MILLISECONDS)
        answer = self._logs.filter_log_events(logGroupName=self._groups[function], startTime=since)
        already, met = self._read[function], dict[str, int]()
        for event in answer["events"]:
            stream = event["logStreamName"]
            met[stream] = met.get(stream, 0) + 1
            if met[stream] > already.get(stream, 0):
                self._since[function] = max(self._since[function], event["timestamp"])
                yield Line(function, event["timestamp"], event["message"])
        self._read[function] = met
