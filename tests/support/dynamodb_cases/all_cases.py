"""All cases by name, and the check of a backend that has deviations."""

import inspect
from collections.abc import Mapping

import pytest

from tests.support.dynamodb_cases import expressions, items, reads, transactions
from tests.support.dynamodb_cases.backend import CASES, Backend

__all__ = ["CASES", "check"]

assert all(map(inspect.ismodule, (expressions, items, reads, transactions)))  # each module adds its own


def check(name: str, backend: Backend, deviations: Mapping[str, str]) -> None:
    """Checks that the case passes, or fails if a deviation is listed: remove a deviation that no longer exists."""
    if name not in deviations:
        CASES[name](backend)
        return
    try:
        CASES[name](backend)
    except (Exception, pytest.fail.Exception):
        return
    pytest.fail(f"the deviation is listed and has ended: {deviations[name]}")
