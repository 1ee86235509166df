"""The items of the inventory table.

Keys: `product#P`/`product`, `stock#P#<shard>`/`stock`, `adjustment#A`/`adjustment`, `sku#<folded>`/`claim`,
`snapshot#P#<number>`/`snapshot`, `categories`/<name>. The items of the stock ledger are in `oms.stock_ledger.models`.
"""

from unicodedata import normalize

from pynamodb.attributes import DiscriminatorAttribute, ListAttribute, UnicodeAttribute

from oms.core.dynamodb import EmbeddedItem, IntegerAttribute, JsonAttribute, StoredItem
from oms.core.pages import LOWEST, Index
from oms.core.settings import settings


def _index(name: str, partition_key: str, sort_key: str) -> Index:
    return Index(settings().inventory_table, name, partition_key, sort_key)


BY_NAME = _index("by_name", "listing", "name_key")
BY_SKU = _index("by_sku", "listing", "sku_key")
BY_PRICE = _index("by_price", "listing", "price_key")
BY_CREATED = _index("by_created", "listing", "created_key")
CATEGORY_BY_NAME = _index("category_by_name", "listing_category", "name_key")
CATEGORY_BY_PRICE = _index("category_by_price", "listing_category", "price_key")
CATEGORY_BY_CREATED = _index("category_by_created", "listing_category", "created_key")

# The role in items that were written before they stored the writer's role.
UNKNOWN_ROLE = "system"


class InventoryItem(StoredItem):
    class Meta:
        table_name = settings().inventory_table

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = DiscriminatorAttribute()


class Product(InventoryItem, discriminator="product"):
    """A product's fields, and its keys in lists. `version` counts edits; `change` is the id of the latest edit."""

    id = UnicodeAttribute()
    sku = UnicodeAttribute()
    name = UnicodeAttribute()
    description = UnicodeAttribute(null=True)
    category = UnicodeAttribute()
    price = IntegerAttribute()
    attributes = JsonAttribute(default=dict)
    status = UnicodeAttribute()
    version = IntegerAttribute()
    created_at = UnicodeAttribute()
    updated_at = UnicodeAttribute()
    created_by = UnicodeAttribute()
    updated_by = UnicodeAttribute()
    updated_by_role = UnicodeAttribute(default=UNKNOWN_ROLE)
    change = UnicodeAttribute()
    request_hash = UnicodeAttribute()
    listing = UnicodeAttribute()
    listing_category = UnicodeAttribute()
    name_key = UnicodeAttribute()
    sku_key = UnicodeAttribute()
    price_key = UnicodeAttribute()
    created_key = UnicodeAttribute()

    @staticmethod
    def key(product_id: str) -> tuple[str, str]:
        return f"product#{product_id}", "product"

    def place(self) -> "Product":
        """Sets the keys of the table and its indexes from the other attributes. Returns the product."""
        self.pk, self.sk = self.key(self.id)
        self.listing = self.status
        self.listing_category = category_listing(self.status, self.category)
        # The lowest character separates text and id, so that "Hammer" comes before "Hammer Pro".
        self.name_key = f"{name_prefix(self.name)}{LOWEST}{self.id}"
        self.sku_key = f"{self.sku.casefold()}{LOWEST}{self.id}"
        self.price_key = f"{price_prefix(self.price)}#{self.id}"
        self.created_key = f"{self.created_at}#{self.id}"
        return self


def category_listing(status: str, category: str) -> str:
    return f"{status}#{category}"


def name_prefix(name: str) -> str:
    """Returns the case-folded name (NFKC), cut to 800 bytes: a sort key, which also has the id, may have 1,024."""
    return normalize("NFKC", name).casefold().encode()[:800].decode(errors="ignore")


def price_prefix(minor_units: int) -> str:
    """Returns the amount with leading zeros, so that the text sorts by amount."""
    return f"{minor_units:013d}"


class Cause(EmbeddedItem):
    """The cause of the latest stock change, which the bookkeeper copies into the next movement."""

    cause = UnicodeAttribute()
    actor = UnicodeAttribute()
    actor_role = UnicodeAttribute(default=UNKNOWN_ROLE)
    ref = UnicodeAttribute()
    ref_version = IntegerAttribute()
    at = UnicodeAttribute()


class Edit(EmbeddedItem):
    """The actor and time of the latest edit of the product."""

    actor = UnicodeAttribute()
    actor_role = UnicodeAttribute()
    at = UnicodeAttribute()


