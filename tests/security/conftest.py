"""The fixtures of the functional tests, and an account as a target of attacks."""

from collections.abc import Callable
from typing import Any

import pytest

from oms.identity.models import User
from tests.support.accounts import _cheap_hashes, account, frozen, full_cost, log_in
from tests.support.fixtures import (
    _aws,
    admin,
    cloud,
    customer,
    manager,
    no_sleep,
    person,
    product,
    webhooks,
)
from tests.support.logs import log

__all__ = [
    "_aws",
    "_cheap_hashes",
    "account",
    "admin",
    "cloud",
    "customer",
    "frozen",
    "full_cost",
    "log",
    "manager",
    "no_sleep",
    "person",
    "product",
    "webhooks",
]


@pytest.fixture
def ada(account: Callable[..., User]) -> User:
    return account("ada@example.com")


@pytest.fixture
def tokens(ada: User) -> dict[str, Any]:
    answer: dict[str, Any] = log_in().json
    return answer
