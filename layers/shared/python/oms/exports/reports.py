"""What the lines of exports say, and of which things they are made."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from oms.exports import reading
from oms.exports.cells import Cell, text
from oms.exports.models import Export
from oms.exports.reading import Listing, Raw
from oms.inventory.models import BY_CREATED as PRODUCTS_BY_CREATED
from oms.inventory.models import Product, StockItem
from oms.money import to_text
from oms.orders.models import BY_CREATED as ORDERS_BY_CREATED
from oms.orders.models import created_shard
from oms.settings import settings

type Rows = list[Sequence[Cell]]


@dataclass(frozen=True)
class Report:
    """`rows_of` gives the rows of each thing with its position, from after a position on (None: from the start).

    A position begins with a timestamp, and they never fall: they say how far an export is. Of things that are left out
    there are no rows, but positions now and then.
    """

    columns: Sequence[str]
    rows_of: Callable[[Export, str | None], Iterator[tuple[str, Rows]]]


def _orders(export: Export, after: str | None) -> Iterator[tuple[str, Rows]]:
    statuses = frozenset(str(it) for it in export.statuses or ())
    listing = Listing(
        ORDERS_BY_CREATED,
        [created_shard(number) for number in range(settings().order_shards)],
        key=lambda entry: {"id": entry["id"]},
        names=(*_OF_ORDER, "lines"),
        # The index has the status too. It lags, so the order's own is looked at again.
        wanted=lambda entry: not statuses or entry["status"]["S"] in statuses,
    )
    for position, order in reading.things(listing, low=export.from_, high=_end(export), after=after):
        is_wanted = not statuses or (order is not None and order["status"]["S"] in statuses)
        yield position, _order_rows(order) if order and is_wanted else []


_OF_ORDER = ("id", "number", "status", "created_at", "customer_id", "shipping_cost", "total", "currency")


def _order_rows(order: Raw) -> Rows:
    values = [_value(order[name]) for name in _OF_ORDER[:5]]
    shipping, total = (to_text(int(order[name]["N"])) for name in ("shipping_cost", "total"))
    currency = order["currency"]["S"]
    return [
        (*values, *_line(number, it["M"]), shipping, total, currency)
        for number, it in enumerate(order["lines"]["L"], 1)
    ]


def _line(number: int, line: Raw) -> Sequence[Cell]:
    quantity, price = int(line["quantity"]["N"]), int(line["unit_price"]["N"])
    return (
        number,
        text(line["product_id"]["S"]),
        text(line["sku"]["S"]),
        text(line["name"]["S"]),
        text(line["category"]["S"]) if "category" in line else "",
        quantity,
        to_text(price),
        to_text(price * quantity),
    )


def _inventory(export: Export, after: str | None) -> Iterator[tuple[str, Rows]]:
    listing = Listing(
        PRODUCTS_BY_CREATED,
        ["active", "archived"],
        key=lambda entry: dict(zip(("pk", "sk"), _stock_key(entry), strict=True)),
        names=(*_OF_STOCK, "pk", "sk"),
    )
    for position, stock in reading.things(listing, low=None, high=_end(export), after=after):
        yield position, [_stock_row(position, stock)] if stock else []


def _stock_key(entry: Raw) -> Iterator[dict[str, str]]:
    product_id = entry["pk"]["S"].removeprefix(Product.key("")[0])
    return ({"S": part} for part in StockItem.key(product_id))


_OF_STOCK = ("product_id", "sku", "name", "category", "status", "price", "available", "reserved", "low_stock_threshold")


def _stock_row(position: str, stock: Raw) -> Sequence[Cell]:
    available, reserved = int(stock["available"]["N"]), int(stock["reserved"]["N"])
    return (
        *(_value(stock[name]) if name in stock else "" for name in _OF_STOCK[:5]),
        to_text(int(stock["price"]["N"])),
        settings().currency,
        available + reserved,
        available,
        reserved,
        stock["low_stock_threshold"]["N"] if "low_stock_threshold" in stock else "",
        position.partition("#")[0],
    )


def _value(attribute: dict[str, Any]) -> str:
    return text(attribute["S"])


def _end(export: Export) -> str:
    """What came after it was asked for is not in it."""
    return min(export.to, export.created_at) if export.to else export.created_at


ORDERS = Report(
    (
        *("order_id", "order_number", "status", "created_at", "customer_id"),
        *("line", "product_id", "sku", "name", "category", "quantity", "unit_price", "line_total"),
        *("shipping_cost", "order_total", "currency"),
    ),
    _orders,
)
INVENTORY = Report(
    (
        *("product_id", "sku", "name", "category", "status", "price", "currency"),
        *("on_hand", "available", "reserved", "low_stock_threshold", "created_at"),
    ),
    _inventory,
)
