"""Categories: pages of those with active products, which appear with the first and end with the last."""

from collections.abc import Callable
from typing import Any

import pytest

from oms.inventory.models import Category
from tests.support.aws_calls import Call, intercepted
from tests.support.database import table
from tests.support.faults import timed_out
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Answer, Person

type Make = Callable[..., str]

PRODUCTS, CATEGORIES = "/api/v1/inventory/products", "/api/v1/inventory/categories"


def page(who: Person, query: str = "") -> Any:
    answer = call("GET", f"{CATEGORIES}{query}", token=who.token)
    assert answer.status == 200, answer.text
    return answer.json


def all_pages(who: Person, limit: int) -> list[list[str]]:
    found, cursor = [], ""
    while True:
        shown = page(who, f"?limit={limit}{cursor}")
        found.append([it["name"] for it in shown["items"]])
        if shown["next_cursor"] is None:
            return found
        cursor = f"&cursor={shown['next_cursor']}"


def stored() -> dict[str, int]:
    return {str(item["sk"]["S"]): int(item["products"]["N"]) for item in table("inventory").items() if is_one(item)}


def is_one(item: dict[str, Any]) -> bool:
    return bool(item["pk"] == {"S": "categories"})


def put(name: str, products: int) -> None:
    table("inventory").put(Category(*Category.key(name), products=products).serialize())


def move(product_id: str, who: Person, **fields: Any) -> Answer:
    shown = call("GET", f"{PRODUCTS}/{product_id}", token=who.token).json
    kept = {name: shown[name] for name in ("sku", "name", "category", "price", "status")}
    return call("PUT", f"{PRODUCTS}/{product_id}", kept | fields, token=who.token)


def test_they_come_in_pages_by_name(customer: Person, product: Make) -> None:
    names = ["Café", "Garden", "Tools", "Toys", "Żagle", "工具"]
    for name in reversed(names):
        product(category=name)

    assert all_pages(customer, 1) == [[name] for name in names]
    assert all_pages(customer, 4) == [names[:4], names[4:]]
    assert page(customer) == {"items": [{"name": name, "product_count": 1} for name in names], "next_cursor": None}


def test_a_cursor_of_another_list_is_refused(customer: Person, product: Make) -> None:
    for name in ("A", "B"):
        product(category=name)
    cursor = call("GET", f"{PRODUCTS}?limit=1", token=customer.token).json["next_cursor"]

    assert_problem(call("GET", f"{CATEGORIES}?cursor={cursor}", token=customer.token), 422, "validation-failed")


def test_a_page_costs_the_same_however_many_there_are(customer: Person) -> None:
    for number in range(1000):
        put(f"Category {number:04d}", 1)

    with intercepted() as calls:
        shown = page(customer)

    assert len(shown["items"]) == 100
    assert shown["next_cursor"]
    assert [it.operation for it in calls] == ["BatchGetItem", "Query"]
    assert calls[1].parameters["Limit"] == 101


@pytest.mark.parametrize("left", [{"category": "Garden"}, {"status": "archived"}])
def test_a_category_ends_with_its_last_product(manager: Person, product: Make, left: dict[str, str]) -> None:
    first, last = product(category="Tools"), product(category="Tools")

    assert move(first, manager, **left).status == 200
    assert stored()["Tools"] == 1
    assert move(last, manager, **left).status == 200

    assert "Tools" not in stored()


def test_it_begins_again(manager: Person, product: Make) -> None:
    only = product(category="Tools")
    assert move(only, manager, status="archived").status == 200
    assert stored() == {}

    assert move(only, manager, status="active").status == 200

    assert stored() == {"Tools": 1}
    assert page(manager)["items"] == [{"name": "Tools", "product_count": 1}]


def test_a_product_that_comes_while_the_last_one_leaves_keeps_the_category(manager: Person, product: Make) -> None:
    """Another request creates a product between the transaction and the deletion."""
    last = product(category="Tools")

    def interleaved(call_: Call) -> Any:
        if call_.operation == "DeleteItem":
            product(category="Tools")
        return call_.send()

    with intercepted(interleaved) as calls:
        assert move(last, manager, category="Garden").status == 200

    assert "DeleteItem" in [it.operation for it in calls]
    assert stored() == {"Garden": 1, "Tools": 1}


def test_an_edit_that_leaves_no_category_makes_no_call_more(manager: Person, product: Make) -> None:
    only = product(category="Tools")

    with intercepted() as calls:
        assert move(only, manager, price="5.00").status == 200

    assert "DeleteItem" not in [it.operation for it in calls]


def test_categories_that_earlier_versions_left_empty_are_not_shown_and_removed(customer: Person) -> None:
    for number in range(25):
        put(f"Empty {number:02d}", 0)
    put("Tools", 3)

    listed = [page(customer)["items"] for _ in range(3)]

    assert listed == [[{"name": "Tools", "product_count": 3}]] * 3
    assert stored() == {"Tools": 3}


def test_a_list_removes_ten_at_most(customer: Person) -> None:
    for number in range(40):
        put(f"Empty {number:02d}", 0)

    with intercepted() as calls:
        shown = page(customer)

    assert shown == {"items": [], "next_cursor": None}
    assert [it.operation for it in calls] == ["BatchGetItem", "Query"] + ["DeleteItem"] * 10
    assert len(stored()) == 30


def test_one_that_gets_a_product_before_it_is_removed_stays(customer: Person, product: Make) -> None:
    put("Tools", 0)

    def interleaved(call_: Call) -> Any:
        if call_.operation == "DeleteItem":
            product(category="Tools")
        return call_.send()

    with intercepted(interleaved):
        assert page(customer)["items"] == []

    assert stored() == {"Tools": 1}
    assert page(customer)["items"] == [{"name": "Tools", "product_count": 1}]


def test_a_removal_that_fails_fails_nothing_else(manager: Person, product: Make, no_sleep: list[float]) -> None:
    last = product(category="Tools")

    def failing(call_: Call) -> Any:
        if call_.operation == "DeleteItem":
            raise timed_out(call_)
        return call_.send()

    with intercepted(failing):
        assert move(last, manager, category="Garden").status == 200

    assert stored() == {"Garden": 1, "Tools": 0}
    assert page(manager)["items"] == [{"name": "Garden", "product_count": 1}]
    assert stored() == {"Garden": 1}
