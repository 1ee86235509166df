"""Reading the feed as a client does."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

FEED = "/api/v1/events"


def latest(http: httpx.Client) -> str | None:
    """The id of the last event there is."""
    events = follow(http, None)
    return events[-1]["id"] if events else None


def follow(http: httpx.Client, after: str | None) -> list[Any]:
    """All events after one, page by page."""
    query = {"limit": 100} | ({"after": after} if after else {})
    page = http.get(FEED, params=query).json()
    found: list[Any] = page["items"]
    while page["next_cursor"]:
        page = http.get(FEED, params=query | {"cursor": page["next_cursor"]}).json()
        found += page["items"]
    return found


@contextmanager
def following(http: httpx.Client, after: str | None) -> Iterator[list[Any]]:
    """The events after one, read on and on meanwhile; at the end, up to the last there is."""
    seen: list[Any] = []
    stop = threading.Event()

    def read_on() -> None:
        while not stop.is_set():
            seen.extend(follow(http, seen[-1]["id"] if seen else after))

    reader = threading.Thread(target=read_on)
    reader.start()
    try:
        yield seen
    finally:
        stop.set()
        reader.join()
    seen.extend(follow(http, seen[-1]["id"] if seen else after))
