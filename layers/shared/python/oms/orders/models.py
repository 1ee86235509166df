"""What the orders table holds: one order is one item, its lines and history embedded."""

from pynamodb.attributes import BooleanAttribute, ListAttribute, UnicodeAttribute

from oms.core.dynamodb import EmbeddedItem, IntegerAttribute, JsonAttribute, StoredItem
from oms.core.pages import Index
from oms.core.settings import settings
from oms.orders.states import OPEN, OrderStatus

BY_CUSTOMER = Index(settings().orders_table, "by_customer", "customer_id", "created_key")
BY_CREATED = Index(settings().orders_table, "by_created", "shard", "created_key")
OPEN_ORDERS = Index(settings().orders_table, "open", "open_shard", "created_key")


class Allocation(EmbeddedItem):
    """How many units of a line were drawn from which shard of the product's stock."""

    shard = IntegerAttribute()
    quantity = IntegerAttribute()


class OrderLine(EmbeddedItem):
    """What was ordered, at the offer of that moment. Amounts in minor units.

    `category` is empty on lines from before it was kept.
    """

    product_id = UnicodeAttribute()
    sku = UnicodeAttribute()
    name = UnicodeAttribute()
    category = UnicodeAttribute(default="")
    quantity = IntegerAttribute()
    unit_price = IntegerAttribute()
    drawn = ListAttribute(of=Allocation)


class HistoryEntry(EmbeddedItem):
    """One transition. `restocked` is set on a return: whether its units went back on sale.

    `key` is a hash of user, route and idempotency key (or random without one), so that the request
    that made it can be told when it comes again; `request_hash` tells whether it still says the same.
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
    """An order, and its own idempotency record. `version` counts transitions, the creation being 1.

    `open_shard` (`pending#s`, `confirmed#s`) is there while the order holds stock; `expires_at` while it is pending.
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
        """The transition that the request with this key made."""
        return next((entry for entry in self.history if entry.key == key), None)


def created_shard(number: int) -> str:
    return f"all#{number}"


def open_shard(status: str, number: int) -> str | None:
    """Where an order of this status stands in the index of open orders, if it does."""
    return f"{status}#{number}" if OrderStatus(status) in OPEN else None


def shard_number(order: Order) -> int:
    return int(order.shard.rpartition("#")[2])
