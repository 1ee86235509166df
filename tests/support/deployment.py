"""Contexts with other settings: the code reads them from the environment again."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from oms.core.settings import settings

# By how many decimals an amount has.
CURRENCIES = {"JPY": 0, "EUR": 2, "KWD": 3, "CLF": 4}


@contextmanager
def deployed_locally(**environment: str) -> Iterator[None]:
    """As `deployed_with`, on the local stage: the demo accounts have one short password in every role."""
    with deployed_with(STAFF_PASSWORD_MIN_LENGTH="8", **environment):
        # Only the settings read it: clients of AWS are the tests' own.
        with patch.dict(os.environ, {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}):
            settings()
        yield


@contextmanager
def deployed_with(**environment: str) -> Iterator[None]:
    """In this context the functions have these variables, each without its prefix `OMS_`: `CURRENCY="JPY"`."""
    try:
        with patch.dict(os.environ, {f"OMS_{name}": value for name, value in environment.items()}):
            settings.cache_clear()
            yield
    finally:
        settings.cache_clear()
