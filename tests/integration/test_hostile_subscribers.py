"""A23: subscribers that fail, drip, redirect, are slow or gone have no effect on a healthy one."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from local.system import LocalSystem
from tests.support.local_cloud.queues import wait_until_at_rest
from tests.support.local_cloud.shop import all_items, create_product, wait_until

pytestmark = pytest.mark.full

WEBHOOKS = "/api/v1/webhooks"
# Simultaneous events: each occupies the two that drip, and their senders, for 15 s.
BURST = 8
SLOW = 3.0
# For each of the two queues: `delivery_concurrency` of the local stage.
SENDERS = 6
# The number of events that must pass those of the hostile subscribers.
PASSING = 3


@dataclass
class Hostile:
    """The server of all subscribers: the arrived events, and the answers that drip, with one connection for each event.

    `seen` is path → events in the order of arrival; `given_up` has the bytes that had dripped when the sender hung up,
    and `given_up_before` the number of these when an event arrived at the healthy subscriber.
    """

    port: int = 0
    seen: dict[str, list[str]] = field(default_factory=dict)
    dripping: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    given_up_before: dict[str, int] = field(default_factory=dict)
    turned: threading.Event = field(default_factory=threading.Event)
    ending: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def arrived(self, path: str) -> list[str]:
        return list(self.seen.get(path, []))


@contextmanager
def hostile_server() -> Iterator[Hostile]:
    hostile = Hostile()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            path, event = self.path.strip("/"), str(self.headers["webhook-id"])
            hostile.seen.setdefault(path, []).append(event)
            with contextlib.suppress(OSError):  # a client that stops reading has hung up
                getattr(self, f"answer_{path}")(event)

        def answer_well(self, event: str) -> None:
            hostile.given_up_before[event] = len(hostile.given_up)
            self._say(204)

        def answer_flaky(self, event: str) -> None:
            """Fails three times for each event."""
            times = hostile.seen["flaky"].count(event)
            self._say(500 if times <= 3 else 200)

        def answer_slow(self, _: str) -> None:
            time.sleep(SLOW)
            self._say(200)

        def answer_redirecting(self, _: str) -> None:
            self._say(302, {"Location": hostile.url("elsewhere")})

        def answer_dripping(self, event: str) -> None:
            hostile.dripping.append(event)
            try:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not hostile.ending.wait(0.5):
                    self.wfile.write(b"x")
            finally:
                hostile.dripping.remove(event)
                hostile.given_up.append(event)

        def answer_turning(self, event: str) -> None:
            """Answers well, and later redirects."""
            (self.answer_dripping if hostile.turned.is_set() else self.answer_well)(event)

        def answer_gone(self, _: str) -> None:
            self._say(410)

        def answer_huge(self, _: str) -> None:
            """Sends a gigabyte, as fast as it is read."""
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
            for _ in range(1024):
                self.wfile.write(b"x" * 1024 * 1024)

        def _say(self, status: int, headers: Mapping[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        hostile.port = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield hostile
        hostile.ending.set()
        server.shutdown()


@contextmanager
def subscription(admin: httpx.Client, url: str) -> Iterator[str]:
    """Creates a subscription to adjustments for this context, and gives its path."""
    made = admin.post(WEBHOOKS, json={"url": url, "events": ["stock.adjusted"]})
    assert made.status_code == 201, made.text
    path = f"{WEBHOOKS}/{made.json()['id']}"
    try:
        yield path
    finally:
        assert admin.delete(path).status_code == 204


def adjust(manager: httpx.Client, product: str) -> None:
    body = {"adjustment": 1, "reason": "counted"}
    answer = manager.patch(f"/api/v1/inventory/products/{product}/stock", json=body)
    assert answer.status_code == 200, answer.text


def passed_by(manager: httpx.Client, product: str, hostile: Hostile) -> bool:
    """Adjusts once; returns whether the event arrived at the healthy subscriber while all senders of a queue were
    occupied.

    If it had waited for one of them, an answer that drips would have ended before.
    """
    kept, given_up, before = len(hostile.dripping), len(hostile.given_up), hostile.arrived("well")
    adjust(manager, product)
    arrived = wait_until(lambda: hostile.arrived("well"), lambda it: len(it) > len(before), pause=0.02)
    (event,) = arrived[len(before) :]
    return kept >= SENDERS and hostile.given_up_before[event] == given_up


def deliveries_of(manager: httpx.Client, path: str) -> list[Any]:
    return all_items(manager, f"{path}/deliveries")


HOSTILE = ("flaky", "slow", "redirecting", "dripping", "gone", "huge")


@pytest.mark.alone
def test_a23_hostile_subscribers_end_as_designed_and_the_healthy_one_notices_nothing(
    system: LocalSystem, signed_in: Callable[[str], httpx.Client]
) -> None:
    admin, manager = signed_in("admin"), signed_in("manager")
    product = create_product(manager, stock=1)
    with hostile_server() as hostile, ExitStack() as subscriptions:
        healthy, turning = (
            subscriptions.enter_context(subscription(admin, hostile.url(it))) for it in ("well", "turning")
        )
        adjust(manager, product)
        for path in (healthy, turning):
            wait_until(partial(deliveries_of, manager, path), lambda it: [one["status"] for one in it] == ["delivered"])
        hostile.turned.set()
        paths = {it: subscriptions.enter_context(subscription(admin, hostile.url(it))) for it in HOSTILE}
        for _ in range(BURST):
            adjust(manager, product)
        wait_until(lambda: hostile.arrived("well"), lambda it: len(it) == 1 + BURST)

        passed: list[bool] = []
        wait_until(lambda: passed.append(passed_by(manager, product, hostile)), lambda _: sum(passed) >= PASSING)
        assert sum(passed) >= PASSING, f"of {len(passed)} events"
        ended = wait_until(lambda: {it: deliveries_of(manager, path) for it, path in paths.items()}, have_ended)

        deliveries = deliveries_of(manager, healthy)
        assert Counter(it["status"] for it in deliveries) == {"delivered": 1 + BURST + len(passed)}
        assert {len(it["attempts"]) for it in deliveries} == {1}
        assert {it["status"] for it in ended["huge"] + ended["slow"]} == {"delivered"}
        assert {it["attempts"][0]["answer"] for it in ended["huge"]} == {None}, "managers do not read answers"
        huge = deliveries_of(admin, paths["huge"])
        assert all(len(it["attempts"][0]["answer"]) == 1000 for it in huge)
        assert all(it["attempts"][0]["duration_ms"] >= SLOW * 1000 for it in ended["slow"])
        for delivery in ended["redirecting"]:
            assert delivery["status"] == "pending"
            assert {it["status_code"] for it in delivery["attempts"]} == {302}
        assert "elsewhere" not in hostile.seen
        turned = [it for it in deliveries_of(manager, turning) if it["status"] != "delivered"]
        for dripped in (ended["dripping"], turned):
            assert len(dripped) == BURST + len(passed)
            given_up = [attempt for it in dripped for attempt in not_under_way(it)]
            assert {it["error"] for it in given_up} == {"no response within 15 s"}
            assert all(it["duration_ms"] >= 15_000 for it in given_up)
        assert admin.get(paths["gone"]).json()["disabled_reason"] == "gone"
        assert Counter(it["status"] for it in ended["gone"])["failed"] >= 1
        check_flaky(system, manager, hostile, paths["flaky"])


def not_under_way(delivery: Any) -> list[Any]:
    """Returns its attempts, without a last one that is running or was cut off."""
    *before, last = delivery["attempts"] or [{"status": "in_progress"}]
    return before if last["status"] in ("in_progress", "interrupted") else [*before, last]


def have_ended(found: Mapping[str, list[Any]]) -> bool:
    """Whether the subscribers that answer have all events, and an attempt of each other one has ended."""
    answered = all(it["status"] == "delivered" for it in found["slow"] + found["huge"])
    given_up = all(not_under_way(it) for it in found["dripping"])
    tried = all(len(it["attempts"]) >= 2 for it in found["flaky"] + found["redirecting"])
    return answered and given_up and tried and all(it["status"] != "pending" for it in found["gone"])


def check_flaky(system: LocalSystem, manager: httpx.Client, hostile: Hostile, path: str) -> None:
    """Checks three failures, at once, after 5 s and after 5 min; the fourth attempt, half an hour later, succeeds."""
    hostile.ending.set()
    for minutes in (10, 50):
        set_clocks(system, str(60 * minutes))
        system.invoke("Sweeper", {})
        tries = 3 if minutes == 10 else 4
        wait_until(
            lambda: deliveries_of(manager, path),
            lambda it, tries=tries: all(len(delivery["attempts"]) >= tries for delivery in it),  # type: ignore[misc]
        )
    set_clocks(system, None)

    found = deliveries_of(manager, path)
    assert {it["status"] for it in found} == {"delivered"}
    assert {tuple(attempt["status_code"] for attempt in it["attempts"]) for it in found} == {(500, 500, 500, 200)}
    assert set(Counter(hostile.seen["flaky"]).values()) == {4}


def set_clocks(system: LocalSystem, offset: str | None) -> None:
    """Restarts the senders with another clock once no attempt is under way.

    SQS would deliver the message of an interrupted one again after six minutes, for which later tests would wait.
    """
    wait_until_at_rest(system, "WebhooksDeliveries", "WebhooksSlowDeliveries")
    for function in ("Sender", "Sweeper"):
        system.update_environment(function, OMS_CLOCK_OFFSET=offset)
