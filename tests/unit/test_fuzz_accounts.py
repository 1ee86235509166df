"""`make fuzz` waits until it may sign in, and restores the demo accounts."""

import httpx
import pytest

from local.demo import ACCOUNTS
from tests.support.fuzzing import accounts


def client(handler: httpx.MockTransport) -> httpx.Client:
    return httpx.Client(base_url="http://shop.example", transport=handler)


def test_it_waits_for_the_next_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(accounts.time, "sleep", waits.append)
    answers = iter(
        [httpx.Response(429, headers={"Retry-After": "17"}), httpx.Response(200, json={"access_token": "t"})]
    )

    with client(httpx.MockTransport(lambda _: next(answers))) as http:
        assert accounts.sign_in(http, "alice@demo.example") == "t"

    assert waits == [17]


def test_a_changed_demo_account_is_restored_and_each_is_unlocked() -> None:
    made: list[tuple[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/login"):
            return httpx.Response(200, json={"access_token": "t"})
        if request.method == "GET":
            email = request.url.params["q"]
            role, status = ("manager", "disabled") if email.startswith("alice") else (ACCOUNTS[email][0], "active")
            return httpx.Response(200, json={"items": [{"id": email[:3], "role": role, "status": status}]})
        made.append((request.url.path.removeprefix("/api/v1/admin/users/"), request.content.decode()))
        return httpx.Response(204)

    with client(httpx.MockTransport(answer)) as http:
        accounts.restore_demo_accounts(http)

    assert [it for it in made if it[0].startswith("ali")] == [
        ("ali/role", '{"role":"customer"}'),
        ("ali/status", '{"status":"active"}'),
        ("ali/unlock", ""),
    ]
    assert len(made) == len(ACCOUNTS) + 2
