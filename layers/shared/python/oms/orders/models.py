"""The items of the orders table. Each order is one item that contains its lines and its history."""

from typing import Any

from pynamodb.attributes import BooleanAttribute, ListAttribute, UnicodeAttribute

from oms.core.dynamodb import EmbeddedItem, IntegerAttribute, JsonAttribute, StoredItem
from oms.core.pages import Index
from oms.core.settings import settings

BY_CUSTOMER = Index(settings().orders_table, "by_customer", "customer_id", "created_key")
BY_CREATED = Index(settings().orders_table, "by_created", "shard", "created_key")
# The index and its attribute are named for the open orders, which they listed alone in earlier versions.
BY_STATUS = Index(settings().orders_table, "open", "open_shard", "created_key")
BY_CUSTOMER_STATUS = Index(settings().orders_table, "by_customer_status", "customer_status", "created_key")


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
    """One transition of an order, or an edit: `changed` names its fields, and the status stays as it is.

    `restocked` is set for a return: whether its units can be sold again.

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
    changed = JsonAttribute(null=True)
    key = UnicodeAttribute()
    request_hash = UnicodeAttribute()

    @property
    def is_edit(self) -> bool:
        return self.changed is not None


class Shipment(EmbeddedItem):
    carrier = UnicodeAttribute()
    tracking_number = UnicodeAttribute()
    tracking_url = UnicodeAttribute(null=True)
    shipped_at = UnicodeAttribute()


class ExternalRef(EmbeddedItem):
    """The order's id in another system."""

    channel = UnicodeAttribute()
    id = UnicodeAttribute()


class Order(StoredItem):
    """An order, which is its own idempotency record. `version` counts the entries of the history.

    The customer has an account, `customer_id`, or only a `contact`. The first history entry names who sent the order.
    A higher `token_counter` revokes the order tokens of earlier ones.

    `status_shard` and `customer_status` are the partitions of `status_keys`. Orders that an earlier version stored lack
    them until `make index-orders` has added them. `expires_at` is set while the order is pending.
    """

    class Meta:
        table_name = settings().orders_table

    id = UnicodeAttribute(hash_key=True)
    number = UnicodeAttribute()
    customer_id = UnicodeAttribute(null=True)
    contact = JsonAttribute(null=True)
    external_ref = ExternalRef(null=True)
    token_counter = IntegerAttribute(default=0)
    status = UnicodeAttribute()
    lines = ListAttribute(of=OrderLine)
    subtotal = IntegerAttribute()
    shipping_cost = IntegerAttribute()
    total = IntegerAttribute()
    currency = UnicodeAttribute()
    shipping_address = JsonAttribute(null=True)
    billing_address = JsonAttribute(null=True)
    note = UnicodeAttribute(null=True)
    purchase_order = UnicodeAttribute(null=True)
    metadata = JsonAttribute(null=True)
    tags = JsonAttribute(null=True)
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
    status_shard = UnicodeAttribute(attr_name=BY_STATUS.partition_key, null=True)
    customer_status = UnicodeAttribute(null=True)

    def entry(self, key: str) -> HistoryEntry | None:
        """Returns the transition or edit that the request with this key caused."""
        return next((entry for entry in self.history if entry.key == key), None)


def created_shard(number: int) -> str:
    return f"all#{number}"


def status_shard(status: str, number: int) -> str:
    return f"{status}#{number}"


def customer_status(customer_id: str, status: str) -> str:
    return f"{customer_id}#{status}"


def status_keys(*, customer_id: str | None, status: str, shard: int) -> dict[str, Any]:
    """Returns an order's partitions in the indexes by status, as attributes of the order. One without an account is not
    in the index by customer.

    Each write that changes the status or the customer must set them.
    """
    return {
        "status_shard": status_shard(status, shard),
        "customer_status": customer_status(customer_id, status) if customer_id is not None else None,
    }


def shard_number(order: Order) -> int:
    return int(order.shard.rpartition("#")[2])