class StockItem(InventoryItem, discriminator="stock"):
    """The units of a product, and the offer with which orders are priced.

    Invariants:
    - `available` and `reserved` are never negative. A write that changes them adds 1 to `version` and sets `last`.
    - A write that changes name, category, price or status adds 1 to `offer`, and leaves `version` and `last`.
    - An edit of the product, which may change the threshold, adds 1 to `edits` and sets `edited`. So the sum of
      `version` and `edits` orders all changes of the stock level.
    - `opening`, the units at the creation, never changes.

    `category` is empty in older items until the next edit of the product.

    The key ends in a shard number. Each product has shard 0; a busy product has more: see `oms.inventory.shards`. The
    threshold, the edits and the next three attributes are those of the product, so only shard 0 has them:
    - `shards` is the number of shards from which orders draw first. It is absent for 1.
    - `shards_created` is the number of stored shards, which never falls. It is absent for 1.
    - `unsharded_version` is the version at which the product got its second shard.
    `moves` counts the moves of units from and to this shard.
    """

    product_id = UnicodeAttribute()
    sku = UnicodeAttribute()
    name = UnicodeAttribute()
    category = UnicodeAttribute(default="")
    price = IntegerAttribute()
    status = UnicodeAttribute()
    offer = IntegerAttribute()
    available = IntegerAttribute()
    reserved = IntegerAttribute()
    opening = IntegerAttribute()
    low_stock_threshold = IntegerAttribute(null=True)
    version = IntegerAttribute()
    last = Cause()
    edits = IntegerAttribute(default=0)
    edited = Edit(null=True)
    shards = IntegerAttribute(null=True)
    shards_created = IntegerAttribute(null=True)
    unsharded_version = IntegerAttribute(null=True)
    moves = IntegerAttribute(null=True)

    @staticmethod
    def key(product_id: str, shard: int = 0) -> tuple[str, str]:
        return f"stock#{product_id}#{shard}", "stock"

    @property
    def shard(self) -> int:
        return shard_of_key(self.pk)

    @property
    def shard_count(self) -> int:
        """The number of shards from which orders draw first."""
        return self.shards or 1

    @property
    def item_count(self) -> int:
        """The number of stored shards."""
        return self.shards_created or 1

    @property
    def is_sharded(self) -> bool:
        """Whether the product has several shards. True for each of them."""
        return self.item_count > 1 or self.shard > 0


def shard_of_key(stock: str) -> int:
    """Returns the shard number in the partition key of a stock item."""
    return int(stock.rpartition("#")[2])


class ShardUnits(EmbeddedItem):
    """The units that a change adds to one shard; negative if it removes them."""

    shard = IntegerAttribute()
    units = IntegerAttribute()


class Adjustment(InventoryItem, discriminator="adjustment"):
    """A change of stock by a manager, a repair or a change of shards, written with the stock items. `adjustment`
    changes the available units.

    Only a repair has `reserved`. `parts` are the changed shards of a product with several shards; the units of all
    parts add up to `adjustment`. Only such an adjustment has `actor_role`. A count that agrees with the stock changes
    no stock item, so it has an empty list of parts. `cause` is set if it is neither an adjustment nor a repair.
    `listing` and `created_key` put the adjustment into the index of products by creation, in a partition for each
    product.
    """

    id = UnicodeAttribute()
    product_id = UnicodeAttribute()
    adjustment = IntegerAttribute()
    reserved = IntegerAttribute(null=True)
    parts = ListAttribute(of=ShardUnits, null=True)
    cause = UnicodeAttribute(null=True)
    actor_role = UnicodeAttribute(null=True)
    reason = UnicodeAttribute()
    actor = UnicodeAttribute()
    at = UnicodeAttribute()
    request_hash = UnicodeAttribute()
    listing = UnicodeAttribute()
    created_key = UnicodeAttribute()

    @staticmethod
    def key(adjustment_id: str) -> tuple[str, str]:
        return f"adjustment#{adjustment_id}", "adjustment"

    def place(self) -> "Adjustment":
        self.pk, self.sk = self.key(self.id)
        self.listing = adjustments_of(self.product_id)
        self.created_key = f"{self.at}#{self.id}"
        return self


def adjustments_of(product_id: str) -> str:
    """Returns the partition of the index by creation that lists a product's adjustments."""
    return f"adjustments#{product_id}"


class ShardSnapshot(InventoryItem, discriminator="snapshot"):
    """The latest snapshot of a product's shards, in one of several independent items: see
    `oms.inventory.shard_snapshots`.

    `started` counts the snapshots that were begun. `number` is that of the stored `content`; it is 0 before the first.
    `begun_by` is a random id of the snapshot in progress.
    """

    started = IntegerAttribute()
    number = IntegerAttribute()
    begun_by = UnicodeAttribute(null=True)
    content = JsonAttribute(null=True)

    @staticmethod
    def key(product_id: str, item: int) -> tuple[str, str]:
        return f"snapshot#{product_id}#{item}", "snapshot"


class SkuClaim(InventoryItem, discriminator="sku"):
    """The uniqueness claim on a SKU."""

    product_id = UnicodeAttribute()

    @staticmethod
    def key(sku: str) -> tuple[str, str]:
        return f"sku#{sku.casefold()}", "claim"


class Category(InventoryItem, discriminator="category"):
    """The number of active products of a category; the name is the sort key."""

    products = IntegerAttribute()

    @staticmethod
    def key(name: str) -> tuple[str, str]:
        return "categories", name
