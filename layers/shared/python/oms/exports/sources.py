"""The sources of exports: the rows of each report, and the items from which they are read."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from oms.core.settings import settings
from oms.exports import reading
from oms.exports.columns import COLUMNS
from oms.exports.models import Export
from oms.exports.parts import Cell, Cells, Rows
from oms.exports.reading import JoinedTable, Raw, SourceIndex
from oms.identity.models import User, user_key
from oms.inventory.models import BY_CREATED as PRODUCTS_BY_CREATED
from oms.inventory.models import Product, StockItem
from oms.orders.models import BY_CREATED as ORDERS_BY_CREATED
from oms.orders.models import created_shard

type Row = Sequence[Cell]
type Pick = Callable[[list[Row]], list[Row]]


@dataclass(frozen=True)
class ExportSource:
    """`rows_of` yields positions with the rows of their items, after a given position (None: from the start).

    Positions begin with a timestamp, are non-decreasing and measure progress. Positions of items that are filtered out
    come without rows, at least once a page.
    """

    rows_of: Callable[[Export, str | None, Cells], Iterator[tuple[str, Rows]]]


def pick(export: Export) -> Pick:
    """A function that selects the export's columns from complete rows."""
    columns = COLUMNS[export.report]
    if not export.columns:
        return lambda rows: rows
    places = [columns.all.index(str(it)) for it in export.columns]
    return lambda rows: [[row[place] for place in places] for row in rows]


def _orders(export: Export, after: str | None, cells: Cells) -> Iterator[tuple[str, Rows]]:
    statuses = frozenset(str(it) for it in export.statuses or ())
    requested = {str(it) for it in export.columns or ()}
    further = bool(requested & set(COLUMNS["orders"].further))
    listing = SourceIndex(
        ORDERS_BY_CREATED,
        [created_shard(number) for number in range(settings().order_shards)],
        key=lambda entry: {"id": entry["id"]},
        names=(*_OF_ORDER, "lines", *(_FURTHER if further else ())),
        # The index lags, so the order's own status is checked again below.
        is_included=lambda entry: not statuses or entry["status"]["S"] in statuses,
        joined=_CUSTOMERS if "customer_email" in requested else None,
    )
    chosen = pick(export)
    for position, order in reading.read_items(listing, low=export.from_, high=_end(export), after=after):
        is_included = order is not None and (not statuses or order["status"]["S"] in statuses)
        yield position, chosen(_order_rows(order, cells, further=further)) if order and is_included else []


_OF_ORDER = ("id", "number", "status", "created_at", "customer_id", "shipping_cost", "total", "currency")
_FURTHER = ("shipping_address", "note", "shipment")
_ADDRESS = ("name", "line1", "line2", "city", "postal_code", "region", "country")
_SHIPMENT = ("carrier", "tracking_number", "tracking_url")


def _customer_key(entry: Raw) -> Raw:
    return {name: {"S": part} for name, part in zip(("pk", "sk"), user_key(entry["customer_id"]["S"]), strict=True)}


# The address that managers see in the list of orders.
_CUSTOMERS = JoinedTable(User.Meta.table_name, _customer_key, ("email",))


def _order_rows(order: Raw, cells: Cells, *, further: bool) -> list[Row]:
    text = cells.text
    values = (
        text(order["id"]["S"]),
        text(order["number"]["S"]),
        text(order["status"]["S"]),
        cells.time(order["created_at"]["S"]),
        text(order["customer_id"]["S"]),
    )
    shipping, total = (cells.money(int(order[name]["N"])) for name in ("shipping_cost", "total"))
    last = (shipping, total, text(order["currency"]["S"]), *(_further(order, cells) if further else ()))
    return [(*values, *_line(number, it["M"], cells), *last) for number, it in enumerate(order["lines"]["L"], 1)]


def _line(number: int, line: Raw, cells: Cells) -> Row:
    quantity, price = int(line["quantity"]["N"]), int(line["unit_price"]["N"])
    text = cells.text
    return (
        cells.number(number),
        text(line["product_id"]["S"]),
        text(line["sku"]["S"]),
        text(line["name"]["S"]),
        text(line["category"]["S"]) if "category" in line else text(""),
        cells.number(quantity),
        cells.money(price),
        cells.money(price * quantity),
    )


def _further(order: Raw, cells: Cells) -> Row:
    """The further columns; a missing value is empty."""
    address: dict[str, Any] = json.loads(order["shipping_address"]["S"]) if "shipping_address" in order else {}
    shipment: Raw = order["shipment"]["M"] if "shipment" in order else {}
    customer: Raw = order.get(reading.JOINED) or {}
    at = shipment.get("shipped_at")
    return (
        cells.text(_text(customer, "email")),
        *(cells.text(address.get(name) or "") for name in _ADDRESS),
        cells.text(_text(order, "note")),
        *(cells.text(_text(shipment, name)) for name in _SHIPMENT),
        cells.time(at["S"]) if at else cells.text(""),
    )


def _text(raw: Raw, name: str) -> str:
    return str(raw[name].get("S", "")) if name in raw else ""


def _inventory(export: Export, after: str | None, cells: Cells) -> Iterator[tuple[str, Rows]]:
    listing = SourceIndex(
        PRODUCTS_BY_CREATED,
        ["active", "archived"],
        key=lambda entry: dict(zip(("pk", "sk"), _stock_key(entry), strict=True)),
        names=(*_OF_STOCK, "pk", "sk"),
    )
    chosen = pick(export)
    for position, stock in reading.read_items(listing, low=None, high=_end(export), after=after):
        yield position, chosen([_stock_row(position, stock, cells)]) if stock else []


def _stock_key(entry: Raw) -> Iterator[dict[str, str]]:
    product_id = entry["pk"]["S"].removeprefix(Product.key("")[0])
    return ({"S": part} for part in StockItem.key(product_id))


_OF_STOCK = ("product_id", "sku", "name", "category", "status", "price", "available", "reserved", "low_stock_threshold")


def _stock_row(position: str, stock: Raw, cells: Cells) -> Row:
    available, reserved = int(stock["available"]["N"]), int(stock["reserved"]["N"])
    threshold = stock.get("low_stock_threshold")
    return (
        *(cells.text(_text(stock, name)) for name in _OF_STOCK[:5]),
        cells.money(int(stock["price"]["N"])),
        cells.text(settings().currency),
        *(cells.number(it) for it in (available + reserved, available, reserved)),
        cells.number(int(threshold["N"])) if threshold and "N" in threshold else cells.text(""),
        cells.time(position.partition("#")[0]),
    )


def _end(export: Export) -> str:
    """The end of the time range: an export has nothing that was created after its request."""
    return min(export.to, export.created_at) if export.to else export.created_at


ORDERS, INVENTORY = ExportSource(_orders), ExportSource(_inventory)
