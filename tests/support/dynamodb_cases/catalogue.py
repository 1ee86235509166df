"""All cases, by name."""

import inspect

from tests.support.dynamodb_cases import expressions, items, reads, transactions
from tests.support.dynamodb_cases.backend import CASES

__all__ = ["CASES"]

assert all(map(inspect.ismodule, (expressions, items, reads, transactions)))  # each has put its own there
