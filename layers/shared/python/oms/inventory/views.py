"""The API's views of a product: for the public, for customers, and with all its stock for managers and admins."""

from typing import Any

from oms.core.money import to_text
from oms.core.schemas import Shown
from oms.core.settings import settings
from oms.inventory.models import Product, StockItem
from oms.inventory.schemas import ManagedProductResponse, ProductResponse, PublicProductResponse

# The stored attributes of both items that the views read, and `shards.add_up` before them.
VIEW_ATTRIBUTES = frozenset(
    (
        *("id", "sku", "name", "description", "category", "price", "attributes", "status", "version"),
        *("created_at", "updated_at"),
        *("product_id", "available", "reserved", "low_stock_threshold", "shards", "shards_created"),
    )
)


def show_public_product(product: Product, stock: StockItem) -> Shown[PublicProductResponse]:
    """Returns a product as readers without a token see it."""
    shown = _shared_fields(product, stock)
    del shown["version"]
    return Shown(shown)


def show_product(product: Product, stock: StockItem) -> Shown[ProductResponse]:
    """Returns a product as customers see it."""
    return Shown(_shared_fields(product, stock))


def show_managed_product(product: Product, stock: StockItem) -> Shown[ManagedProductResponse]:
    """Returns a product as managers and admins see it."""
    return Shown(_managed_fields(product, stock))


def managed_product_response(product: Product, stock: StockItem) -> ManagedProductResponse:
    """Returns a product as events show it."""
    return ManagedProductResponse(**_managed_fields(product, stock))


def _managed_fields(product: Product, stock: StockItem) -> dict[str, Any]:
    return {
        **_shared_fields(product, stock),
        "reserved": stock.reserved,
        "on_hand": stock.available + stock.reserved,
        "low_stock_threshold": stock.low_stock_threshold,
        "shards": stock.shard_count,
        "stock_version": stock.version,
    }


def _shared_fields(product: Product, stock: StockItem) -> dict[str, Any]:
    # Access by PynamoDB's attributes takes ten times as long, which lists notice.
    values = product.attribute_values
    return {
        "id": values["id"],
        "sku": values["sku"],
        "name": values["name"],
        "description": values.get("description"),
        "category": values["category"],
        "price": to_text(values["price"]),
        "currency": settings().currency,
        "attributes": values["attributes"],
        "status": values["status"],
        "available": stock.attribute_values["available"],
        "created_at": values["created_at"],
        "updated_at": values["updated_at"],
        "version": values["version"],
    }
