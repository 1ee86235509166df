"""The output of `make logs` for the lines of functions."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from local.log_reader import LogLine, LogReader
from local.logs import readable

PREFIX = "2026/11/22/[$LATEST]"
AT = 1_795_369_647_020  # 17:47:27.020 UTC


def line(**record: object) -> LogLine:
    made = {"level": "INFO", "message": "request", "timestamp": "2026-11-22 17:47:27,013+0000", **record}
    return LogLine("Orders", AT, json.dumps(made))


def shown(given: LogLine) -> str:
    text = readable(given)
    assert text is not None
    return text


def test_a_line_has_time_function_level_message_fields_and_the_request_to_look_for() -> None:
    text = shown(
        line(service="orders", location="x:1", method="GET", status=401, request_id="353b", xray_trace_id="1-6")
    )

    assert text.split() == ["17:47:27.013", "Orders", "INFO", "request", "method=GET", "status=401", "353b"]


def test_an_exception_shows_its_stack_beneath() -> None:
    text = shown(line(level="ERROR", exception="Traceback:\n  File x\nValueError: no", exception_name="ValueError"))

    assert [row.strip() for row in text.splitlines()[1:]] == ["Traceback:", "File x", "ValueError: no"]


@pytest.mark.parametrize(
    "text",
    [
        "START RequestId: 2a247d79 Version: $LATEST",
        "END RequestId: 2a247d79",
        "REPORT RequestId: 2a247d79\tDuration: 1543 ms",
        json.dumps({"_aws": {"Timestamp": 1}, "ColdStart": [1.0]}, separators=(",", ":")),
        "",
    ],
)
def test_a_line_without_content_is_left_out(text: str) -> None:
    assert readable(LogLine("Orders", AT, text)) is None


@pytest.mark.parametrize("text", ["Task timed out after 29.00 seconds", "Worker process died", "[1, 2]", "{broken"])
def test_a_line_that_is_not_a_record_is_shown_unchanged(text: str) -> None:
    assert shown(LogLine("Orders", AT, text)).split(maxsplit=2) == ["17:47:27.020", "Orders", text]


def test_input_of_a_client_does_not_reach_the_terminal_raw() -> None:
    text = shown(line(path="/\x1b[2J\nInjected: line", message="Grüße"))

    assert "\\x1b[2J\\nInjected" in text
    assert "\x1b" not in text
    assert len(text.splitlines()) == 1
    assert "Grüße" in text


def test_colour_is_only_added_on_request() -> None:
    given = line(level="ERROR", request_id="353b")

    coloured = readable(given, colour=True)

    assert coloured is not None
    assert "\x1b[31m" in coloured
    assert "\x1b" not in shown(given)


class Groups:
    """A log group with the emulator's answers: oldest first, at most `limit` lines, no token for the rest."""

    def __init__(self, limit: int = 10_000) -> None:
        self.events: list[dict[str, Any]] = []
        self._limit = limit

    def invocation(self, name: str, at: int, *texts: str) -> None:
        self.events += [{"logStreamName": PREFIX + name, "timestamp": at, "message": text} for text in texts]

    def filter_log_events(self, *, logGroupName: str, startTime: int) -> dict[str, Any]:  # noqa: N803  boto3's names
        assert logGroupName == "group"
        found = sorted((it for it in self.events if it["timestamp"] >= startTime), key=lambda it: it["timestamp"])
        return {"events": found[: self._limit]}


def texts(lines: list[LogLine]) -> Iterator[str]:
    return (it.text for it in lines)


def test_each_line_is_read_once() -> None:
    groups = Groups()
    reader = LogReader(groups, {"Orders": "group"})
    groups.invocation("a", AT, "one", "two")

    first = list(texts(reader.read()))
    nothing = reader.read()
    groups.invocation("b", AT, "at the same moment")
    groups.invocation("c", AT - 500, "stored late")
    second = list(texts(reader.read()))

    assert first == ["one", "two"]
    assert nothing == []
    assert second == ["stored late", "at the same moment"]


def test_more_lines_than_one_answer_holds_are_all_read() -> None:
    groups = Groups(limit=10)
    for number in range(50):
        groups.invocation(str(number), AT + 3000 * number, f"{number} begins", f"{number} ends")

    found = list(texts(LogReader(groups, {"Orders": "group"}).read()))

    assert found == [f"{number} {what}" for number in range(50) for what in ("begins", "ends")]


def test_functions_that_share_a_group_are_distinguished_by_the_names_in_their_lines() -> None:
    groups = Groups()
    groups.invocation("a", AT, "printed", '{"service": "orders"}')
    groups.invocation("b", AT, '{"service": "auth"}')
    groups.invocation("c", AT, "Traceback")

    both = LogReader(groups, {"Orders": "group", "Auth": "group"}).read()
    one = LogReader(groups, {"Orders": "group"}).read()

    assert [it.function for it in both] == ["Orders", "Orders", "Auth", "?"]
    assert [it.text for it in one] == ["printed", '{"service": "orders"}', "Traceback"]
