"""A25: the limit of open orders, from the request over stream, bus and queue to the count for the next request."""

import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from local.system import LocalSystem
from tests.support.local_cloud.counts import open_orders, wait_until_counted
from tests.support.local_cloud.shop import create_product, order_of, read, wait_until

LIMIT = 10
PARCEL = {"carrier": "DHL", "tracking_number": "1"}

pytestmark = [pytest.mark.alone, pytest.mark.full]


@pytest.fixture
def limited(system: LocalSystem) -> Iterator[None]:
    """The limit of `make up` and of deployments; other tests have none."""
    loosened = system.environment("Orders")["OMS_OPEN_ORDERS_LIMIT"]
    system.update_environment("Orders", OMS_OPEN_ORDERS_LIMIT=None)
    yield
    system.update_environment("Orders", OMS_OPEN_ORDERS_LIMIT=loosened)


@pytest.fixture
def hoarder(client: Callable[..., httpx.Client]) -> httpx.Client:
    """Creates a customer without orders."""
    http = client("127.0.0.25")
    account = {"email": f"hoarder-{time.monotonic_ns()}@example.com", "password": "three quiet lighthouses"}
    assert http.post("/api/v1/auth/register", json=account | {"first_name": "Hal"}).status_code == 201
    token = http.post("/api/v1/auth/login", json=account).json()["access_token"]
    http.headers["Authorization"] = f"Bearer {token}"
    return http


def place(http: httpx.Client, product: str, **headers: str) -> httpx.Response:
    return http.post("/api/v1/orders", json=order_of((product, 1)), headers=headers)


@pytest.fixture
def product(signed_in: Callable[[str], httpx.Client]) -> str:
    return create_product(signed_in("manager"), stock=1000)


def wait_for_count(system: LocalSystem, http: httpx.Client, count: int) -> None:
    """Waits until this number of open orders of this customer is counted."""
    user = read(http, "/api/v1/auth/me")["id"]
    assert wait_until(lambda: open_orders(system, user), lambda it: it == count) == count


def test_a25_a_customer_with_too_many_open_orders_is_refused_until_a_place_is_free(
    system: LocalSystem,
    limited: None,
    signed_in: Callable[[str], httpx.Client],
    hoarder: httpx.Client,
    product: str,
) -> None:
    manager, placed = signed_in("manager"), []

    def cancel(order: str) -> None:
        assert hoarder.post(f"/api/v1/orders/{order}/cancel").status_code == 200

    def ship(order: str) -> None:
        assert manager.post(f"/api/v1/orders/{order}/confirm").status_code == 200
        wait_until_counted(system, order, 2)
        assert place(hoarder, product).status_code == 409, "a confirmed order also has reserved stock"
        assert manager.post(f"/api/v1/orders/{order}/ship", json=PARCEL).status_code == 200

    for _ in range(LIMIT):
        answer = place(hoarder, product)
        assert answer.status_code == 201, "up to the limit nothing is refused"
        placed.append(answer.json()["id"])
    wait_for_count(system, hoarder, LIMIT)
    problem = place(hoarder, product).json()
    assert problem["code"] == "too-many-open-orders"
    assert f"{LIMIT} open orders" in problem["detail"]

    for end in (cancel, ship):
        end(placed.pop())
        wait_for_count(system, hoarder, LIMIT - 1)
        assert place(hoarder, product).status_code == 201, "a place is free"
        wait_for_count(system, hoarder, LIMIT)
        assert place(hoarder, product).status_code == 409, "ten are open again"


def test_a25_at_the_limit_all_other_requests_work(
    system: LocalSystem,
    limited: None,
    signed_in: Callable[[str], httpx.Client],
    hoarder: httpx.Client,
    product: str,
) -> None:
    manager, first = signed_in("manager"), {"Idempotency-Key": "the-first"}
    placed = place(hoarder, product, **first)
    assert {place(hoarder, product).status_code for _ in range(LIMIT - 1)} == {201}
    wait_for_count(system, hoarder, LIMIT)
    assert place(hoarder, product).status_code == 409

    again = place(hoarder, product, **first)
    quote = hoarder.post("/api/v1/orders/quote", json=order_of((product, 1)))

    assert (again.status_code, again.json()) == (201, placed.json()), "a repeated request returns its order"
    assert quote.status_code == 200
    user = read(manager, "/api/v1/auth/me")["id"]
    ordered = {place(manager, product).status_code for _ in range(LIMIT)}
    assert wait_until(lambda: open_orders(system, user), lambda it: it >= LIMIT) >= LIMIT
    assert ordered | {place(manager, product).status_code} == {201}, "a manager is exempt"
