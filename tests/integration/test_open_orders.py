"""A25: the limit of open orders over the whole way: request, stream, bus, queue, and the count the next one reads."""

import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from local.system import LocalSystem
from tests.support.local_cloud.shop import create_product, order_of, wait_until

LIMIT = 10
# How long an order may take to be counted; on the local cloud it is a second or two.
LAG_SECONDS = 20
# After so long what was done before is counted, so that what is asked then is no matter of luck.
SETTLED = 4
PARCEL = {"carrier": "DHL", "tracking_number": "1"}

pytestmark = [pytest.mark.alone, pytest.mark.timeout(300)]


@pytest.fixture
def limited(system: LocalSystem) -> Iterator[None]:
    """The limit as `make up` and a deployment have it, where other tests have none."""
    loosened = system.environment("Orders")["OMS_OPEN_ORDERS_LIMIT"]
    system.update_environment("Orders", OMS_OPEN_ORDERS_LIMIT=None)
    yield
    system.update_environment("Orders", OMS_OPEN_ORDERS_LIMIT=loosened)


@pytest.fixture
def hoarder(client: Callable[..., httpx.Client]) -> httpx.Client:
    """A customer with no orders yet."""
    http = client("127.0.0.25")
    account = {"email": f"hoarder-{time.monotonic_ns()}@example.com", "password": "three quiet lighthouses"}
    assert http.post("/api/v1/auth/register", json=account | {"first_name": "Hal"}).status_code == 201
    token = http.post("/api/v1/auth/login", json=account).json()["access_token"]
    http.headers["Authorization"] = f"Bearer {token}"
    return http


class Cart:
    """One order after the other, each of one unit."""

    def __init__(self, http: httpx.Client, product: str) -> None:
        self._http = http
        self._body = order_of((product, 1))
        self.open: list[str] = []

    def place(self, **headers: str) -> httpx.Response:
        answer = self._http.post("/api/v1/orders", json=self._body, headers=headers)
        if answer.status_code == 201:
            self.open.append(f"/api/v1/orders/{answer.json()['id']}")
        return answer

    def place_until(self, status: int) -> httpx.Response:
        answer = wait_until(self.place, lambda it: it.status_code == status, LAG_SECONDS)
        assert answer.status_code == status, answer.text
        return answer

    def close(self, end: Callable[[str], None], left: int) -> None:
        """Ends the oldest orders until so many are open."""
        while len(self.open) > left:
            end(self.open.pop(0))


@pytest.fixture
def product(signed_in: Callable[[str], httpx.Client]) -> str:
    return create_product(signed_in("manager"), stock=1000)


def test_a25_who_opens_order_after_order_is_refused_until_a_place_is_free(
    limited: None, signed_in: Callable[[str], httpx.Client], hoarder: httpx.Client, product: str
) -> None:
    manager, cart = signed_in("manager"), Cart(hoarder, product)

    def cancel(path: str) -> None:
        assert hoarder.post(f"{path}/cancel").status_code == 200

    def ship(path: str) -> None:
        assert manager.post(f"{path}/confirm").status_code == 200
        time.sleep(SETTLED)
        assert cart.place().status_code == 409, "a confirmed order holds its stock as well"
        assert manager.post(f"{path}/ship", json=PARCEL).status_code == 200

    for _ in range(LIMIT):
        assert cart.place().status_code == 201, "up to the limit nothing is refused"
    problem = cart.place_until(409).json()
    assert problem["code"] == "too-many-open-orders"
    assert f"{LIMIT} open orders" in problem["detail"]

    for end in (cancel, ship):
        cart.close(end, left=LIMIT)  # what came through while the tenth was not counted yet
        time.sleep(SETTLED)
        assert cart.place().status_code == 409, "ten are still open"
        cart.close(end, left=LIMIT - 1)
        cart.place_until(201)
        cart.place_until(409)


def test_a25_at_the_limit_the_rest_goes_on(
    limited: None, signed_in: Callable[[str], httpx.Client], hoarder: httpx.Client, product: str
) -> None:
    cart, first = Cart(hoarder, product), {"Idempotency-Key": "the-first"}
    placed = cart.place(**first)
    cart.place_until(409)

    again = cart.place(**first)
    quote = hoarder.post("/api/v1/orders/quote", json=order_of((product, 1)))
    managers = Cart(signed_in("manager"), product)

    assert (again.status_code, again.json()) == (201, placed.json()), "a repeated request is answered by its order"
    assert quote.status_code == 200
    assert {managers.place().status_code for _ in range(LIMIT + 5)} == {201}
    time.sleep(SETTLED)
    assert managers.place().status_code == 201, "who works there is exempt"
