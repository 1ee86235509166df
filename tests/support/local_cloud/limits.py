"""Rate limits as a client sees them, in the header RateLimit."""

import re
from collections.abc import Callable
from itertools import pairwise

import httpx

from tests.support.local_cloud.shop import wait_until


def remaining(answer: httpx.Response) -> int:
    """How many more requests this client has in the window."""
    return _parameter(answer, "r")


def within_a_window(ask: Callable[[], list[httpx.Response]]) -> list[httpx.Response]:
    """The answers to some requests in a row, none of which began a new window: then it asks all of them again."""

    def is_one(answers: list[httpx.Response]) -> bool:
        return all(_parameter(late, "t") <= _parameter(early, "t") for early, late in pairwise(answers))

    answers = wait_until(ask, is_one)
    assert is_one(answers)
    return answers


def _parameter(answer: httpx.Response, name: str) -> int:
    found = re.search(rf";{name}=(\d+)", answer.headers["RateLimit"])
    assert found, answer.headers["RateLimit"]
    return int(found[1])
