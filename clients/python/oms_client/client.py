"""The clients: OmsClient, and AsyncOmsClient for asyncio and Trio."""

import os
import threading
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Self

import anyio
import httpx

from oms_client import api, async_api
from oms_client.credentials import ServiceKey, Session
from oms_client.exchange import Credentials, Exchange, RetryPolicy

# The API answers within 28 seconds.
TIMEOUT = httpx.Timeout(30, connect=5)

try:
    VERSION = version("oms-client")
except PackageNotFoundError:  # Run from the folder.
    VERSION = "0"


class OmsClient(api.Api):
    """Calls one deployment. Threads may share it.

    `key` is a service key; `email` and `password` sign a person in at the first request. Without arguments, the
    environment has the URL and the key: OMS_URL and OMS_KEY. Without credentials, only public operations work.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        key: str | None = None,
        email: str | None = None,
        password: str | None = None,
        credentials: Credentials | None = None,
        retries: RetryPolicy | None = None,
        timeout: httpx.Timeout | float = TIMEOUT,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        found = credentials or _credentials(key, email, password)
        self.exchange = _exchange(base_url, found, retries, timeout)
        self.http = httpx.Client(transport=transport)
        self._lock = threading.Lock()
        super().__init__()

    def close(self) -> None:
        self.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncOmsClient(async_api.Api):
    """The same for asyncio and Trio."""

    def __init__(
        self,
        base_url: str | None = None,
        *,
        key: str | None = None,
        email: str | None = None,
        password: str | None = None,
        credentials: Credentials | None = None,
        retries: RetryPolicy | None = None,
        timeout: httpx.Timeout | float = TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        found = credentials or _credentials(key, email, password)
        self.exchange = _exchange(base_url, found, retries, timeout)
        self.http = httpx.AsyncClient(transport=transport)
        self._lock = anyio.Lock()
        super().__init__()

    async def aclose(self) -> None:
        await self.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _credentials(key: str | None, email: str | None, password: str | None) -> Credentials | None:
    if email is not None and password is not None:
        return Session(email, password)
    if email is not None or password is not None:
        raise ValueError("A sign-in needs both `email` and `password`.")
    key = key or os.environ.get("OMS_KEY")
    return ServiceKey(key) if key else None


def _exchange(
    base_url: str | None,
    credentials: Credentials | None,
    retries: RetryPolicy | None,
    timeout: httpx.Timeout | float,
) -> Exchange:
    url = base_url or os.environ.get("OMS_URL")
    if not url:
        raise ValueError("Name the deployment: OmsClient('https://…'), or set OMS_URL.")
    if isinstance(timeout, float | int):
        timeout = httpx.Timeout(timeout)
    return Exchange(url, credentials, retries=retries or RetryPolicy(), timeout=timeout, agent=f"oms-client/{VERSION}")
