"""F2: the process dies before or after any AWS call of an operation, and the client repeats the request."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from oms.core.dynamodb import get_item
from oms.inventory.models import Category, Product
from tests.support.aws_calls import intercepted
from tests.support.faults import crashes
from tests.support.shop import BEFORE, Shop, new_process, orders_stored, stock_of

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

numbers = count(1)


def crashed[T](
    shop: Shop, begin: Callable[[], T], act: Callable[[T], object], *, calls: int
) -> Iterator[tuple[str, T]]:
    """Yields each crash of an operation with at least `calls` calls. Checks the stock and starts a new process after
    each.
    """
    points = 0
    for name, subject in crashes(begin, act):
        points += 1
        new_process()
        shop.check_stock()
        yield name, subject
    assert points >= 2 * calls, "fewer crashes than calls"


# The rest of ten units after a move of an order for three.
AVAILABLE = {"confirm": 7, "cancel": 10, "ship": 7, "deliver": 7, "return": 10}


def ready(shop: Shop, move: str) -> str:
    """Returns the path of an order for 3 of the 10 units of a new product, on which this move is possible."""
    path = shop.ready_for(move, {shop.product(10): 3})
    new_process()
    return path


def order_at(path: str) -> Any:
    return next(order for order in orders_stored() if path.endswith(order.id))


def test_f02_create_with_a_key_leaves_one_order(shop: Shop) -> None:
    def begin() -> tuple[dict[str, int], str]:
        new_process()
        return {shop.product(10): 3, shop.product(10): 1}, f"key-{next(numbers)}"

    for name, (cart, key) in crashed(shop, begin, lambda it: shop.buy(it[0], key=it[1]), calls=3):
        again = shop.buy(cart, key=key)

        assert again.status == 201, name
        assert [order.id for order in shop.check_stock() if order.lines[0].product_id in cart] == [again.json["id"]]
        assert [stock_of(product).available for product in cart] == [7, 9], name
        assert ("Idempotency-Replayed" in again.headers) == (name == "after call 3"), name


def test_f02_create_without_a_key_leaves_no_half_order(shop: Shop) -> None:
    def begin() -> dict[str, int]:
        new_process()
        return {shop.product(10): 3, shop.product(10): 1}

    for name, cart in crashed(shop, begin, shop.buy, calls=3):
        again = shop.buy(cart)

        # Without a key, the second request cannot be distinguished from another order for the same items.
        orders = [order for order in shop.check_stock() if order.lines[0].product_id in cart]
        assert again.status == 201, name
        assert len(orders) == (2 if name == "after call 3" else 1), name


# The manager's request reads the caller, the order and the customer, and then writes.
WRITTEN = "after call 4"


@pytest.mark.parametrize(("move", "available"), AVAILABLE.items())
def test_f02_a_move_with_a_key_is_made_once(shop: Shop, move: str, available: int) -> None:
    for name, path in crashed(shop, lambda: ready(shop, move), lambda it: shop.move(it, move, key="the-move"), calls=4):
        again = shop.move(path, move, key="the-move")

        assert (again.status, again.json["version"]) == (200, len(BEFORE[move]) + 2), name
        order = order_at(path)
        assert len(order.history) == order.version, name
        assert stock_of(order.lines[0].product_id).available == available, name
        assert ("Idempotency-Replayed" in again.headers) == (name == WRITTEN), name
        shop.check_stock()


@pytest.mark.parametrize(("move", "available"), AVAILABLE.items())
def test_f02_a_move_without_a_key_is_made_once(shop: Shop, move: str, available: int) -> None:
    for name, path in crashed(shop, lambda: ready(shop, move), lambda it: shop.move(it, move), calls=4):
        again = shop.move(path, move)

        assert again.status == (409 if name == WRITTEN else 200), name
        order = order_at(path)
        assert len(order.history) == len(BEFORE[move]) + 2, name
        assert stock_of(order.lines[0].product_id).available == available, name
        shop.check_stock()


def test_f02_an_edit_is_made_once(shop: Shop) -> None:
    def edit(path: str) -> Any:
        return shop.edit(path, {"note": "Fragile", "tags": ["gift"]}, key="the-edit")

    for name, path in crashed(shop, lambda: ready(shop, "confirm"), edit, calls=4):
        again = edit(path)

        assert (again.status, again.json["version"], again.json["tags"]) == (200, 2, ["gift"]), name
        assert [entry.changed for entry in order_at(path).history] == [None, ["note", "tags"]], name
        assert ("Idempotency-Replayed" in again.headers) == (name == WRITTEN), name


def test_f02_the_customer_is_read_before_the_move_is_made(shop: Shop) -> None:
    path = ready(shop, "ship")

    with intercepted() as calls:
        assert shop.move(path, "ship").status == 200

    assert [call.operation for call in calls] == ["BatchGetItem", "GetItem", "BatchGetItem", "TransactWriteItems"]


def test_f02_a_hold_expires_once(shop: Shop, time_machine: Callable[[timedelta], None]) -> None:
    def begin() -> str:
        path = ready(shop, "cancel")
        time_machine(timedelta(minutes=31))
        return path

    for name, path in crashed(shop, begin, lambda _: shop.sweep(), calls=3):
        assert shop.sweep() == {"batchItemFailures": []}, name

        order = order_at(path)
        assert [entry.to for entry in order.history] == ["pending", "expired"], name
        assert stock_of(order.lines[0].product_id).available == 10, name
        shop.check_stock()
        time_machine(timedelta(minutes=-31))


def test_f02_a_product_is_created_once(shop: Shop) -> None:
    def act(number: int) -> Any:
        body = {"sku": f"SKU-{number}", "name": "Saw", "category": f"Category {number}", "price": 5, "stock": 8}
        return shop.manage("POST", "products", body, key=f"key-{number}")

    for name, number in crashed(shop, lambda: next(numbers), act, calls=2):
        again = act(number)

        assert again.status == 201, name
        assert ("Idempotency-Replayed" in again.headers) == (name == "after call 2"), name
        stock = stock_of(again.json["id"])
        assert (stock.available, stock.version) == (8, 1), name
        category = get_item(Category, Category.key(f"Category {number}"))
        assert category is not None
        assert category.products == 1, name


def test_f02_a_stock_adjustment_with_a_key_moves_once(shop: Shop) -> None:
    def begin() -> str:
        product = shop.product(10)
        del shop.units[product]  # its units change, so `check_stock` cannot cover it
        return product

    def act(product: str) -> Any:
        return shop.manage("PATCH", f"products/{product}/stock", {"adjustment": -4, "reason": "broken"}, key="count")

    for name, product in crashed(shop, begin, act, calls=3):
        again = act(product)

        assert (again.status, again.json["available"]) == (200, 6), name
        stock = stock_of(product)
        assert (stock.available, stock.version) == (6, 2), name
        # The transaction is the second of the three calls.
        committed = name in ("after call 2", "before call 3", "after call 3")
        assert ("Idempotency-Replayed" in again.headers) == committed, name


@pytest.mark.parametrize("counted", [6, 10])
def test_f02_a_count_with_a_key_is_made_once(shop: Shop, counted: int) -> None:
    """Units that are shipped before the request is repeated stay shipped."""

    def begin() -> str:
        product = shop.product(10)
        del shop.units[product]  # its units change, so `check_stock` cannot cover it
        return product

    def act(product: str) -> Any:
        return shop.manage("PUT", f"products/{product}/stock", {"on_hand": counted, "reason": "counted"}, key="count")

    for name, product in crashed(shop, begin, act, calls=3):
        shop.move(shop.ready_for("ship", {product: 1}), "ship")
        again = act(product)

        # The write is the third of the three calls.
        committed = name == "after call 3"
        assert (again.status, again.json["on_hand"]) == (200, counted - committed), name
        assert stock_of(product).available == counted - committed, name
        assert ("Idempotency-Replayed" in again.headers) == committed, name


def test_f02_many_changes_with_a_key_are_each_made_once(shop: Shop) -> None:
    """The calls of rows run in parallel, so a crash leaves some of them."""

    def begin() -> list[str]:
        products = [shop.product(10) for _ in range(4)]
        for product in products:
            del shop.units[product]
        assert shop.reshard(products[3], 3).status == 200
        return products

    def act(products: list[str]) -> Any:
        changes = ({"on_hand": 4}, {"adjustment": -3}, {"on_hand": 10}, {"on_hand": 15})
        rows = [{"product_id": it, "reason": "counted", **change} for it, change in zip(products, changes, strict=True)]
        return shop.manage("PATCH", "stock", {"items": rows}, key="counts")

    for name, products in crashed(shop, begin, act, calls=7):
        again = act(products)

        assert [it["on_hand"] for it in again.json["items"]] == [4, 7, 10, 15], name
        assert [it["status"] for it in again.json["items"]] == ["changed", "changed", "unchanged", "changed"], name
        assert [stock_of(product).available for product in products] == [4, 7, 10, 15], name
        assert [stock_of(product).version for product in products[:3]] == [2, 2, 1], name


def test_f02_a_product_edit_is_whole(shop: Shop) -> None:
    def act(product: str) -> Any:
        edited = {"sku": product, "name": "New", "category": "Other", "price": "25.00", "status": "active"}
        return shop.manage("PUT", f"products/{product}", edited)

    for name, product_id in crashed(shop, shop.product, act, calls=3):
        product, stock = get_item(Product, Product.key(product_id)), stock_of(product_id)
        assert product is not None
        assert (product.version, stock.offer) in ((1, 1), (2, 2)), name
        assert (product.name, product.price) == (stock.name, stock.price), name
        was_made = product.version == 2

        again = act(product_id)

        assert (again.status, again.json["price"], again.json["version"]) == (200, "25.00", 3 if was_made else 2), name
        assert stock_of(product_id).offer == 2, "an edit that leaves the offer unchanged keeps its number"
        shop.check_stock()
