"""The fixtures of the functional tests, and a system whose waits between attempts are noted instead of made."""

from pathlib import Path

import pytest

from oms import dynamodb
from oms.identity import keyring
from tests.faults.shop import Shop
from tests.functional.conftest import _aws, cloud, customer, manager, person, time_machine, world
from tests.functional.harness import Person

__all__ = ["_aws", "cloud", "customer", "manager", "person", "time_machine", "world"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They run the same lines thousands of times, which takes twice as long while coverage watches."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.no_cover)


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
