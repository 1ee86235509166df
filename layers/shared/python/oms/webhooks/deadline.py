"""A moment by which work is to be done, for what takes no limit of its own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Self

from oms.core import clock


@dataclass(frozen=True)
class Deadline:
    end: float

    @classmethod
    def within(cls, seconds: float) -> Self:
        return cls(clock.monotonic() + seconds)

    def left(self) -> float:
        """Seconds, more than 0. Raises TimeoutError."""
        left = self.end - clock.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def bound[T](self, work: Callable[[], T]) -> T:
        """What `work` gives, if it does in time; TimeoutError if not, and then it goes on without anybody waiting."""
        pool = ThreadPoolExecutor(1)
        try:
            return pool.submit(work).result(self.left())
        except FutureTimeoutError as error:
            raise TimeoutError from error
        finally:
            pool.shutdown(wait=False)
