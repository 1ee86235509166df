"""The fixtures of the functional tests, and a system whose waits between attempts are noted instead of made."""

import pytest

from oms.identity import keyring
from tests.support.fixtures import (
    _aws,
    cloud,
    customer,
    manager,
    no_sleep,
    person,
    time_machine,
    world,
)
from tests.support.invocation import Person
from tests.support.shop import Shop

__all__ = [
    "_aws",
    "cloud",
    "customer",
    "manager",
    "no_sleep",
    "person",
    "time_machine",
    "world",
]


@pytest.fixture(autouse=True)
def _keys_are_loaded(cloud: None) -> None:
    """So that no plan meets the call that loads them, which a process makes once in five minutes."""
    keyring.public_jwks()


@pytest.fixture
def shop(customer: Person, manager: Person) -> Shop:
    return Shop(customer, manager)
