"""Rules only: a test that reaches for the network fails."""

import pytest


@pytest.fixture(autouse=True)
def _no_network(socket_disabled: None) -> None:
    """By pytest-socket."""
