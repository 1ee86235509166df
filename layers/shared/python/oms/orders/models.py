"""The items of the orders table. Each order is one item that contains its lines and its history."""

from pynamodb.attributes import BooleanAttribute, ListAttribute, UnicodeAttribute

from oms.core.dynamodb import EmbeddedItem, IntegerAttribute, JsonAttribute, StoredItem
from oms.core.pages import Index
from oms.core.settings import settings
from oms.orders.states import OPEN, OrderStatus

BY_CUSTOMER = Index(settings().orders_table, "by_customer", "customer_id", "created_key")
BY_CREATED = Index(settings().orders_table, "by_created", "shard", "created_key")
OPEN_ORDERS = Index(settings().orders_table, "open", "open_shard", "created_key")


class Allocation(EmbeddedItem):
    """The units that a line takes from one shard of the product's stock."""

    shard = IntegerAttribute()
    quantity = IntegerAttribute()


class OrderLine(EmbeddedItem):
    """A product of an order, at the offer with which it was ordered. Amounts are in minor units.

    `category` is empty in orders that are older than the attribute.
    """

    product_id = UnicodeAttribute()
    sku = UnicodeAttribute()
    name = UnicodeAttribute()
    category = UnicodeAttribute(default="")
    quantity = IntegerAttribute()
    unit_price = IntegerAttribute()
    drawn = ListAttribute(of=Allocation)


class HistoryEntry(EmbeddedItem):
    """One transition of an order. `restocked` is set for a return: whether its units can be sold again.

    `key` is a hash of user, route and idempotency key, or random without an idempotency key. It identifies a repeated
    request. `request_hash` shows whether the repeated request has the same content.
    """

    from_ = UnicodeAttribute(attr_name="from", null=True)
    to = UnicodeAttribute()
    at = UnicodeAttribute()
    actor_id = UnicodeAttribute()
    actor_role = UnicodeAttribute()
    reason = UnicodeAttribute(null=True)
    restocked = BooleanAttribute(null=True)
    key = UnicodeAttribute()
    request_hash = UnicodeAttribute()


class Shipment(EmbeddedItem):
    carrier = UnicodeAttribute()
    tracking_number = UnicodeAttribute()
    tracking_url = UnicodeAttribute(null=True)
    shipped_at = UnicodeAttribute()


class Order(StoredItem):
    """An order, which is its own idempotency record. `version` counts the transitions, the creation included.

    `open_shard` (`pending#s`, `confirmed#s`) is set while the order reserves stock, `expires_at` while it is pending.
    """

    class Meta:
        table_name = settings().orders_table

    id = UnicodeAttribute(hash_key=True)
    number = UnicodeAttribute()
    customer_id = UnicodeAttribute()
    status = UnicodeAttribute()
    lines = ListAttribute(of=OrderLine)
    subtotal = IntegerAttribute()
    shipping_cost = IntegerAttribute()
    total = IntegerAttribute()
    currency = UnicodeAttribute()
    shipping_address = JsonAttribute(null=True)
    note = UnicodeAttribute(null=True)
    created_at = UnicodeAttribute()
    updated_at = UnicodeAttribute()
    expires_at = UnicodeAttribute(null=True)
    version = IntegerAttribute()
    shipment = Shipment(null=True)
    cancel_reason = UnicodeAttribute(null=True)
    history = ListAttribute(of=HistoryEntry)
    request_hash = UnicodeAttribute()
    created_key = UnicodeAttribute()
    shard = UnicodeAttribute()
    open_shard = UnicodeAttribute(null=True)

    def entry(self, key: str) -> HistoryEntry | None:
        """Returns the transition that the request with this key caused."""
        return next((entry for entry in self.history if entry.key == key), None)


def created_shard(number: int) -> str:
    return f"all#{number}"


def open_shard(status: str, number: int) -> str | None:
    """Returns the partition of an order in the index of open orders; None for an order that is not open."""
    return f"{status}#{number}" if OrderStatus(status) in OPEN else None


def shard_number(order: Order) -> int:
    return int(order.shard.rpartition("#")[2])
