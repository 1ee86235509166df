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
def following(http: httpx.Client, after: str | None, *, pause: float = 0) -> Iterator[list[Any]]:
    """The events after one, read on and on meanwhile, after pauses in seconds; at the end, up to the last there is.

    The emulator looks at each row of a partition for each query: without a pause, a long feed leaves it no time for
    others.
    """
    seen: list[Any] = []
    stop = threading.Event()

    def read_on() -> None:
        while not stop.is_set():
            seen.extend(follow(http, seen[-1]["id"] if seen else after))
            stop.wait(pause)

    reader = threading.Thread(target=read_on)
    reader.start()
    try:
        yield seen
    finally:
        stop.set()
        reader.join()
    seen.extend(follow(http, seen[-1]["id"] if seen else after))
