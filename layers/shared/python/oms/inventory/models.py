"""What the inventory table holds. Keys: `product#P`/`product`, `stock#P#0`/`stock`, `adjustment#A`/`adjustment`,
`sku#<folded>`/`claim`, `categories`/<name>; the stock book `stock#P#0`/`movement#<version>`, `…/crossing#…` and
`…/balance`; its check `stock-check`/`run`, `…/progress#…` and `…/drift#…`."""

from unicodedata import normalize

from pynamodb.attributes import BinaryAttribute, BooleanAttribute, DiscriminatorAttribute, UnicodeAttribute

from oms.dynamodb import EmbeddedItem, IntegerAttribute, JsonAttribute, StoredItem
from oms.pages import LOWEST, Index
from oms.settings import settings


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


class Movement(InventoryItem, discriminator="movement"):
    """One line of the stock book: what the write that made this `version` of a stock item did to its units, and why.

    Written once, from the stream, never changed. `crossing` is set when it took `available` into another band.
    """

    version = IntegerAttribute()
    at = UnicodeAttribute()
    cause = UnicodeAttribute()
    actor = UnicodeAttribute()
    ref = UnicodeAttribute()
    ref_version = IntegerAttribute()
    available_before = IntegerAttribute()
    available_after = IntegerAttribute()
    reserved_before = IntegerAttribute()
    reserved_after = IntegerAttribute()
    crossing = UnicodeAttribute(null=True)

    @staticmethod
    def sort_key(version: int) -> str:
        return f"{MOVEMENTS}{version:012d}"


MOVEMENTS = "movement#"


class Crossing(InventoryItem, discriminator="crossing"):
    """The band of a stock item changed without a movement: its low-stock threshold was edited."""

    at = UnicodeAttribute()
    crossing = UnicodeAttribute()
    sequence = UnicodeAttribute()

    @staticmethod
    def sort_key(sequence: str) -> str:
        """`sequence` is the stream's, at most 40 digits."""
        return f"crossing#{sequence.zfill(40)}"


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


class ClosedBalance(InventoryItem, discriminator="balance"):
    """Up to where a product's book was found right: see `reconciliation.Balance`.

    There are two of a stock item: the newest, and the last that a repair left, where a full check begins. Adjustments
    older than `at` were judged when the repair was made.
    """

    version = IntegerAttribute()
    available = IntegerAttribute()
    reserved = IntegerAttribute()
    digest = IntegerAttribute()
    digest_version = IntegerAttribute()
    at = UnicodeAttribute(null=True)

    NEWEST = "balance"
    REPAIRED = "balance#repaired"


CHECKS = "stock-check"
PROGRESS = "progress#"
DRIFTS = "drift#"


class CheckRun(InventoryItem, discriminator="check-run"):
    """The last check of the stock book, at work or finished; the next one takes its place.

    A worker may go on with it that knows `step` and finds no other at work (`lease_until`). `cut` divides what is
    compared from what is too new. `chunks` are the items of its progress.
    """

    id = UnicodeAttribute()
    status = UnicodeAttribute()
    full = BooleanAttribute()
    cut = UnicodeAttribute()
    started_at = UnicodeAttribute()
    finished_at = UnicodeAttribute(null=True)
    step = IntegerAttribute()
    worker = UnicodeAttribute(null=True)
    lease_until = UnicodeAttribute()
    chunks = IntegerAttribute()
    products = IntegerAttribute()
    orders = IntegerAttribute()
    unsettled = IntegerAttribute()
    drifted = IntegerAttribute()

    @staticmethod
    def key() -> tuple[str, str]:
        return CHECKS, "run"


class CheckProgress(InventoryItem, discriminator="check-progress"):
    """A piece of what a run has gathered so far, handed on from one worker to the next."""

    data = BinaryAttribute(legacy_encoding=False)

    @staticmethod
    def key(run_id: str, step: int, number: int) -> tuple[str, str]:
        return CHECKS, f"{PROGRESS}{run_id}#{step:06d}#{number:06d}"


class ProductDrift(InventoryItem, discriminator="drift"):
    """What a run found wrong about one product. `findings` are the first of them, as JSON; `found` is their number."""

    run_id = UnicodeAttribute()
    product_id = UnicodeAttribute()
    version = IntegerAttribute()
    available = IntegerAttribute()
    reserved = IntegerAttribute()
    expected_available = IntegerAttribute()
    expected_reserved = IntegerAttribute()
    findings = JsonAttribute()
    found = IntegerAttribute()
    digest = IntegerAttribute()
    digest_version = IntegerAttribute()
    repaired_at = UnicodeAttribute(null=True)
    repair = UnicodeAttribute(null=True)

    @staticmethod
    def key(run_id: str, product_id: str) -> tuple[str, str]:
        return CHECKS, f"{drifts_of(run_id)}{product_id}"


def drifts_of(run_id: str) -> str:
    """How the sort keys of a run's drifts begin."""
    return f"{DRIFTS}{run_id}#"


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
