"""The admins' search: the first orders, users and products that match a text."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.aws_calls import intercepted
from tests.support.claims import claimed
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Answer, Person
from tests.support.service_keys import a_key
from tests.support.streams import run_finder, streamed

SEARCH = "/api/v1/admin/search"


@pytest.fixture
def admin(person: Callable[..., Person]) -> Person:
    return person(role="admin")


def found(admin: Person, text: str) -> dict[str, list[Any]]:
    answer = call("GET", f"{SEARCH}?q={text}", token=admin.token)
    assert answer.status == 200, answer.text
    return dict(answer.json)


@pytest.fixture
def placed(order: Callable[..., Answer], customer: Person) -> dict[str, Any]:
    with streamed("orders") as records:
        made = dict(order(customer).json)
    run_finder(records)
    return made


def test_it_finds_an_order_and_its_product_by_the_sku(admin: Person, placed: dict[str, Any]) -> None:
    line = placed["items"][0]

    answer = found(admin, line["sku"].lower())

    product = f"/api/v1/inventory/products/{line['product_id']}"
    assert answer == {
        "orders": [call("GET", f"/api/v1/orders/{placed['id']}", token=admin.token).json],
        "users": [],
        "products": [call("GET", product, token=admin.token).json],
    }


def test_it_finds_a_user_and_their_orders_by_the_address(
    admin: Person, customer: Person, placed: dict[str, Any]
) -> None:
    email = call("GET", "/api/v1/auth/me", token=customer.token).json["email"]
    claimed(customer, email)

    answer = found(admin, email)

    assert [it["id"] for it in answer["orders"]] == [placed["id"]]
    assert [it["id"] for it in answer["users"]] == [customer.id]
    assert answer["products"] == []
    assert customer.id in [it["id"] for it in found(admin, email[:3])["users"]]


def test_it_finds_the_first_products_by_name_each_once(admin: Person, product: Callable[..., str]) -> None:
    products = [product() for _ in range(7)]
    name = call("GET", f"/api/v1/inventory/products/{products[0]}", token=admin.token).json["name"]

    ids = [it["id"] for it in found(admin, name[:4])["products"]]

    assert len(ids) == len(set(ids)) == 5
    assert set(ids) <= set(products)


@pytest.mark.parametrize("text", ["none", "%2d%2d", "a:b", "20260131-0C8Z4V6T2R", "%C3%A9t%C3%A9"])
def test_a_text_that_nothing_matches_finds_nothing(admin: Person, text: str) -> None:
    assert found(admin, text) == {"orders": [], "users": [], "products": []}


def test_it_is_for_admins_alone(manager: Person, customer: Person) -> None:
    for token in (manager.token, customer.token, a_key().text):
        assert_problem(call("GET", f"{SEARCH}?q=a", token=token), 403, "forbidden")


@pytest.mark.parametrize("query", ["", "q=", "q=%20", f"q={'a' * 201}", "q=a&limit=5"])
def test_a_search_without_a_text_is_refused(admin: Person, query: str) -> None:
    assert call("GET", f"{SEARCH}?{query}", token=admin.token).status == 422


def test_reading_the_orders_and_users_is_on_record(admin: Person) -> None:
    with intercepted() as calls:
        found(admin, "a")

    written = [made.parameters["Item"] for made in calls if made.operation == "PutItem"]
    assert sorted(item["target"]["S"] for item in written) == ["orders", "users"]
