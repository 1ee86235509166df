"""The publisher, and an event bus that records its entries."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from oms.publishing.bus import SOURCE
from publisher import handler as publisher
from tests.support.aws_calls import Call, intercepted
from tests.support.invocation import Context
from tests.support.streams import Record


@contextmanager
def bus(refused: Callable[[Any], bool] = lambda _: False) -> Iterator[list[Any]]:
    """In this context, the entries on the bus are recorded in the list, except those that `refused` is true for.

    Plans of the injector that begin later decide before it.
    """
    taken: list[Any] = []

    def take(call: Call) -> Any:
        if call.operation != "PutEvents":
            return call.send()
        answers: list[dict[str, str]] = []
        for entry in call.parameters["Entries"]:
            if refused(entry):
                answers.append({"ErrorCode": "ThrottlingException", "ErrorMessage": "injected"})
            else:
                taken.append(entry)
                answers.append({"EventId": str(len(taken))})
        return {"FailedEntryCount": sum("ErrorCode" in it for it in answers), "Entries": answers}

    with intercepted(take):
        yield taken


def publish(records: list[Record]) -> None:
    """Gives the publisher these records, as one batch."""
    publisher.lambda_handler({"Records": records}, Context())


def entries_of(records: list[Record]) -> list[Any]:
    """Returns the entries that the publisher puts on the bus for these records, as one batch, in order."""
    with bus() as taken:
        publish(records)
    return taken


def published(records: list[Record]) -> list[Any]:
    """Returns the events among them, without the system's internal messages."""
    events = [it for it in entries_of(records) if it["Source"] == SOURCE]
    for entry in events:
        assert json.loads(entry["Detail"])["type"] == entry["DetailType"]
    return [json.loads(entry["Detail"]) for entry in events]


def published_types(records: list[Record]) -> list[str]:
    return [event["type"] for event in published(records)]


def in_events(order: dict[str, Any]) -> dict[str, Any]:
    """Returns an order that a response shows, as an event has it."""
    return {"tags": []} | {
        name: it for name, it in order.items() if name not in ("customer", "contact", "billing_address")
    }
