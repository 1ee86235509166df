"""Reads the functions' log groups in the local cloud."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# Lines get their time before they are stored, and the emulator's other threads can delay the storing.
MAX_DELAY_MILLISECONDS = 2000


@dataclass(frozen=True)
class LogLine:
    function: str
    # The end of the line's invocation, in milliseconds since 1970.
    at: int
    text: str


class LogReader:
    """A reader of the functions' log groups. It reads each line once.

    The emulator creates a log stream for each invocation, and stores all its lines when the invocation ends.
    """

    def __init__(self, logs: Any, groups: Mapping[str, str]) -> None:
        self._logs = logs
        self._groups = groups
        self._since = dict.fromkeys(groups, 0)
        # function → (stream → the number of its lines that were read), for streams that the next read can return again
        self._read: dict[str, dict[str, int]] = {function: {} for function in groups}

    def read(self) -> list[LogLine]:
        """Returns the new lines, in the order in which their invocations ended."""
        lines = [line for function in self._groups for line in self._new(function)]
        return sorted(lines, key=lambda line: line.at)

    def _new(self, function: str) -> Iterator[LogLine]:
        # A response has at most 10,000 lines, and the emulator returns no token for the next page.
        while lines := list(self._page(function)):
            yield from lines

    def _page(self, function: str) -> Iterator[LogLine]:
        since = max(0, self._since[function] - MAX_DELAY_MILLISECONDS)
        answer = self._logs.filter_log_events(logGroupName=self._groups[function], startTime=since)
        already_read, counts = self._read[function], dict[str, int]()
        for event in answer["events"]:
            stream = event["logStreamName"]
            counts[stream] = counts.get(stream, 0) + 1
            if counts[stream] > already_read.get(stream, 0):
                self._since[function] = max(self._since[function], event["timestamp"])
                yield LogLine(function, event["timestamp"], event["message"])
        self._read[function] = counts
