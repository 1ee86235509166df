"""A25: the limits of a customer's orders. Each order is placed before any other is counted, as in a race."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from oms.core import clock
from oms.core.settings import OrderLimits, settings
from oms.inventory.models import StockItem
from oms.orders import limits, service
from tests.support.aws_calls import intercepted
from tests.support.database import table
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Person
from tests.support.open_order_counts import set_count
from tests.support.shop import Shop, orders_stored, stock_of

VERIFIED = OrderLimits(open_orders=10, per_minute=None, units=1000, stock_share=100, value=None)
UNVERIFIED = OrderLimits(open_orders=3, per_minute=3, units=50, stock_share=25, value=None)


@pytest.fixture
def stranger(person: Callable[..., Person]) -> Person:
    """A customer whose address is not verified."""
    return person("customer", email_verified=False)


@pytest.fixture
def shop(stranger: Person, manager: Person) -> Shop:
    return Shop(stranger, manager)


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Changes the deployment's limits of customers with an unverified address."""

    def change(**values: int | None) -> None:
        changed = replace(settings(), unverified_order_limits=replace(settings().unverified_order_limits, **values))
        monkeypatch.setattr(limits, "settings", lambda: changed)

    return change


def quote(shop: Shop, quantities: dict[str, int], by: Person | None = None) -> dict[str, object]:
    items = [{"product_id": product, "quantity": units} for product, units in quantities.items()]
    answer = shop.post("/api/v1/orders/quote", {"items": items}, by=by)
    assert answer.status == 200, answer.text
    return dict(answer.json)


def test_the_defaults(cloud: None) -> None:
    assert (settings().order_limits, settings().unverified_order_limits) == (VERIFIED, UNVERIFIED)


def test_a_customer_who_has_just_registered_places_an_ordinary_order(shop: Shop) -> None:
    scarce, common = shop.product(2), shop.product(100)

    assert shop.buy({scarce: 2, common: 25}).status == 201


def test_a25_an_unverified_customer_gets_a_share_of_the_available_stock(shop: Shop) -> None:
    first, second = shop.product(40), shop.product(100)

    refused = assert_problem(shop.buy({first: 11, second: 25}), 409, "order-limit-exceeded")

    assert refused["limits"] == [{"product_id": first, "requested": 11, "allowed": 10}]
    assert (refused["order_units"], refused["order_value"]) == (None, None)
    assert refused["detail"] == (
        f"A customer whose e-mail address is not verified may order at most 10 of product {first} at once."
        " Verify the address to raise the limits."
    )
    assert orders_stored() == []
    assert shop.buy({first: 10, second: 25}).status == 201


@pytest.mark.parametrize(
    ("share", "available", "allowed"),
    [(25, *pair) for pair in [(1, 1), (2, 2), (7, 2), (8, 2), (11, 2), (12, 3), (15, 3), (16, 4), (199, 49)]]
    # A share that does not divide 100: the stock that this number of units needs is not a whole number.
    + [(30, *pair) for pair in [(9, 2), (10, 3), (13, 3), (14, 4), (16, 4), (17, 5), (20, 6), (103, 30), (104, 31)]],
)
def test_the_allowed_units_are_exact(
    shop: Shop, limit: Callable[..., None], share: int, available: int, allowed: int
) -> None:
    limit(stock_share=share)
    product = shop.product(available)

    if allowed < available:
        (line,) = assert_problem(shop.buy({product: allowed + 1}), 409, "order-limit-exceeded")["limits"]
        assert line["allowed"] == allowed
    assert shop.buy({product: allowed}).status == 201


def test_the_share_is_of_the_stock_as_it_is_and_not_as_it_was_seen(shop: Shop) -> None:
    """The process has cached the product with a larger stock."""
    product = shop.product(100)
    assert shop.buy({product: 25}).status == 201
    pk, sk = StockItem.key(product)
    table("inventory").change(pk, sk, available={"N": "20"})

    refused = assert_problem(shop.buy({product: 6}), 409, "order-limit-exceeded")

    assert refused["limits"] == [{"product_id": product, "requested": 6, "allowed": 5}]


