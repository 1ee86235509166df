"""One simulation: the code's clock, its randomness and its AWS calls, under virtual time."""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

from benchmarks.capacity import latency
from benchmarks.capacity.database import LimitedDatabase, Load
from benchmarks.capacity.latency import Latency
from benchmarks.capacity.measures import Outcomes, Point
from benchmarks.capacity.virtual_time import VirtualTime
from oms.core import clock
from oms.core.errors import OmsError
from oms.core.retries import deadline
from oms.webhooks import health, sending
from oms.webhooks.post import PostResponse
from tests.support import aws_calls
from tests.support.dynamodb.client import answer
from tests.support.tables import create_tables

START = datetime(2026, 11, 30, 12, tzinfo=UTC)
_SECRETS = {"oms/webhook_keys": json.dumps({"1": "w" * 64}), "oms/audit_keys": json.dumps({"1": "a" * 64})}
# Nothing is measured before it: idle partitions have a burst of units, and queues are empty.
WARM_SECONDS = 1.0
# About as long as a request retries.
TAIL_SECONDS = 3.0

DATABASE = LimitedDatabase()


@dataclass
class Simulation:
    """A run of the code at one rate. `send` gets the messages that the code sends to queues."""

    load: Load
    outcomes: Outcomes
    send: Callable[[str], None] = field(default=lambda _: None)

    @property
    def time(self) -> VirtualTime:
        return self.load.time

    def note(self, begun: float, *, ok: bool) -> None:
        self.outcomes.note(begun, self.time.now, ok=ok)

    def each(self, rate: float, task: Callable[[int], object]) -> None:
        """Runs `task` at random times, `rate` a second, with the number of the run.

        The load continues after the end, so that the last counted requests meet it too.
        """
        for number, moment in enumerate(self.load.durations.arrivals(rate, self.outcomes.end + TAIL_SECONDS)):
            self.time.spawn(partial(task, number), at=moment)

    def request(self, make: Callable[[], object]) -> bool:
        """Makes a request within its deadline, and notes it; returns whether it succeeded."""
        begun = self.time.now
        try:
            with deadline():
                make()
        except OmsError:  # 503 after lasting contention
            self.note(begun, ok=False)
            return False
        self.note(begun, ok=True)
        return True

    def point(self, offered: float) -> Point:
        return self.outcomes.point(offered, self.load.counts, self.load.capacity.refused)


@contextmanager
def simulation(*, seed: int, seconds: float, parts: float = 1, spread: bool = True) -> Iterator[Simulation]:
    """In this context, the code runs in a simulation of that many seconds after the warm-up."""
    time = VirtualTime()
    load = Load(time, Latency(seed, spread=spread))
    running = Simulation(load, Outcomes(WARM_SECONDS, WARM_SECONDS + seconds, parts))
    _ACTIVE.append(running)
    DATABASE.load = load
    random.seed(seed)
    vars(clock)["secrets"] = random.Random(seed)
    try:
        yield running
    finally:
        DATABASE.load = None
        _ACTIVE.pop()


@contextmanager
def unlimited() -> Iterator[None]:
    """In this context, DynamoDB has no limits and takes no time: for existing items, and the work of other parts."""
    load, DATABASE.load = DATABASE.load, None
    try:
        yield
    finally:
        DATABASE.load = load


def install() -> None:
    """Puts the simulation below the code: the clock, the subscribers of webhooks, and all of AWS."""
    clock.now = lambda: START + timedelta(seconds=_ACTIVE[-1].time.now if _ACTIVE else 0)
    clock.monotonic = lambda: _ACTIVE[-1].time.now if _ACTIVE else 0.0
    clock.sleep = lambda seconds: _ACTIVE[-1].time.sleep(seconds)
    vars(sending)["post"] = _post
    # It would mark a slow subscriber after a second of real time.
    vars(health)["Timer"] = lambda *_: SimpleNamespace(start=_nothing, cancel=_nothing, join=_nothing)
    aws_calls.serve("dynamodb", lambda client, operation, its: answer(DATABASE, client, operation, its))
    aws_calls.serve("sqs", lambda _, operation, its: _sqs(operation, its))
    aws_calls.serve("sesv2", lambda *_: _send_email())
    aws_calls.serve("secretsmanager", lambda _client, _, its: {"SecretString": _SECRETS[its["SecretId"]]})
    create_tables()


_ACTIVE: list[Simulation] = []


def _nothing() -> None:
    pass


def _wait(mean: float) -> None:
    running = _ACTIVE[-1]
    running.time.sleep(latency.OWN_WORK + running.load.durations.of(mean))


def _sqs(operation: str, parameters: Mapping[str, Any]) -> Any:
    entries = parameters["Entries"] if operation == "SendMessageBatch" else [parameters]
    _wait(latency.QUEUE)
    for entry in entries:
        _ACTIVE[-1].send(entry["MessageBody"])
    return {"Successful": [], "MessageId": "1"}


def _send_email() -> Any:
    _wait(latency.MAIL)
    return {"MessageId": "1"}


def _post(*_: object, **__: object) -> PostResponse:
    _wait(latency.SUBSCRIBER)
    return PostResponse(200, None, b"")
