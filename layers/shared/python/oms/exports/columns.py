"""The columns of each report: the default columns of a file, and further ones on request."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Columns:
    """The columns of a report. `further` ones, for the fulfilment of orders, contain personal data and must be
    requested.
    """

    default: Sequence[str]
    further: Sequence[str] = ()

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.default, *self.further)

    def chosen(self, names: Iterable[object] | None) -> list[str]:
        """Returns the columns of these names, or the default ones for None."""
        return [str(name) for name in names or self.default]


COLUMNS: Mapping[str, Columns] = {
    "orders": Columns(
        (
            *("order_id", "order_number", "status", "created_at", "customer_id"),
            *("line", "product_id", "sku", "name", "category", "quantity", "unit_price", "line_total"),
            *("shipping_cost", "order_total", "currency"),
        ),
        (
            *("customer_email", "shipping_name", "shipping_line1", "shipping_line2", "shipping_city"),
            *("shipping_postal_code", "shipping_region", "shipping_country", "note"),
            *("carrier", "tracking_number", "tracking_url", "shipped_at"),
            *("shipping_company", "shipping_phone", "purchase_order", "tags"),
        ),
    ),
    "inventory": Columns(
        (
            *("product_id", "sku", "name", "category", "status", "price", "currency"),
            *("on_hand", "available", "reserved", "low_stock_threshold", "created_at"),
        )
    ),
    "sales": Columns(
        ("date", "orders", "units", "revenue", "shipping", "cancelled", "returned", "pending", "currency"),
    ),
}