def test_short_stock_is_reported_before_limits(shop: Shop) -> None:
    short, much = shop.product(1), shop.product(8)

    refused = assert_problem(shop.buy({short: 2, much: 5}), 409, "insufficient-stock")

    assert refused["shortfalls"] == [{"product_id": short, "requested": 2, "available": 1}]


def test_a25_the_units_of_all_lines_are_limited(shop: Shop) -> None:
    products = [shop.product(1000) for _ in range(51)]

    with intercepted() as calls:
        refused = assert_problem(shop.buy(dict.fromkeys(products, 1)), 409, "order-limit-exceeded")

    assert refused["order_units"] == {"requested": 51, "allowed": 50}
    assert refused["limits"] == []
    assert "TransactWriteItems" not in [it.operation for it in calls], "the rejection needs no read of the stock"
    assert shop.buy(dict.fromkeys(products[:50], 1)).status == 201


def test_a25_the_value_of_an_order_is_limited_where_a_deployment_wants_it(
    shop: Shop, limit: Callable[..., None]
) -> None:
    limit(value=10_000)
    product = shop.product(1000, price="25.00")

    refused = assert_problem(shop.buy({product: 5}), 409, "order-limit-exceeded")

    assert refused["order_value"] == {"requested": "125.00", "allowed": "100.00"}
    assert "goods for 100.00 EUR" in refused["detail"]
    assert shop.buy({product: 4}).status == 201


def test_a25_one_unverified_account_does_not_reserve_the_shop(shop: Shop) -> None:
    """M4: one order for the whole stock; then as many orders as the account can send before any is counted."""
    stock = {shop.product(100): 100 for _ in range(38)}
    assert shop.buy(stock).status == 409

    answers = [shop.buy(dict.fromkeys(list(stock)[2 * number : 2 * number + 2], 25)).status for number in range(8)]

    assert answers == [201] * 3 + [429] * 5
    assert sum(stock_of(product).reserved for product in stock) <= 3 * 50
    shop.check_stock()


def test_a25_orders_at_once_pass_the_limit_by_no_more_than_its_minute(
    shop: Shop, time_machine: Callable[[timedelta], None]
) -> None:
    product = shop.product(1000)
    for _ in range(3):
        assert shop.buy({product: 1}).status == 201

    refused = shop.buy({product: 1})
    assert_problem(refused, 429, "too-many-requests")
    assert refused.headers["RateLimit-Policy"] == '"orders";q=3;w=60'
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    set_count(shop.customer, 3)
    time_machine(timedelta(minutes=1))

    assert_problem(shop.buy({product: 1}), 409, "too-many-open-orders")
    set_count(shop.customer, 2)
    assert shop.buy({product: 1}).status == 201


def test_a_repeated_request_takes_no_place_of_the_minute(shop: Shop) -> None:
    product = shop.product(1000)
    keys = ["a", "b", "c"]
    placed = [shop.buy({product: 1}, key=key).json["id"] for key in keys]

    again = [shop.buy({product: 1}, key=key) for key in keys]

    assert [it.json["id"] for it in again] == placed
    assert all(it.headers["Idempotency-Replayed"] == "true" for it in again)
    assert len(orders_stored()) == 3


def test_a_refused_order_takes_no_place_of_the_minute(shop: Shop) -> None:
    product = shop.product(8)
    for _ in range(5):
        assert shop.buy({product: 5}).status == 409

    assert shop.buy({product: 2}).status == 201


def test_none_may_be_ordered_before_the_address_is_verified(
    shop: Shop, limit: Callable[..., None], customer: Person
) -> None:
    limit(open_orders=0, per_minute=0)
    product = shop.product(10)

    refused = assert_problem(shop.buy({product: 1}), 409, "too-many-open-orders")

    assert refused["detail"].endswith("Verify the address to raise the limits.")
    assert shop.buy({product: 1}, by=customer).status == 201


