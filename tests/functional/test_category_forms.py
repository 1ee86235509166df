"""A category is one for all compositions and spacings of its name; names stored in other forms are still found."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from oms.core.dynamodb import get_item, put_item
from oms.inventory.models import Category, Product
from tests.support.gateway import call
from tests.support.invocation import Person

PRODUCTS, CATEGORIES = "/api/v1/inventory/products", "/api/v1/inventory/categories"
CAFE = "Café noir"
FORMS = [CAFE, "Cafe\u0301 noir", " Café noir ", "Café  noir", "Ca\u200bfé noir", "Café\u00a0noir"]


@pytest.fixture
def manager(person: Callable[..., Person]) -> Person:
    return person("manager")


def create(who: Person, sku: str, category: str) -> Any:
    body = {"sku": sku, "name": f"Cup {sku}", "category": category, "price": "1"}
    created = call("POST", PRODUCTS, body, token=who.token)
    assert created.status == 201, created.text
    return created.json


def skus(who: Person, category: str) -> list[str]:
    listed = call("GET", f"{PRODUCTS}?category={quote(category)}", token=who.token)
    assert listed.status == 200, listed.text
    return [it["sku"] for it in listed.json["items"]]


def test_the_forms_of_a_name_are_one_category(manager: Person) -> None:
    names = {create(manager, f"S{number}", form)["category"] for number, form in enumerate(FORMS)}

    assert names == {CAFE}
    listed = call("GET", CATEGORIES, token=manager.token).json["items"]
    assert listed == [{"name": CAFE, "product_count": len(FORMS)}]
    for form in FORMS:
        assert len(skus(manager, form)) == len(FORMS), ascii(form)
    assert len(skus(manager, f"Other,{FORMS[1]}")) == len(FORMS)


@pytest.mark.parametrize("field", ["category", "name"])
@pytest.mark.parametrize("text", ["\u200b", "\u200b\u3164", " \u2060 "], ids=ascii)
def test_a_text_that_shows_nothing_is_said_to_show_nothing(manager: Person, field: str, text: str) -> None:
    body = {"sku": "S", "name": "Cup", "category": CAFE, "price": "1"} | {field: text}

    refused = call("POST", PRODUCTS, body, token=manager.token)

    assert refused.json["errors"] == [{"pointer": f"#/{field}", "detail": "must have a visible character"}]


@pytest.mark.parametrize("text", ["", " ", "x" * 101], ids=len)
def test_a_category_of_no_or_too_many_characters_is_refused_as_a_text(manager: Person, text: str) -> None:
    body = {"sku": "S", "name": "Cup", "category": text, "price": "1"}

    refused = call("POST", PRODUCTS, body, token=manager.token)

    assert [it["pointer"] for it in refused.json["errors"]] == ["#/category"]
    assert "item" not in refused.json["errors"][0]["detail"]


@pytest.mark.parametrize("form", FORMS[1:], ids=ascii)
def test_a_category_of_before_is_found_by_its_own_form_until_the_product_is_edited(manager: Person, form: str) -> None:
    product = get_item(Product, Product.key(create(manager, "OLD", CAFE)["id"]))
    assert product
    product.category = form
    put_item(product.place())
    put_item(Category(*Category.key(CAFE), products=0))
    put_item(Category(*Category.key(form), products=1))
    create(manager, "NEW", CAFE)

    assert sorted(skus(manager, form)) == ["NEW", "OLD"]
    assert skus(manager, CAFE) == ["NEW"]

    edit = {"sku": "OLD", "name": "Cup OLD", "category": form, "price": "1", "status": "active"}
    edited = call("PUT", f"{PRODUCTS}/{product.id}", edit, token=manager.token)
    assert (edited.status, edited.json["category"]) == (200, CAFE)
    assert sorted(skus(manager, CAFE)) == ["NEW", "OLD"]
    listed = call("GET", CATEGORIES, token=manager.token).json["items"]
    assert listed == [{"name": CAFE, "product_count": 2}]
