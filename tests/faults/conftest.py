"""The fixtures of the functional tests, and a system that records its waits between attempts instead of sleeping."""

import pytest

from oms.identity import keyring
from tests.support.fixtures import (
    _aws,
    cloud,
    customer,
    ledger_shop,
    manager,
    no_sleep,
    person,
    settle,
    simulation,
    time_machine,
    uploads,
)
from tests.support.invocation import Person
from tests.support.shop import Shop

__all__ = [
    "_aws",
    "cloud",
    "customer",
    "ledger_shop",
    "manager",
    "no_sleep",
    "person",
    "settle",
    "simulation",
    "time_machine",
    "uploads",
]


@pytest.fixture(autouse=True)
def _keys_are_loaded(cloud: None) -> None:
    """Loads the keys, so that no plan gets the call that loads them, which a process makes once in five minutes."""
    keyring.public_jwks()


@pytest.fixture
def shop(customer: Person, manager: Person) -> Shop:
    return Shop(customer, manager)
