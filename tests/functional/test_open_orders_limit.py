"""A25: the limit of a customer's open orders. The tests set the count, which the aggregator counts otherwise."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from oms.core.settings import settings
from oms.orders import limits
from tests.support.accounts import audit_entries
from tests.support.aws_calls import intercepted
from tests.support.faults import crashes
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Person
from tests.support.open_order_counts import set_count, user_of
from tests.support.service_keys import a_key
from tests.support.shop import Shop, orders_stored

LIMIT = 10


@pytest.fixture
def shop(customer: Person, manager: Person) -> Shop:
    return Shop(customer, manager)


def test_a25_a_customer_at_the_limit_opens_no_more_and_sees_the_limit(shop: Shop) -> None:
    product = shop.product(100)
    set_count(shop.customer, LIMIT - 1)
    assert shop.buy({product: 1}).status == 201
    set_count(shop.customer, LIMIT)

    refused = assert_problem(shop.buy({product: 1}), 409, "too-many-open-orders")

    assert f"{LIMIT} open orders" in refused["detail"]
    assert len(orders_stored()) == 1
    shop.check_stock()


def test_a25_a_place_is_free_again_below_the_limit(shop: Shop) -> None:
    product = shop.product(100)
    set_count(shop.customer, LIMIT)
    assert shop.buy({product: 1}).status == 409
    set_count(shop.customer, LIMIT - 1)

    assert shop.buy({product: 1}).status == 201


@pytest.mark.parametrize("role", ["manager", "admin"])
def test_a25_the_back_office_is_exempt(shop: Shop, person: Callable[..., Person], role: str) -> None:
    buyer = person(role)
    set_count(buyer, 10 * LIMIT)

    assert shop.buy({shop.product(1): 1}, by=buyer).status == 201


@pytest.mark.parametrize("limit", [1, 25])
def test_the_limit_is_the_deployments(shop: Shop, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(
        limits,
        "settings",
        lambda: replace(settings(), order_limits=replace(settings().order_limits, open_orders=limit)),
    )
    product = shop.product(100)

    answers = []
    for count in (limit - 1, limit):
        set_count(shop.customer, count)
        answers.append(shop.buy({product: 1}).status)

    assert answers == [201, 409]


def test_a_repeated_request_is_answered_by_its_order_also_at_the_limit(shop: Shop) -> None:
    product = shop.product(100)
    placed = shop.buy({product: 1}, key="k")
    set_count(shop.customer, LIMIT)

    again = shop.buy({product: 1}, key="k")

    assert (again.status, again.json) == (201, placed.json)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert_problem(shop.buy({product: 2}, key="k"), 422, "idempotency-key-reused")
    assert_problem(shop.buy({product: 1}, key="new"), 409, "too-many-open-orders")


def test_a_refusal_writes_nothing_and_leaves_its_key_free(shop: Shop) -> None:
    product = shop.product(100)
    assert shop.buy({product: 1}).status == 201  # the process has seen the offer
    set_count(shop.customer, LIMIT)

    with intercepted() as calls:
        assert shop.buy({product: 1}, key="k").status == 409
    with intercepted() as unkeyed:
        assert shop.buy({product: 1}).status == 409
    set_count(shop.customer, 0)

    assert [it.operation for it in calls] == ["BatchGetItem", "GetItem"], (
        "the caller, and the read of an existing order"
    )
    assert [it.operation for it in unkeyed] == ["BatchGetItem"]
    assert shop.buy({product: 1}, key="k").status == 201


def test_the_order_s_own_rejection_is_reported_first(shop: Shop) -> None:
    set_count(shop.customer, LIMIT)

    assert_problem(shop.buy({"unknown": 1}), 422, "unknown-product")
    assert_problem(shop.buy({shop.product(1): 2}), 409, "too-many-open-orders")


def test_a_quote_can_be_asked_at_the_limit(shop: Shop) -> None:
    set_count(shop.customer, LIMIT)

    asked = shop.post("/api/v1/orders/quote", {"items": [{"product_id": shop.product(5), "quantity": 1}]})

    assert asked.status == 200


# ---- the limit of one customer --------------------------------------------------------------------------------------


def limit_to(admin: Person, who: Person, limit: int | None) -> Any:
    return call("PATCH", f"/api/v1/admin/users/{who.id}/limits", {"open_orders": limit}, token=admin.token)


@pytest.mark.parametrize("limit", [0, 1, 25])
def test_a25_an_admin_sets_the_limit_of_one_customer(
    shop: Shop, admin: Person, person: Callable[..., Person], limit: int
) -> None:
    product, other = shop.product(100), person()
    set_count(shop.customer, limit)
    set_count(other, LIMIT - 1)

    changed = limit_to(admin, shop.customer, limit)

    assert (changed.status, changed.json) == (200, {"open_orders": limit, "current_open_orders": limit})
    refused = assert_problem(shop.buy({product: 1}), 409, "too-many-open-orders")
    assert f"{limit} open orders" in refused["detail"]
    assert shop.buy({product: 1}, by=other).status == 201
    if limit:
        set_count(shop.customer, limit - 1)
        assert shop.buy({product: 1}).status == 201


def test_null_returns_to_the_limit_of_the_shop(shop: Shop, admin: Person) -> None:
    product = shop.product(100)
    limit_to(admin, shop.customer, 1)
    set_count(shop.customer, LIMIT - 1)
    assert shop.buy({product: 1}).status == 409

    assert limit_to(admin, shop.customer, None).json["open_orders"] is None

    assert shop.buy({product: 1}).status == 201


def test_a25_the_limit_of_a_customer_applies_to_the_orders_of_a_service_key(shop: Shop, admin: Person) -> None:
    key, product = a_key("orders:create").text, shop.product(100)
    limit_to(admin, shop.customer, 2)
    body = {"items": [{"product_id": product, "quantity": 1}], "customer": {"id": shop.customer.id}}

    answers = []
    for number in (1, 2):
        set_count(shop.customer, number)
        answers.append(call("POST", "/api/v1/orders", body, token=key).status)

    assert answers == [201, 409]


def test_a_change_of_a_limit_is_audited_once(admin: Person, customer: Person) -> None:
    before = user_of(customer).version

    limit_to(admin, customer, 7)

    user = user_of(customer)
    assert (user.open_orders_limit, user.version) == (7, before)
    (entry,) = [it for it in audit_entries() if it.action == "user.limits_changed"]
    assert (entry.target, entry.details) == (f"user#{customer.id}", {"open_orders": 7})


def test_a_limit_of_an_unknown_user_is_refused(admin: Person) -> None:
    answer = call("PATCH", "/api/v1/admin/users/unknown/limits", {"open_orders": 7}, token=admin.token)

    assert_problem(answer, 404, "not-found")


def test_a_crash_at_any_call_leaves_the_limit_of_the_repeated_request(
    admin: Person, person: Callable[..., Person]
) -> None:
    for where, who in crashes(person, lambda it: limit_to(admin, it, 7)):
        assert limit_to(admin, who, 7).status == 200, where
        assert user_of(who).open_orders_limit == 7
