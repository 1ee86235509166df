"""The largest resources that the contract allows: stored, shown and listed within DynamoDB's and Lambda's limits."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from oms.http import api
from tests.support.database import table
from tests.support.event_bus import entries_of
from tests.support.gateway import call
from tests.support.invocation import Answer, Person
from tests.support.shop import Shop
from tests.support.streams import streamed

PRODUCTS, ORDERS = "/api/v1/inventory/products", "/api/v1/orders"
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
MOST_STORED = 400 * 1024
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html; an answer is encoded as JSON again.
MOST_ANSWERED = 6 * 1024 * 1024
BODY = 256 * 1024
WIDE = "🛒"  # 4 bytes of UTF-8, 12 characters where JSON is escaped to ASCII


def large_product(number: int = 0) -> dict[str, Any]:
    return {
        "sku": f"{number:064}",
        "name": f"{number}".ljust(200, WIDE),
        "description": WIDE * 5000,
        "category": WIDE * 100,
        "price": "19.99",
        "attributes": {f"{n:02}".ljust(500, WIDE): WIDE * 500 for n in range(50)},
    }


def as_text(body: Any) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def stored_sizes(name: str) -> list[int]:
    return table(name).sizes()


def walk(path: str, who: Person) -> list[list[str]]:
    """Returns the ids on each page to the end of a list."""
    pages: list[list[str]] = []
    cursor = ""
    while cursor is not None:
        answer = call("GET", f"{path}&cursor={cursor}" if cursor else path, token=who.token)
        assert answer.status == 200, answer.text[:300]
        assert len(json.dumps(answer.text)) < MOST_ANSWERED
        pages.append([item["id"] for item in answer.json["items"]])
        cursor = answer.json["next_cursor"]
    return pages


def test_the_largest_product_is_stored_and_shown(manager: Person) -> None:
    body = large_product()
    assert len(as_text(body).encode()) <= BODY

    created = call("POST", PRODUCTS, as_text(body), token=manager.token)
    assert created.status == 201, created.text[:300]
    path = f"{PRODUCTS}/{created.json['id']}"
    replaced = call("PUT", path, as_text(body | {"status": "active"}), token=manager.token)

    assert replaced.status == 200
    shown = call("GET", path, token=manager.token).json
    assert {name: shown[name] for name in body} == body
    assert max(stored_sizes("inventory")) < MOST_STORED


def test_pages_of_the_largest_products_end_early_and_show_each_once(manager: Person) -> None:
    made = []
    for number in range(12):
        created = call("POST", PRODUCTS, as_text(large_product(number)), token=manager.token)
        assert created.status == 201, created.text[:300]
        made.append(created.json["id"])

    pages = walk(f"{PRODUCTS}?limit=100&sort=created_at", manager)

    assert [it for page in pages for it in page] == made
    assert len(pages) > 1
    assert all(pages)


@pytest.mark.parametrize("text", [WIDE * 100, '"' * 500], ids=["wide", "escaped"])
def test_the_largest_order_is_stored_shown_and_published(manager: Person, text: str) -> None:
    # Directly into the table, as creating 90 products takes long.
    shop = Shop(manager, manager)
    wide = WIDE * 500
    names = ("name", "company", "line1", "line2", "city", "postal_code", "region")
    address = dict.fromkeys(names, wide) | {"country": "DE", "phone": WIDE * 50}
    body = {
        "items": [
            {"product_id": shop.product(10_000, name=WIDE * 200, category=WIDE * 100), "quantity": 10_000}
            for _ in range(90)
        ],
        "shipping_address": address,
        "billing_address": address,
        "note": wide,
        "purchase_order": WIDE * 100,
        "metadata": {f"{number:02}".ljust(40, text[0]): text for number in range(50)},
        "tags": [f"{number:02}".ljust(40, WIDE) for number in range(20)],
    }

    with streamed("orders") as records:
        placed = call("POST", ORDERS, as_text(body), token=manager.token)
    assert placed.status == 201, placed.text[:300]
    shown = call("GET", placed.headers["Location"], token=manager.token)

    assert shown.json == placed.json
    assert len(placed.json["items"]) == 90
    assert {name: placed.json[name] for name in body if name != "items"} == {
        name: value for name, value in body.items() if name != "items"
    }
    assert max(stored_sizes("orders")) < MOST_STORED
    assert len(entries_of(records)) == 1


@pytest.mark.parametrize("most", [1, 900])
@pytest.mark.parametrize("limit", [2, 100])
@pytest.mark.parametrize("query", [f"{PRODUCTS}?sort=-price", f"{PRODUCTS}?status=active,archived", f"{ORDERS}?"])
def test_a_page_that_ends_early_is_gone_on_with(
    manager: Person,
    order: Callable[..., Answer],
    monkeypatch: pytest.MonkeyPatch,
    query: str,
    limit: int,
    most: int,
) -> None:
    placed = [order(manager).json for _ in range(3)]
    kind = [it["id"] for it in placed] if query.startswith(ORDERS) else [it["items"][0]["product_id"] for it in placed]
    monkeypatch.setattr(api, "MAX_PAGE_BYTES", most)

    pages = walk(f"{query}&limit={limit}", manager)

    assert sorted(it for page in pages for it in page) == sorted(kind)
    assert all(len(page) <= limit for page in pages)
    assert most > 1 or max(map(len, pages)) == 1, "one item is shown at any size"
