"""What other systems learn of products."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from oms.core.dynamodb import Key, batch_get_raw
from oms.events.envelope import Event, EventActor, event_id
from oms.events.streams import Change, RawItem
from oms.inventory.models import Product, StockItem
from oms.inventory.schemas import ManagedProductResponse
from oms.inventory.views import managed_product_response

PAYLOADS = dict.fromkeys(("product.created", "product.updated", "product.archived"), ManagedProductResponse)


@dataclass(frozen=True)
class ProductChanged:
    """A product event that lacks the product's stock, which stands in an item of its own."""

    type: str
    product: Product

    def event(self, stock: Mapping[Key, RawItem]) -> Event[ManagedProductResponse]:
        """Complete. Raises LookupError for a product without stock, and whatever decoding and validation do."""
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
        # The only ones that a request of 256 KB can make so large: fifty names and values, of 500 characters each.
        return event.emptied("attributes", {}) if event.is_too_large else event


def events_of(change: Change) -> list[ProductChanged]:
    """The events of a change of a product."""
    if change.new is None or change.keys["sk"]["S"] != Product.key("")[1]:
        return []
    product = Product.from_raw_data(change.new)
    if change.old is None:
        return [ProductChanged("product.created", product)]
    old = Product.from_raw_data(change.old)
    if old.version == product.version:
        return []
    archived = (old.status, product.status) == ("active", "archived")
    return [ProductChanged("product.archived" if archived else "product.updated", product)]


def stock_of(changed: Iterable[ProductChanged]) -> dict[Key, RawItem]:
    """The stock items of these products as they are now, by key: one BatchGet for all of them."""
    keys = [StockItem.key(it.product.id) for it in changed]
    return batch_get_raw(StockItem, keys) if keys else {}
