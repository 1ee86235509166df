"""All cases, by name, and how a backend that has deviations is measured with them."""

import inspect
from collections.abc import Mapping

import pytest

from tests.support.dynamodb_cases import expressions, items, reads, transactions
from tests.support.dynamodb_cases.backend import CASES, Backend

__all__ = ["CASES", "check"]

assert all(map(inspect.ismodule, (expressions, items, reads, transactions)))  # each has put its own there


def check(name: str, backend: Backend, deviations: Mapping[str, str]) -> None:
    """The case passes, or fails where a deviation is listed: one that has ended is to be taken off the list."""
    if name not in deviations:
        CASES[name](backend)
        return
    try:
        CASES[name](backend)
    except (Exception, pytest.fail.Exception):
        return
    pytest.fail(f"the deviation is listed and has ended: {deviations[name]}")
