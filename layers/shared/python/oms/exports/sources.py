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
from oms.inventory import shards
from oms.inventory.models import BY_CREATED as PRODUCTS_BY_CREATED
from oms.inventory.models import Product, StockItem
from oms.orders.models import BY_CREATED as ORDERS_BY_CREATED
from oms.orders.models import created_shard

type FileRow = Sequence[Cell]
type Pick = Callable[[list[FileRow]], list[FileRow]]


@dataclass(frozen=True)
class ExportSource:
    """The rows of a report. `rows_of` yields positions with their rows, after a given position (None: from the start).

    Positions begin with a timestamp, are non-decreasing and measure progress. Positions without rows are those of
    filtered items, at least one a page.
    """

    rows_of: Callable[[Export, str | None, Cells], Iterator[tuple[str, Rows]]]


def pick(export: Export) -> Pick:
    """Returns a function that selects the export's columns from complete rows."""
    columns = COLUMNS[export.report]
    names = columns.chosen(export.columns)
    if names == list(columns.default):
        return lambda rows: rows
    places = [columns.all.index(name) for name in names]
    return lambda rows: [[row[place] for place in places] for row in rows]


def _orders(export: Export, after: str | None, cells: Cells) -> Iterator[tuple[str, Rows]]:
    statuses = frozenset(str(status) for status in export.statuses or ())
    requested = {str(name) for name in export.columns or ()}
    further = bool(requested & set(COLUMNS["orders"].further))
    listing = SourceIndex(
        ORDERS_BY_CREATED,
        [created_shard(number) for number in range(settings().order_shards)],
        key=lambda entry: {"id": entry["id"]},
        names=(*_OF_ORDER, "lines", *(_FURTHER if further else ())),
        # The index lags, so the order's status is checked again below.
        is_included=lambda entry: not statuses or entry["status"]["S"] in statuses,
        joined=_CUSTOMERS if "customer_email" in requested else None,
    )
    chosen = pick(export)
    for position, order in reading.read_items(listing, low=export.from_, high=_end(export), after=after):
        is_included = order is not None and (not statuses or order["status"]["S"] in statuses)
        yield position, chosen(_order_rows(order, cells, further=further)) if order and is_included else []


_OF_ORDER = ("id", "number", "status", "created_at", "customer_id", "shipping_cost", "total", "currency")
_FURTHER = ("shipping_address", "note", "shipment", "contact", "purchase_order", "tags")
_ADDRESS = ("name", "line1", "line2", "city", "postal_code", "region", "country")
_SHIPMENT = ("carrier", "tracking_number", "tracking_url")


def _customer_key(entry: Raw) -> Raw | None:
    if "customer_id" not in entry:  # the customer has no account
        return None
    return {name: {"S": part} for name, part in zip(("pk", "sk"), user_key(entry["customer_id"]["S"]), strict=True)}


# The e-mail address, which managers also see in the list of orders.
_CUSTOMERS = JoinedTable(User.Meta.table_name, _customer_key, ("email",))


def _order_rows(order: Raw, cells: Cells, *, further: bool) -> list[FileRow]:
    own = cells.own
    values = (
        own(order["id"]["S"]),
        own(order["number"]["S"]),
        own(order["status"]["S"]),
        cells.time(order["created_at"]["S"]),
        own(_text(order, "customer_id")),
    )
    shipping, total = (cells.money(int(order[name]["N"])) for name in ("shipping_cost", "total"))
    last = (shipping, total, own(order["currency"]["S"]), *(_further(order, cells) if further else ()))
    return [(*values, *_line(number, line["M"], cells), *last) for number, line in enumerate(order["lines"]["L"], 1)]


def _line(number: int, line: Raw, cells: Cells) -> FileRow:
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


def _further(order: Raw, cells: Cells) -> FileRow:
    """Returns the further columns. Missing values are empty."""
    address: dict[str, Any] = json.loads(order["shipping_address"]["S"]) if "shipping_address" in order else {}
    shipment: Raw = order["shipment"]["M"] if "shipment" in order else {}
    customer: Raw = order.get(reading.JOINED) or {}
    contact: dict[str, Any] = json.loads(order["contact"]["S"]) if "contact" in order else {}
    at = shipment.get("shipped_at")
    return (
        cells.text(_text(customer, "email") or contact.get("email") or ""),
        *(cells.text(address.get(name) or "") for name in _ADDRESS),
        cells.text(_text(order, "note")),
        *(cells.text(_text(shipment, name)) for name in _SHIPMENT),
        cells.time(at["S"]) if at else cells.text(""),
        *(cells.text(address.get(name) or "") for name in ("company", "phone")),
        cells.text(_text(order, "purchase_order")),
        cells.text(", ".join(json.loads(_text(order, "tags") or "[]"))),
    )


def _text(raw: Raw, name: str) -> str:
    return str(raw[name].get("S", "")) if name in raw else ""


def _inventory(export: Export, after: str | None, cells: Cells) -> Iterator[tuple[str, Rows]]:
    listing = SourceIndex(
        PRODUCTS_BY_CREATED,
        ["active", "archived"],
        key=lambda entry: dict(zip(("pk", "sk"), _stock_key(entry), strict=True)),
        names=(*_OF_STOCK, "shards_created", "pk", "sk"),
    )
    chosen = pick(export)
    for position, stock in reading.read_items(listing, low=None, high=_end(export), after=after):
        if stock:
            shards.add_up_raw([stock], consistent=False)
        yield position, chosen([_stock_row(position, stock, cells)]) if stock else []


def _stock_key(entry: Raw) -> Iterator[dict[str, str]]:
    product_id = entry["pk"]["S"].removeprefix(Product.key("")[0])
    return ({"S": part} for part in StockItem.key(product_id))


_OF_STOCK = ("product_id", "sku", "name", "category", "status", "price", "available", "reserved", "low_stock_threshold")


def _stock_row(position: str, stock: Raw, cells: Cells) -> FileRow:
    available, reserved = int(stock["available"]["N"]), int(stock["reserved"]["N"])
    threshold = stock.get("low_stock_threshold")
    return (
        *(cells.text(_text(stock, name)) for name in _OF_STOCK[:5]),
        cells.money(int(stock["price"]["N"])),
        cells.text(settings().currency),
        *(cells.number(units) for units in (available + reserved, available, reserved)),
        cells.number(int(threshold["N"])) if threshold and "N" in threshold else cells.text(""),
        cells.time(position.partition("#")[0]),
    )


def _end(export: Export) -> str:
    """Returns the end of the time range. An export has no items that were created after its request."""
    return min(export.to, export.created_at) if export.to else export.created_at


ORDERS, INVENTORY = ExportSource(_orders), ExportSource(_inventory)
