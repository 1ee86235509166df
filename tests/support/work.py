"""The work that code does, counted instead of timed, so that a busy machine makes no difference."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any


@dataclass
class Work:
    """The calls of functions so far, those of Python and those of C."""

    calls: int = 0
    paused: bool = False

    def uncounted[**P, T](self, function: Callable[P, T]) -> Callable[P, T]:
        """Returns the same function, without counting its calls."""

        def call(*arguments: P.args, **named: P.kwargs) -> T:
            self.paused = True
            try:
                return function(*arguments, **named)
            finally:
                self.paused = False

        return call


@contextmanager
def counted() -> Iterator[Work]:
    """In this context, the calls of this thread are counted."""
    work = Work()

    def note(_frame: FrameType, event: str, _argument: Any) -> None:
        if event in ("call", "c_call") and not work.paused:
            work.calls += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield work
    finally:
        sys.setprofile(before)
