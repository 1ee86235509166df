"""A person's session in the client: one refresh at a time, and sign-in where that fails."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import anyio
import httpx
import pytest

from oms_client import AsyncOmsClient, NotSignedInError, OmsClient, Session, Tokens, problems
from tests.support.client import URL, problem

CALLERS = 8


class Api:
    """Accepts the latest access token only. A refresh token works once."""

    def __init__(self) -> None:
        self.generation = 0
        self.calls: list[str] = []
        self.barrier: threading.Barrier | None = None
        self.ended = False
        self._lock = threading.Lock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.rpartition("/")[2]
        if path == "categories" and self.barrier and request.headers["Authorization"] == "Bearer a0":
            # All callers get their 401 before one of them refreshes.
            self.barrier.wait(10)
        with self._lock:
            return self._answer(request, path)

    def _answer(self, request: httpx.Request, path: str) -> httpx.Response:
        self.calls.append(path)
        if path == "categories":
            if request.headers["Authorization"] == f"Bearer a{self.generation}" and not self.ended:
                return httpx.Response(200, json={"items": [], "next_cursor": None})
            return problem(401, "unauthenticated")
        body = request.read().decode()
        if path == "refresh" and (self.ended or f'"r{self.generation}"' not in body):
            return problem(401, "unauthenticated")
        if path == "login" and "right" not in body:
            return problem(401, "invalid-credentials")
        self.generation += 1
        self.ended = False
        return httpx.Response(200, json=self.pair() | ({"device_token": "d"} if path == "login" else {}))

    def pair(self) -> dict[str, Any]:
        tokens = {"access_token": f"a{self.generation}", "refresh_token": f"r{self.generation}"}
        return tokens | {"token_type": "Bearer", "expires_in": 3600, "refresh_expires_in": 604800}


class Store:
    """Must be locked when tokens are saved."""

    def __init__(self, tokens: Tokens | None) -> None:
        self.tokens = tokens
        self.lock = threading.Lock()

    def locked(self) -> AbstractContextManager[object]:
        return self.lock

    def load(self) -> Tokens | None:
        return self.tokens

    def save(self, tokens: Tokens | None) -> None:
        assert self.lock.locked()
        self.tokens = tokens


def client_of(api: Api, **session: Any) -> OmsClient:
    return OmsClient(URL, credentials=Session(**session), transport=httpx.MockTransport(api))


def test_the_first_request_signs_in() -> None:
    api = Api()

    with client_of(api, email="a@example.com", password="right") as client:
        client.inventory.list_categories()
        client.inventory.list_categories()

    assert api.calls == ["login", "categories", "categories"]


def test_threads_share_one_refresh() -> None:
    api, store = Api(), Store(Tokens("a0", "r1"))
    client = client_of(api, store=store)
    api.generation, api.barrier = 1, threading.Barrier(CALLERS)

    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(lambda _: client.inventory.list_categories(), range(CALLERS)))

    assert api.calls.count("refresh") == 1
    assert store.tokens == Tokens("a2", "r2")


def test_tasks_share_one_refresh(socket_enabled: None) -> None:
    """The event loop has a pair of sockets of its own."""
    api, store = Api(), Store(Tokens("a0", "r1"))
    api.generation = 1

    async def ask() -> None:
        client = AsyncOmsClient(URL, credentials=Session(store=store), transport=httpx.MockTransport(api))
        async with client, anyio.create_task_group() as tasks:
            for _ in range(CALLERS):
                tasks.start_soon(client.inventory.list_categories)

    anyio.run(ask)

    assert api.calls.count("refresh") == 1


def test_the_tokens_of_another_process_are_used_and_not_refreshed_again() -> None:
    api, store = Api(), Store(Tokens("a0", "r0"))
    client = client_of(api, store=store)
    api.generation = 3
    store.tokens = Tokens("a3", "r3")

    client.inventory.list_categories()

    assert api.calls == ["categories", "categories"]


def test_an_ended_session_signs_in_again_if_it_has_the_password() -> None:
    api = Api()
    client = client_of(api, email="a@example.com", password="right")
    client.inventory.list_categories()
    api.ended = True

    client.inventory.list_categories()

    assert api.calls[2:] == ["categories", "refresh", "login", "categories"]


def test_an_ended_session_without_a_password_raises_and_is_forgotten() -> None:
    api, store = Api(), Store(Tokens("a0", "r0"))
    client = client_of(api, store=store)
    api.ended = True

    with pytest.raises(problems.UnauthenticatedError):
        client.inventory.list_categories()
    with pytest.raises(NotSignedInError):
        client.inventory.list_categories()

    assert store.tokens is None


def test_a_wrong_password_is_sent_once() -> None:
    api = Api()

    with pytest.raises(problems.InvalidCredentialsError):
        client_of(api, email="a@example.com", password="wrong").inventory.list_categories()

    assert api.calls == ["login"]


def test_credentials_are_not_shown() -> None:
    client = OmsClient(URL, key="oms_secret")

    shown = f"{client.exchange.credentials!r} {Tokens('secret', 'secret')!r}"
    assert "secret" not in shown
