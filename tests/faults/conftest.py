"""The fixtures of the functional tests, and a system whose waits between attempts are noted instead of made."""

from collections.abc import Iterator

import pytest

from oms import dynamodb
from oms.identity import keyring
from tests.faults.direct import past_the_protocol
from tests.faults.injector import faults
from tests.faults.shop import Shop
from tests.functional.auditing import Log
from tests.functional.conftest import _aws, cloud, customer, manager, person, time_machine, world
from tests.functional.harness import Person

__all__ = ["_aws", "cloud", "customer", "manager", "person", "time_machine", "world"]


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the system would have slept, in order."""
    slept: list[float] = []
    monkeypatch.setitem(dynamodb.retrying.__kwdefaults__, "sleep", slept.append)
    return slept


@pytest.fixture
def shop(customer: Person, manager: Person) -> Shop:
    """With the verification keys loaded: what crashes or is refused here is the order path."""
    keyring.public_jwks()
    return Shop(customer, manager)


@pytest.fixture
def quickly(log: Log) -> Iterator[None]:
    """After `log`, whose fixtures stand at the same place."""
    with faults(past_the_protocol):
        yield
