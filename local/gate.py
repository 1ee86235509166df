"""A gate that delays new requests, and waits for those in progress."""

import contextlib
import threading
from collections.abc import Iterator


class Gate:
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._passing = 0
        self._closed = False

    @property
    def idle(self) -> bool:
        return not self._passing

    @property
    def is_closed(self) -> bool:
        return self._closed

    @contextlib.contextmanager
    def passing(self) -> Iterator[None]:
        """Waits while the gate is closed, and counts the request until the end of the context."""
        with self._changed:
            self._changed.wait_for(lambda: not self._closed)
            self._passing += 1
        try:
            yield
        finally:
            with self._changed:
                self._passing -= 1
                self._changed.notify_all()

    @contextlib.contextmanager
    def closed(self, timeout_seconds: float) -> Iterator[None]:
        """Closes the gate, and waits for requests in progress, at most for the timeout.

        It allows one caller at a time.
        """
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._passing, timeout_seconds)
        try:
            yield
        finally:
            with self._changed:
                self._closed = False
                self._changed.notify_all()
