"""Events about products."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from oms.core.dynamodb import Key, batch_get_raw
from oms.events.envelope import Event, EventActor, event_id
from oms.events.streams import Change, RawItem
from oms.inventory import shards
from oms.inventory.models import Product, StockItem
from oms.inventory.schemas import ManagedProductResponse
from oms.inventory.views import managed_product_response

PAYLOADS = dict.fromkeys(("product.created", "product.updated", "product.archived"), ManagedProductResponse)


@dataclass(frozen=True)
class ProductEventDraft:
    """A product event without the product's stock, which is stored in another item."""

    type: str
    product: Product

    @property
    def product_id(self) -> str:
        return self.product.id

    def event(self, stock: Mapping[Key, RawItem]) -> Event[ManagedProductResponse]:
        """Returns the complete event, with the stock items by key.

        Raises LookupError for a product without stock, and the errors of decoding and validation.
        """
        product = self.product
        stored = StockItem.from_raw_data(stock[StockItem.key(product.id)])
        event = Event(
            id=event_id(self.type, product.updated_at, product.pk, product.version),
            type=self.type,
            occurred_at=product.updated_at,
            sequence=product.version,
            actor=EventActor(id=product.updated_by, role=product.updated_by_role),
            data=managed_product_response(product, stored),
        )
        # Only attributes can make an event too large: fifty names and values of 500 characters each.
        return event.with_empty("attributes", {}) if event.is_too_large else event


def events_from_change(change: Change) -> list[ProductEventDraft]:
    """Returns the events of a change of a product."""
    if change.new is None or change.keys["sk"]["S"] != Product.key("")[1]:
        return []
    product = Product.from_raw_data(change.new)
    if change.old is None:
        return [ProductEventDraft("product.created", product)]
    old = Product.from_raw_data(change.old)
    if old.version == product.version:
        return []
    is_archived = (old.status, product.status) == ("active", "archived")
    return [ProductEventDraft("product.archived" if is_archived else "product.updated", product)]


def read_stock(product_ids: Iterable[str]) -> dict[Key, RawItem]:
    """Returns the current stock items of these products by key, with the units of all shards.

    They are read by one BatchGet, and the shards by another.
    """
    keys = [StockItem.key(product_id) for product_id in product_ids]
    found = batch_get_raw(StockItem, keys) if keys else {}
    shards.add_up_raw(found.values())
    return found