def test_the_limits_end_with_the_mails_link(shop: Shop, person: Callable[..., Person]) -> None:
    product = shop.product(100)
    verified = person("customer")

    assert shop.buy({product: 100}).status == 409
    assert shop.buy({product: 100}, by=verified).status == 201


def test_a_verified_customer_is_limited_too(shop: Shop, customer: Person) -> None:
    product = shop.product(2000)

    refused = assert_problem(shop.buy({product: 1001}, by=customer), 409, "order-limit-exceeded")

    assert refused["order_units"] == {"requested": 1001, "allowed": 1000}
    assert refused["detail"] == "A customer may order at most 1000 units in total at once."
    assert shop.buy({product: 1000}, by=customer).status == 201


@pytest.mark.parametrize("role", ["manager", "admin"])
def test_the_back_office_has_no_limits(shop: Shop, person: Callable[..., Person], role: str) -> None:
    product = shop.product(5000)

    for _ in range(4):
        assert shop.buy({product: 1200}, by=person(role, email_verified=False)).status == 201


def test_a_quote_shows_the_reasons_for_which_the_order_would_be_refused(shop: Shop, limit: Callable[..., None]) -> None:
    limit(value=10_000)
    few, many = shop.product(40, price="1.00"), shop.product(1000, price="10.00")
    wanted = {few: 11, many: 45}

    shown = quote(shop, wanted)

    assert shown["limits"] == [{"product_id": few, "requested": 11, "allowed": 10}]
    assert shown["order_units"] == {"requested": 56, "allowed": 50}
    assert shown["order_value"] == {"requested": "461.00", "allowed": "100.00"}
    refused = assert_problem(shop.buy(wanted), 409, "order-limit-exceeded")
    assert {name: refused[name] for name in ("order_units", "order_value")} == {
        name: shown[name] for name in ("order_units", "order_value")
    }
    fine = quote(shop, {few: 10})
    assert (fine["limits"], fine["order_units"], fine["order_value"]) == ([], None, None)


def test_a_quote_with_short_stock_shows_the_limit_as_well(shop: Shop) -> None:
    product = shop.product(8)

    shown = quote(shop, {product: 9})

    assert shown["shortfalls"] == [{"product_id": product, "requested": 9, "available": 8}]
    assert shown["limits"] == [{"product_id": product, "requested": 9, "allowed": 2}]


def test_the_hold_of_unverified_customers_may_be_shorter(
    shop: Shop, customer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorter = replace(settings(), unverified_hold=timedelta(minutes=5))
    monkeypatch.setattr(service, "settings", lambda: shorter)
    product = shop.product(100)

    def held(by: Person) -> timedelta:
        order = shop.buy({product: 1}, by=by).json
        return clock.instant(order["expires_at"]) - clock.instant(order["created_at"])

    assert (held(shop.customer), held(customer)) == (timedelta(minutes=5), timedelta(minutes=30))


@pytest.mark.parametrize("verified", [True, False])
def test_an_order_is_as_many_calls_as_before(shop: Shop, customer: Person, verified: bool) -> None:
    product, by = shop.product(100), customer if verified else shop.customer
    assert shop.buy({product: 1}, by=by).status == 201  # the process has seen the offer

    with intercepted() as calls:
        assert shop.buy({product: 1}, by=by).status == 201

    assert [it.operation for it in calls] == ["BatchGetItem", "TransactWriteItems"]
    written = calls[1].parameters["TransactItems"]
    assert len(written) == (2 if verified else 3), "only for unverified customers is the minute's count written"


def test_a_new_users_first_requests_from_registration_to_order(product: Callable[..., str]) -> None:
    bought = product(stock=40)
    account = {"email": "new@example.com", "password": "three quiet lighthouses", "first_name": "New"}
    assert call("POST", "/api/v1/auth/register", account).status == 201
    del account["first_name"]
    token = call("POST", "/api/v1/auth/login", account).json["access_token"]

    placed = call("POST", "/api/v1/orders", {"items": [{"product_id": bought, "quantity": 3}]}, token=token)

    assert placed.status == 201, placed.text
