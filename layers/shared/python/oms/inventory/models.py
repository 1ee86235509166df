"""What the inventory table holds. Keys: `product#P`/`product`, `stock#P#0`/`stock`, `adjustment#A`/`adjustment`,
`sku#<folded>`/`claim`, `categories`/<name>. The stock ledger has items here too: see `oms.stock_ledger.models`."""

from unicodedata import normalize

from pynamodb.attributes import DiscriminatorAttribute, UnicodeAttribute

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

# What items say that were written before the role of who writes was kept.
UNKNOWN_ROLE = "system"


class InventoryItem(StoredItem):
    class Meta:
        table_name = settings().inventory_table

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = DiscriminatorAttribute()


class Product(InventoryItem, discriminator="product"):
    """A product's text and its place in the lists. `version` counts edits; `change` names the request that wrote it."""

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
        """Sets the keys under which the lists find it, from its other attributes."""
        self.pk, self.sk = self.key(self.id)
        self.listing = self.status
        self.listing_category = category_listing(self.status, self.category)
        # The least character between text and id, so that "Hammer" comes before "Hammer Pro".
        self.name_key = f"{name_prefix(self.name)}{LOWEST}{self.id}"
        self.sku_key = f"{self.sku.casefold()}{LOWEST}{self.id}"
        self.price_key = f"{price_prefix(self.price)}#{self.id}"
        self.created_key = f"{self.created_at}#{self.id}"
        return self


def category_listing(status: str, category: str) -> str:
    return f"{status}#{category}"


def name_prefix(name: str) -> str:
    """The case-folded name (NFKC), cut to what a sort key of 1,024 bytes can hold beside the id."""
    return normalize("NFKC", name).casefold().encode()[:800].decode(errors="ignore")


def price_prefix(minor_units: int) -> str:
    """Zero-padded, so that text sorts as the amounts do."""
    return f"{minor_units:013d}"


class Cause(EmbeddedItem):
    """Why the stock last moved: what the stock book's next entry will say."""

    cause = UnicodeAttribute()
    actor = UnicodeAttribute()
    actor_role = UnicodeAttribute(default=UNKNOWN_ROLE)
    ref = UnicodeAttribute()
    ref_version = IntegerAttribute()
    at = UnicodeAttribute()


class Edit(EmbeddedItem):
    """Who last edited the product, and when."""

    actor = UnicodeAttribute()
    actor_role = UnicodeAttribute()
    at = UnicodeAttribute()


class StockItem(InventoryItem, discriminator="stock"):
    """The units of a product, and the offer that orders are computed with.

    Invariants: `available` and `reserved` are never negative; every write that moves them adds 1 to `version` and sets
    `last`; every write that changes sku, name, category, price or status adds 1 to `offer` and leaves `version` and
    `last`. Each edit of the product, which may change the threshold, adds 1 to `edits` and sets `edited`: so `version`
    and `edits` together number all that can take the stock into another band.
    `opening` is what the product was created with, and stays. `category` is empty until the first edit on items from
    before it was kept.
    The key ends in a shard number, so that a hot product can be spread later without a migration.
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

    @staticmethod
    def key(product_id: str, shard: int = 0) -> tuple[str, str]:
        return f"stock#{product_id}#{shard}", "stock"


class Adjustment(InventoryItem, discriminator="adjustment"):
    """A manager's correction of stock, written with the movement it makes; `adjustment` are the available units.

    A repair is one too: it alone has `reserved`. `listing` and `created_key` place it in the index of products by
    creation, in a partition of its product's own.
    """

    id = UnicodeAttribute()
    product_id = UnicodeAttribute()
    adjustment = IntegerAttribute()
    reserved = IntegerAttribute(null=True)
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
    """The partition of the index by creation that lists a product's adjustments."""
    return f"adjustments#{product_id}"


class SkuClaim(InventoryItem, discriminator="sku"):
    """Makes a SKU unique: whoever puts it first has it."""

    product_id = UnicodeAttribute()

    @staticmethod
    def key(sku: str) -> tuple[str, str]:
        return f"sku#{sku.casefold()}", "claim"


class Category(InventoryItem, discriminator="category"):
    """How many active products a category has; the name is the sort key."""

    products = IntegerAttribute()

    @staticmethod
    def key(name: str) -> tuple[str, str]:
        return "categories", name
