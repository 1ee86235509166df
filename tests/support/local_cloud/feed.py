"""Reads of the feed, as a client makes them."""

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx

from local.system import LocalSystem
from oms.feed.models import EMPTY, FeedRow, Head
from tests.support.local_cloud.shop import read

FEED = "/api/v1/events"


def latest(system: LocalSystem) -> str | None:
    """Returns the id of the latest event for managers, from the table: a client would read the whole feed for it."""
    dynamodb, table = system.client("dynamodb"), system.environment("Feeder")["OMS_EVENTS_TABLE"]

    def item(pk: str, sk: str) -> dict[str, Any]:
        found = dynamodb.get_item(TableName=table, Key={"pk": {"S": pk}, "sk": {"S": sk}}, ConsistentRead=True)
        return dict(found.get("Item", {}))

    position = int(item(*Head.key()).get("position", {"N": "0"})["N"])
    while row := item(*FeedRow.key(position)):
        if row["type"]["S"] != EMPTY and not row["type"]["S"].startswith("user."):
            return str(row["event_id"]["S"])
        position -= 1
    return None


def follow(http: httpx.Client, after: str | None) -> list[Any]:
    """Returns all events after one, read page by page."""
    query = {"after": after} if after else {}
    page = read(http, FEED, limit=100, **query)
    found: list[Any] = page["items"]
    while page["next_cursor"]:
        page = read(http, FEED, limit=100, **query, cursor=page["next_cursor"])
        found += page["items"]
    return found


def about(events: Iterable[Any], *ids: str) -> list[Any]:
    """Returns the events of these orders, products or users; those of earlier tests may arrive late."""
    return [it for it in events if {it["data"].get("id"), it["data"].get("product_id")} & set(ids)]


@contextmanager
def following(http: httpx.Client, after: str | None, *, pause: float = 0) -> Iterator[list[Any]]:
    """In this context, collects the events after one, with pauses in seconds; at the end, up to the latest one.

    The emulator reads each row of a partition for each query: without a pause, a long feed leaves it no time for
    others.
    """
    seen: list[Any] = []
    stop = threading.Event()

    def read_on() -> None:
        while not stop.is_set():
            seen.extend(follow(http, seen[-1]["id"] if seen else after))
            stop.wait(pause)

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read_on)
        try:
            yield seen
        finally:
            stop.set()
    reader.result()  # raises the exception that ended the reader
    seen.extend(follow(http, seen[-1]["id"] if seen else after))
