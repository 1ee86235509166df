"""Events: derived from each change in the form of the contract, and equal each time they are derived."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from oms.events.types import EVENT_TYPES
from oms.inventory.models import StockItem
from oms.publishing.registry import PAYLOADS
from tests.support.event_bus import in_events, published, published_types
from tests.support.invocation import Person
from tests.support.ledger_shop import LedgerShop, raw_item, repair_stock
from tests.support.shop import BODIES, Shop
from tests.support.streams import Record, record, streamed

TABLES = ("orders", "inventory")


@pytest.fixture
def shop(customer: Person, manager: Person) -> Shop:
    return Shop(customer, manager)


def test_each_step_of_an_order_is_published(shop: Shop) -> None:
    product = shop.product(100)
    with streamed(*TABLES) as records:
        placed = shop.buy({product: 3}).json
        path = f"/api/v1/orders/{placed['id']}"
        shown = [placed, *(shop.move(path, name).json for name in ("confirm", "ship", "deliver", "return"))]

    events = published(records)

    assert [it["type"] for it in events] == [
        f"order.{word}" for word in ("created", "confirmed", "shipped", "delivered", "returned")
    ]
    for number, (event, order) in enumerate(zip(events, shown, strict=True), 1):
        assert set(event) == {"id", "type", "version", "occurred_at", "sequence", "actor", "data"}
        assert (event["version"], event["sequence"]) == (1, number)
        assert event["occurred_at"] == order["updated_at"]
        assert event["data"] == in_events(order)
    actors = [it["actor"] for it in events]
    assert actors[0] == {"id": shop.customer.id, "role": "customer"}
    assert actors[1:] == [{"id": shop.manager.id, "role": "manager"}] * 4


@pytest.mark.parametrize(("move", "event"), [("cancel", "order.cancelled"), (None, "order.expired")])
def test_the_end_of_a_hold_is_published(
    shop: Shop, time_machine: Callable[..., None], move: str | None, event: str
) -> None:
    path = f"/api/v1/orders/{shop.buy({shop.product(100): 3}).json['id']}"
    with streamed(*TABLES) as records:
        if move:
            shop.move(path, move)
        else:
            time_machine(timedelta(minutes=31))
            shop.sweep()

    assert published_types(records) == [event]


def test_stock_is_published_from_every_cause_as_it_crosses(shop: Shop) -> None:
    body = {"sku": "AB-1", "name": "Hammer", "category": "Tools", "price": 5, "stock": 10, "low_stock_threshold": 5}
    product = shop.manage("POST", "products", body).json["id"]
    with streamed(*TABLES) as records:
        low = shop.buy({product: 6}).json
        shop.buy({product: 4})
        shop.manage("PATCH", f"products/{product}/stock", {"adjustment": 3, "reason": "found"})
        shop.move(f"/api/v1/orders/{low['id']}", "cancel")

    events = [it for it in published(records) if it["type"].startswith("stock.")]

    assert [it["type"] for it in events] == [
        "stock.low",
        "stock.out",
        "stock.adjusted",
        "stock.low",
        "stock.replenished",
    ]
    assert [it["data"]["available"] for it in events] == [4, 0, 3, 3, 9]
    assert events[2]["data"] | {"name": ""} == {
        "product_id": product,
        "sku": "AB-1",
        "name": "",
        "available": 3,
        "reserved": 10,
        "on_hand": 13,
        "low_stock_threshold": 5,
        "adjustment": 3,
        "cause": "adjusted",
    }
    assert [it["sequence"] for it in events] == [2, 3, 4, 4, 5]
    assert events[0]["actor"] == {"id": shop.customer.id, "role": "customer"}


def low_product(shop: Shop) -> str:
    """Returns a product with ten units and a low-stock threshold of five."""
    body = {"sku": "AB-1", "name": "Hammer", "category": "Tools", "price": 5, "stock": 10, "low_stock_threshold": 5}
    return str(shop.manage("POST", "products", body).json["id"])


def stock_events(records: list[Record]) -> list[tuple[str, str, int]]:
    """Returns the events of stock: type, actor and available units after it."""
    events = [it for it in published(records) if it["type"].startswith("stock.")]
    return [(it["type"], it["actor"]["role"], it["data"]["available"]) for it in events]


def test_a_hold_that_expires_and_an_order_that_comes_back_replenish(
    shop: Shop, time_machine: Callable[[timedelta], None]
) -> None:
    product = low_product(shop)
    returned = shop.ready_for("return", {product: 6})
    with streamed(*TABLES) as records:
        assert shop.move(returned, "return").status == 200
        shop.buy({product: 10})
        time_machine(timedelta(minutes=31))
        shop.sweep()

    assert stock_events(records) == [
        ("stock.replenished", "manager", 10),
        ("stock.out", "customer", 0),
        ("stock.replenished", "system", 10),
    ]


def test_units_that_are_shipped_or_not_back_on_sale_cause_no_event_of_stock(shop: Shop) -> None:
    product = low_product(shop)
    path = shop.ready_for("ship", {product: 6})
    with streamed(*TABLES) as records:
        for move in ("ship", "deliver"):
            assert shop.move(path, move).status == 200
        assert shop.post(f"{path}/return", {"restock": False}, by=shop.manager).status == 200

    assert published_types(records) == ["order.shipped", "order.delivered", "order.returned"]


def test_an_edit_of_the_threshold_alone_can_cross_it(shop: Shop) -> None:
    product = low_product(shop)
    text = {"sku": "AB-1", "name": "Hammer", "category": "Tools", "price": 5, "status": "active"}
    with streamed(*TABLES) as records:
        for threshold in (20, 30, None):
            edited = shop.manage("PUT", f"products/{product}", text | {"low_stock_threshold": threshold})
            assert edited.status == 200

    assert stock_events(records) == [("stock.low", "manager", 10), ("stock.replenished", "manager", 10)]
    assert published_types(records).count("product.updated") == 3


def test_movements_and_edits_of_the_threshold_have_one_sequence(shop: Shop) -> None:
    product = low_product(shop)
    text = {"sku": "AB-1", "name": "Hammer", "category": "Tools", "price": 5, "status": "active"}
    with streamed(*TABLES) as records:
        for threshold in (20, 5):
            edited = shop.manage("PUT", f"products/{product}", text | {"low_stock_threshold": threshold})
            assert edited.status == 200
        shop.buy({product: 6})
        last = shop.manage("PUT", f"products/{product}", text | {"low_stock_threshold": 3}).json

    events = [it for it in published(records) if it["type"].startswith("stock.")]

    assert [it["type"] for it in events] == ["stock.low", "stock.replenished", "stock.low", "stock.replenished"]
    assert [it["sequence"] for it in events] == [2, 3, 4, 5]
    assert events[-1]["actor"] == {"id": shop.manager.id, "role": "manager"}
    assert events[-1]["occurred_at"] == last["updated_at"]


def test_a_crossing_without_an_actor_is_the_systems(shop: Shop) -> None:
    stock = {
        name: value
        for name, value in raw_item("inventory", *StockItem.key(low_product(shop))).items()
        if name not in ("edits", "edited")
    }
    edited = stock | {"low_stock_threshold": {"N": "20"}}

    (event,) = published([record(stock, edited)])

    assert (event["type"], event["sequence"]) == ("stock.low", 1)
    assert event["actor"] == {"id": "system", "role": "system"}


def test_a_repair_is_published_as_an_adjustment(ledger_shop: LedgerShop) -> None:
    product = ledger_shop.create(stock=20)
    ledger_shop.run_bookkeeper()
    ledger_shop.tamper_stock(product, available=-20)
    ledger_shop.check()
    with streamed(*TABLES) as records:
        repair_stock(ledger_shop, product)

    assert stock_events(records) == [("stock.adjusted", "manager", 20), ("stock.replenished", "manager", 20)]
    assert [it["data"]["cause"] for it in published(records)[:1]] == ["repaired"]


def test_products_are_published_as_managers_see_them(shop: Shop) -> None:
    body = {"sku": "AB-1", "name": "Hammer", "category": "Tools", "price": 5, "stock": 10}
    edit = {name: body[name] for name in ("sku", "name", "category")} | {"price": 6}
    with streamed(*TABLES) as records:
        made = shop.manage("POST", "products", body).json
        path = f"products/{made['id']}"
        updated = shop.manage("PUT", path, edit | {"status": "active"}).json
        archived = shop.manage("PUT", path, edit | {"status": "archived"}).json
        back = shop.manage("PUT", path, edit | {"status": "active"}).json

    events = published(records)

    assert [it["type"] for it in events] == [
        "product.created",
        "product.updated",
        "product.archived",
        "product.updated",
    ]
    assert [it["data"] for it in events] == [made, updated, archived, back]
    assert [it["sequence"] for it in events] == [1, 2, 3, 4]


def test_the_same_change_is_the_same_event_however_often_it_comes(shop: Shop) -> None:
    with streamed(*TABLES) as records:
        path = f"/api/v1/orders/{shop.buy({shop.product(3): 3}).json['id']}"
        shop.move(path, "ship", key=None)
        shop.post(f"{path}/confirm", BODIES.get("confirm"), by=shop.manager)

    once, twice = published(records), published([*records, *records])

    assert twice == [*once, *once]
    assert len({it["id"] for it in once}) == len(once)


def test_every_type_has_a_schema_that_its_data_fits() -> None:
    assert PAYLOADS.keys() == EVENT_TYPES.keys()
    assert all(it.model_json_schema()["type"] == "object" for it in PAYLOADS.values())
    assert all(it.description for it in EVENT_TYPES.values())
