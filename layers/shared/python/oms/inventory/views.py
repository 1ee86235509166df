"""The API's views of a product: for customers, and with all its stock for managers and admins."""

from typing import Any

from oms.core.money import to_text
from oms.core.settings import settings
from oms.inventory.models import Product, StockItem
from oms.inventory.schemas import ManagedProductResponse, ProductResponse


def product_response(product: Product, stock: StockItem) -> ProductResponse:
    """A product as customers see it."""
    return ProductResponse(**_shared_fields(product, stock))


def managed_product_response(product: Product, stock: StockItem) -> ManagedProductResponse:
    return ManagedProductResponse(
        **_shared_fields(product, stock),
        reserved=stock.reserved,
        on_hand=stock.available + stock.reserved,
        low_stock_threshold=stock.low_stock_threshold,
    )


def _shared_fields(product: Product, stock: StockItem) -> dict[str, Any]:
    return {
        "id": product.id,
        "sku": product.sku,
        "name": product.name,
        "description": product.description,
        "category": product.category,
        "price": to_text(product.price),
        "currency": settings().currency,
        "attributes": product.attributes,
        "status": product.status,
        "available": stock.available,
        "version": product.version,
        "created_at": product.created_at,
        "updated_at": product.updated_at,
    }
