"""The publisher, and the bus as it stands behind it: what is put there is noted."""

import json
from typing import Any

from oms.publishing import SOURCE
from publisher import handler as publisher
from tests.faults.injector import Call, faults
from tests.functional.harness import Context
from tests.functional.stream import Record


def entries_of(records: list[Record]) -> list[Any]:
    """What the publisher puts on the bus for these records, as one batch, in order."""
    put: list[Any] = []

    def take(call: Call) -> Any:
        if call.operation != "PutEvents":
            return call.send()
        put.extend(call.parameters["Entries"])
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"} for _ in call.parameters["Entries"]]}

    with faults(take):
        publisher.lambda_handler({"Records": records}, Context())
    return put


def published(records: list[Record]) -> list[Any]:
    """The events among them; what the system tells itself is left out."""
    events = [it for it in entries_of(records) if it["Source"] == SOURCE]
    for entry in events:
        assert json.loads(entry["Detail"])["type"] == entry["DetailType"]
    return [json.loads(entry["Detail"]) for entry in events]


def told(records: list[Record]) -> list[str]:
    return [event["type"] for event in published(records)]
