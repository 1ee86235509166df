"""Which requests the client repeats, when, and with which key."""

import random
from typing import Any

import anyio
import httpx
import pytest

from oms_client import (
    ApiError,
    AsyncOmsClient,
    ConnectionFailedError,
    OmsClient,
    RetryPolicy,
    UnexpectedResponseError,
    problems,
)
from oms_client.models import OrderItem
from tests.support.client import URL, Script, problem, scripted, without_waiting

CATEGORIES = httpx.Response(200, json={"items": [], "next_cursor": None})
STOCK = {"product_id": "1", "on_hand": 1, "available": 1, "reserved": 0, "stock_version": 2, "adjustment": 1}
ADJUSTED = httpx.Response(200, json=STOCK)
UNAVAILABLE = problem(503, "unavailable")
REFUSED = httpx.ConnectError("refused")
LOST = httpx.ReadTimeout("no response")


class Shop:
    """A client on scripted answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.policy, self.slept = without_waiting(monkeypatch)
        self.sent: list[httpx.Request] = []

    def client(self, *answers: httpx.Response | Exception, **options: Any) -> OmsClient:
        options.setdefault("retries", self.policy)
        return OmsClient(URL, key="k", transport=scripted(answers, self.sent), **options)

    @property
    def keys(self) -> list[str | None]:
        return [it.headers.get("Idempotency-Key") for it in self.sent]


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(monkeypatch)


@pytest.mark.parametrize("failure", [UNAVAILABLE, problem(500, "internal-error"), REFUSED, LOST])
def test_a_get_is_repeated(shop: Shop, failure: httpx.Response | Exception) -> None:
    page = shop.client(failure, failure, CATEGORIES).inventory.list_categories()

    assert page.items == []
    assert shop.slept == [0.5, 1.0]


@pytest.mark.parametrize("failure", [UNAVAILABLE, REFUSED, LOST, problem(429, "too-many-requests")])
def test_a_change_is_repeated_with_the_same_key(shop: Shop, failure: httpx.Response | Exception) -> None:
    client = shop.client(failure, failure, ADJUSTED, ADJUSTED)

    client.inventory.adjust_stock("1", adjustment=1, reason="found")
    client.inventory.adjust_stock("1", adjustment=1, reason="found")

    assert len(shop.sent) == 4
    assert len(set(shop.keys[:3])) == 1
    assert None not in shop.keys
    assert shop.keys[3] != shop.keys[0]


def test_a_key_of_the_caller_is_sent(shop: Shop) -> None:
    shop.client(LOST, ADJUSTED).inventory.adjust_stock("1", adjustment=1, reason="x", idempotency_key="mine")

    assert shop.keys == ["mine", "mine"]


@pytest.mark.parametrize("failure", [UNAVAILABLE, LOST])
def test_a_change_without_a_key_is_not_repeated(shop: Shop, failure: httpx.Response | Exception) -> None:
    with pytest.raises((ApiError, ConnectionFailedError)) as caught:
        shop.client(failure).admin.create_service_key(name="A", scopes=["orders:read"])

    assert len(shop.sent) == 1
    if isinstance(caught.value, ConnectionFailedError):
        assert caught.value.may_have_taken_effect


@pytest.mark.parametrize("failure", [REFUSED, problem(429, "too-many-requests", headers={"Retry-After": "3"})])
def test_a_change_without_a_key_is_repeated_if_it_had_no_effect(shop: Shop, failure: httpx.Response) -> None:
    made = problem(409, "too-many-service-keys")

    with pytest.raises(problems.TooManyServiceKeysError):
        shop.client(failure, made).admin.create_service_key(name="A", scopes=["orders:read"])

    assert len(shop.sent) == 2


def test_retry_after_is_waited_for_and_jitter_is_added(shop: Shop) -> None:
    limited = problem(429, "too-many-requests", headers={"Retry-After": "7"})

    shop.client(limited, limited, CATEGORIES).inventory.list_categories()

    assert shop.slept == [7.5, 8.0]


def test_a_long_retry_after_is_left_to_the_caller(shop: Shop) -> None:
    limited = problem(429, "too-many-requests", headers={"Retry-After": "3600"})

    with pytest.raises(problems.TooManyRequestsError) as caught:
        shop.client(limited).inventory.list_categories()

    assert caught.value.retry_after == 3600
    assert shop.slept == []


def test_the_attempts_are_bounded(shop: Shop) -> None:
    with pytest.raises(problems.UnavailableError):
        shop.client(*[UNAVAILABLE] * 9).inventory.list_categories()

    assert len(shop.sent) == 5


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 412, 422])
def test_other_refusals_are_not_repeated(shop: Shop, code: int) -> None:
    with pytest.raises(ApiError):
        shop.client(problem(code, "x")).inventory.list_categories()

    assert len(shop.sent) == 1


def test_a_deletion_whose_first_response_was_lost_succeeds(shop: Shop) -> None:
    shop.client(LOST, problem(404, "not-found")).reports.delete_schedule("s")

    with pytest.raises(problems.NotFoundError):
        shop.client(problem(404, "not-found")).reports.delete_schedule("s")


def test_a_failure_says_whether_the_request_may_have_taken_effect(shop: Shop) -> None:
    for failures, effect in (((REFUSED,) * 5, False), ((LOST, *(REFUSED,) * 4), True)):
        with pytest.raises(ConnectionFailedError) as caught:
            shop.client(*failures).orders.cancel_order("o")
        assert caught.value.may_have_taken_effect is effect
        assert caught.value.idempotency_key == shop.keys[-1]


def test_backoff_grows_to_its_bound_and_is_random() -> None:
    policy = RetryPolicy(random=random.Random(1).random)

    for attempt, bound in enumerate([0.5, 1, 2, 4, 8, 16, 20, 20]):
        waits = [policy.backoff(attempt) for _ in range(200)]
        assert 0 <= min(waits) < bound / 10
        assert bound * 0.9 < max(waits) <= bound
    assert policy.backoff(10_000) <= 20


def test_the_gateways_own_answer_gets_the_code_of_its_status(shop: Shop) -> None:
    answer = httpx.Response(413, json={"message": "Request Too Long"})

    with pytest.raises(problems.BodyTooLargeError, match="Request Too Long"):
        shop.client(answer).orders.create_order(items=[OrderItem(product_id="1", quantity=1)])


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, text="<html>"),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"items": [{"name": 5}], "next_cursor": None}),
        httpx.Response(302, headers={"Location": "https://login.example"}),
    ],
)
def test_a_foreign_answer_is_an_error_of_its_own(shop: Shop, answer: httpx.Response) -> None:
    with pytest.raises(UnexpectedResponseError) as caught:
        shop.client(answer).inventory.list_categories()

    assert caught.value.status == answer.status_code


def test_the_asynchronous_client_repeats_alike(monkeypatch: pytest.MonkeyPatch, socket_enabled: None) -> None:
    """The event loop has a pair of sockets of its own."""
    policy, slept = without_waiting(monkeypatch)
    sent: list[httpx.Request] = []
    script: Script = [LOST, UNAVAILABLE, ADJUSTED]

    async def adjust() -> int:
        async with AsyncOmsClient(URL, key="k", retries=policy, transport=scripted(script, sent)) as client:
            return (await client.inventory.adjust_stock("1", adjustment=1, reason="x")).on_hand

    assert anyio.run(adjust) == 1
    assert slept == [0.5, 1.0]
    assert len({it.headers["Idempotency-Key"] for it in sent}) == 1
