"""Fixtures of the unit tests: a test that uses the network fails."""

import pytest


@pytest.fixture(autouse=True)
def _no_network(socket_disabled: None) -> None:
    """Disables sockets, by pytest-socket."""
