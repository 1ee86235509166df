"""Fixtures of the client of AWS: its tests may use servers of this machine, and its configuration is theirs alone."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_socket import socket_allow_hosts

from oms.core import aws
from oms.core.aws_json import client
from oms.core.aws_json.connections import Pool


@pytest.fixture(autouse=True)
def _no_network() -> None:
    """Disables other connections than to this machine, by pytest-socket, which enables them after the test."""
    socket_allow_hosts(["127.0.0.1"])


@pytest.fixture(autouse=True)
def _no_open_connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Closes the connections of the test, which the pools of the process would keep."""
    opened: list[Any] = []
    connect = Pool._connect

    def noted(pool: Pool) -> Any:
        opened.append(connect(pool))
        return opened[-1]

    monkeypatch.setattr(Pool, "_connect", noted)
    yield
    client._pool.cache_clear()
    for connection in opened:
        connection.close()


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Removes all configuration of AWS, and sets credentials. Returns the place of the configuration file."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower().endswith("_proxy") or name == "REQUESTS_CA_BUNDLE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "A")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "S")
    monkeypatch.setattr(aws, "botocore_session", aws.botocore_session.__wrapped__)
    return tmp_path / "config"
