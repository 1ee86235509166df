"""Rate limits in the header RateLimit, as a client sees them."""

import re
from collections.abc import Callable
from itertools import pairwise

import httpx

from tests.support.local_cloud.shop import wait_until


def remaining(answer: httpx.Response) -> int:
    """Returns the number of requests that this client has left in the window."""
    return _parameter(answer, "r")


def within_a_window(ask: Callable[[], list[httpx.Response]]) -> list[httpx.Response]:
    """Returns the answers to consecutive requests in one window; if a new window begins, it sends all of them again."""

    def is_one(answers: list[httpx.Response]) -> bool:
        return all(_parameter(late, "t") <= _parameter(early, "t") for early, late in pairwise(answers))

    answers = wait_until(ask, is_one)
    assert is_one(answers)
    return answers


def _parameter(answer: httpx.Response, name: str) -> int:
    found = re.search(rf";{name}=(\d+)", answer.headers["RateLimit"])
    assert found, answer.headers["RateLimit"]
    return int(found[1])
