"""The time from an order to the first attempt at each webhook: `python -m benchmarks.first_attempt`.

It deploys a system of its own on the local cloud, subscribes to `order.created`, and places orders over HTTP. The time
begins when the client has the response of the order, which is committed then, and ends when the request is at the
subscriber's server.
"""

import argparse
import json
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from benchmarks.capacity.measures import percentile
from benchmarks.tables import Table, as_markdown
from local.demo import PASSWORD
from local.system import LocalSystem
from tests.support.local_cloud.settings import SETTINGS
from tests.support.local_cloud.shop import WAIT_SECONDS, create_product, order_of, wait_until

ORDERS, WEBHOOKS = "/api/v1/orders", "/api/v1/webhooks"

type Arrivals = dict[tuple[str, str], float]
"""The time of the first request of each subscriber about an order, by the path of the subscriber and the order."""


@contextmanager
def subscribers() -> Iterator[tuple[str, Arrivals]]:
    """Runs the server of all subscribers. Yields its URL, and the arrivals, which it fills."""
    arrivals: Arrivals = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            now = time.monotonic()
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            arrivals.setdefault((self.path, event["data"]["id"]), now)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", arrivals
        server.shutdown()


@contextmanager
def signed_in(system: LocalSystem, name: str) -> Iterator[httpx.Client]:
    """Yields a client with the access token of a demo account."""
    with httpx.Client(base_url=system.base_url, timeout=WAIT_SECONDS, trust_env=False) as http:
        answer = http.post("/api/v1/auth/login", json={"email": f"{name}@demo.example", "password": PASSWORD})
        http.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"
        yield http


class Shop:
    """The deployed system with its subscribers. `place` places orders, and returns the seconds to each attempt."""

    def __init__(self, customer: httpx.Client, product: str, arrivals: Arrivals, subscribers: int) -> None:
        self._customer = customer
        self._product = product
        self._arrivals = arrivals
        self._subscribers = subscribers

    def place(self, orders: int, *, clients: int, pause: bool) -> list[float]:
        """`pause` waits after each order until its attempts are made."""
        placed: dict[str, float] = {}

        def place_one(_: int) -> None:
            answer = self._customer.post(ORDERS, json=order_of((self._product, 1)))
            placed[answer.raise_for_status().json()["id"]] = time.monotonic()
            if pause:
                self._wait_for(placed)

        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(place_one, range(orders)))
        self._wait_for(placed)
        return sorted(at - placed[order] for (_, order), at in self._arrivals.items() if order in placed)

    def _wait_for(self, placed: dict[str, float]) -> None:
        expected = len(placed) * self._subscribers
        arrived = wait_until(
            lambda: sum(order in placed for _, order in list(self._arrivals)), lambda it: it >= expected, pause=0.05
        )
        assert arrived == expected, f"{arrived} of {expected} attempts were made"


@contextmanager
def shop(number: int) -> Iterator[Shop]:
    """Deploys a system with that many subscribers, which have answered once, so that none is new."""
    with (
        LocalSystem(settings=SETTINGS) as system,
        subscribers() as (url, arrivals),
        signed_in(system, "admin") as admin,
        signed_in(system, "manager") as manager,
        signed_in(system, "alice") as alice,
    ):
        for subscriber in range(number):
            body: dict[str, Any] = {"url": f"{url}/{subscriber}", "events": ["order.created"]}
            admin.post(WEBHOOKS, json=body).raise_for_status()
        running = Shop(alice, create_product(manager, stock=100_000), arrivals, number)
        running.place(2, clients=1, pause=True)
        yield running


def table(measured: Sequence[tuple[str, list[float]]]) -> Table:
    rows = [["orders", "attempts", "p50, s", "p99, s", "last, s"]]
    for name, seconds in measured:
        figures = (percentile(seconds, 0.5), percentile(seconds, 0.99), seconds[-1])
        rows.append([name, f"{len(seconds)}", *(f"{it:.2f}" for it in figures)])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", type=int, default=50)
    parser.add_argument("--orders", type=int, default=20)
    arguments = parser.parse_args()
    orders = arguments.orders
    with shop(arguments.subscribers) as running:
        measured = [
            (f"{orders}, each after the attempts of the one before", running.place(orders, clients=1, pause=True)),
            (f"{orders}, one after the other", running.place(orders, clients=1, pause=False)),
            (f"{orders}, four at once", running.place(orders, clients=4, pause=False)),
        ]
    print(as_markdown(table(measured)))


if __name__ == "__main__":
    main()
