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


@pytest.fixture
def shop(customer: Person, manager: Person) -> Shop:
    """With the verification keys loaded: what crashes or is refused here is the order path."""
    keyring.public_jwks()
    return Shop(customer, manager)
