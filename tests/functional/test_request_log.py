"""The log line of a request, which is written without the logger."""

import io
import json
import logging
from typing import Any

import pytest

from oms.http import api
from tests.support.gateway import call
from tests.support.invocation import Person

ORDERS = "/api/v1/orders"
TRACE = "Root=1-67891233-abcdef012345678912345678;Parent=1234567890abcdef;Sampled=0"


class Pipe(io.StringIO):
    """A buffered stream whose writes and flushes are recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def write(self, text: str) -> int:
        self.calls.append(text)
        return super().write(text)

    def flush(self) -> None:
        self.calls.append("flush")


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    written = io.StringIO()
    monkeypatch.setattr(api.logger.registered_handler, "stream", written)
    return written


@pytest.mark.parametrize("trace", [None, TRACE])
def test_the_line_of_a_request_has_the_form_of_the_loggers(
    customer: Person, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch, trace: str | None
) -> None:
    if trace:
        monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)

    call("GET", f"{ORDERS}?limit=1", token=customer.token)
    fields = {"operation": "list_orders", "status": 200, "duration_ms": 1.5, "role": "customer"}
    api.logger.info("request", method="GET", path=ORDERS, **fields)

    made, expected = (json.loads(line) for line in lines.getvalue().splitlines())
    assert list(made) == list(expected)
    assert shape(made) == shape(expected)
    assert made["user_id"] == customer.id


def shape(line: dict[str, Any]) -> dict[str, Any]:
    """Returns a line with texts in place of the values that differ for each line."""
    clock = "".join("0" if it.isdigit() else it for it in line["timestamp"])
    return line | {"timestamp": clock, "location": type(line["location"]), "duration_ms": type(line["duration_ms"])}


def test_a_higher_level_omits_the_line(customer: Person, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    level = api.logger.log_level
    api.logger.setLevel(logging.WARNING)

    call("GET", ORDERS, token=customer.token)

    api.logger.setLevel(level)
    assert lines.getvalue() == ""


def test_a_line_is_one_write_and_is_flushed(customer: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """So no other line comes between, and the line is not lost if the process is killed after the response."""
    pipe = Pipe()
    monkeypatch.setattr(api.logger.registered_handler, "stream", pipe)

    call("GET", ORDERS, token=customer.token)

    line, last = pipe.calls
    assert line.endswith("}\n")
    assert last == "flush"
