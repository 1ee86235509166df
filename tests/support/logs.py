"""The log of the functions in process."""

import io
from collections.abc import Iterator

import pytest

from oms.http import api


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Collects the log at every level."""
    written, level = io.StringIO(), api.logger.log_level
    monkeypatch.setattr(api.logger.registered_handler, "stream", written)
    api.logger.setLevel("DEBUG")
    yield written
    api.logger.setLevel(level)
