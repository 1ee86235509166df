"""Common steps of integration tests, over HTTP alone."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx

# As many as the local cloud keeps warm; further ones would only wait for workers to start.
CLIENTS = 8
# Seconds after which a wait ends: long enough that only an event that never happens fails.
WAIT_SECONDS = 300

# The batch of the expiry worker's queue: a message that names the first shard.
SWEEP = {
    "Records": [
        {
            "messageId": "1",
            "receiptHandle": "1",
            "body": '{"shard": 0}',
            "attributes": {},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-central-1:000000000000:expiry",
            "awsRegion": "eu-central-1",
        }
    ]
}


def create_product(manager: httpx.Client, *, stock: int, price: str = "5.00", category: str = "Tests") -> str:
    unique = uuid4().hex[:12]
    body = {"sku": f"TEST-{unique}", "name": f"Test {unique}", "category": category, "price": price, "stock": stock}
    created = manager.post("/api/v1/inventory/products", json=body)
    assert created.status_code == 201, created.text
    return str(created.json()["id"])


def read(http: httpx.Client, path: str, **query: str | int) -> Any:
    """Returns the JSON of a GET; retries, as clients do, while a busy system answers 429 or 503."""
    answer = wait_until(lambda: http.get(path, params=query or None), lambda it: it.status_code not in (429, 503))
    assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text}"
    return answer.json()


def stock_of(manager: httpx.Client, product_id: str) -> tuple[int, int]:
    """(available, reserved)"""
    shown = read(manager, f"/api/v1/inventory/products/{product_id}")
    return shown["available"], shown["reserved"]


def order_of(*lines: tuple[str, int]) -> dict[str, Any]:
    return {"items": [{"product_id": product_id, "quantity": quantity} for product_id, quantity in lines]}


def at_once[T](actions: Sequence[Callable[[], T]], *, clients: int | None = None) -> list[T]:
    """Returns the results of the actions, in their order. Without `clients` all start at the same moment."""
    workers = clients or len(actions)
    start = threading.Barrier(workers)

    def run(action: Callable[[], T]) -> T:
        if clients is None:
            start.wait()
        return action()

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(run, actions))


def statuses(answers: Sequence[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def wait_until[T](look: Callable[[], T], is_there: Callable[[T], bool], *, pause: float = 0.2) -> T:
    """Returns the first result of `look` for which `is_there` is true, or the last one, with which the test then fails.

    A call that costs the emulator much needs a longer pause, in seconds.
    """
    end = time.monotonic() + WAIT_SECONDS
    while True:
        seen = look()
        if is_there(seen) or time.monotonic() > end:
            return seen
        time.sleep(pause)


def all_items(http: httpx.Client, path: str, **query: str) -> list[Any]:
    """Returns a whole list, read page by page."""
    items: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = read(http, path, limit=100, **query, **cursor)
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = {"cursor": page["next_cursor"]}


def check_movements(manager: httpx.Client, product_id: str, movements: int) -> list[Any]:
    """Asserts that a product's movements are complete: each movement begins where the previous one ended, and the last
    ends at the current stock. Returns the movements, oldest first.
    """
    path = f"/api/v1/inventory/products/{product_id}/movements"
    found = wait_until(lambda: all_items(manager, path), lambda it: len(it) >= movements)[::-1]
    assert [it["version"] for it in found] == list(range(1, movements + 1))
    assert found[0]["cause"] == "product-created"
    for kind, left in zip(("available", "reserved"), stock_of(manager, product_id), strict=True):
        assert [it[kind]["before"] for it in found] == [0, *(it[kind]["after"] for it in found[:-1])]
        assert found[-1][kind]["after"] == left
    return found
