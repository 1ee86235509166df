"""The events about products."""

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
class ProductEventDraft:
    """A product event without the product's stock, which is stored in another item."""

    type: str
    product: Product

    def event(self, stock: Mapping[Key, RawItem]) -> Event[ManagedProductResponse]:
        """The complete event, with the stock items by key.

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
        # Only attributes can make it so large: fifty names and values, of 500 characters each.
        return event.emptied("attributes", {}) if event.is_too_large else event


def events_from_change(change: Change) -> list[ProductEventDraft]:
    """The events of a change of a product."""
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


def read_stock(drafts: Iterable[ProductEventDraft]) -> dict[Key, RawItem]:
    """The current stock items of these products by key, read by one BatchGet."""
    keys = [StockItem.key(draft.product.id) for draft in drafts]
    return batch_get_raw(StockItem, keys) if keys else {}
