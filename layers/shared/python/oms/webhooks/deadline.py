"""A deadline for calls that have no timeout of their own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Self

from oms.core import clock


@dataclass(frozen=True)
class Deadline:
    """A point in time on the monotonic clock, in seconds."""

    end: float

    @classmethod
    def within(cls, seconds: float) -> Self:
        return cls(clock.monotonic() + seconds)

    def left(self) -> float:
        """Returns the seconds until the deadline, more than 0. Raises TimeoutError after the deadline."""
        left = self.end - clock.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def bound[T](self, work: Callable[[], T]) -> T:
        """Returns the result of `work`. Raises TimeoutError at the deadline; then its thread continues unobserved."""
        pool = ThreadPoolExecutor(1)
        try:
            return pool.submit(work).result(self.left())
        except FutureTimeoutError as error:
            raise TimeoutError from error
        finally:
            pool.shutdown(wait=False)
