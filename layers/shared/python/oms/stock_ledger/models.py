"""The stock ledger's items in the inventory table.

Keys of a stock item: `stock#P#<shard>`/`movement#<version>`, `…/crossing#<sequence>`, `…/balance`,
`…/balance#repaired`. Key of a product with several shards: `level#P`/`level`.
Keys of the stock check: `stock-check`/`run`, `…/progress#<run>#<step>#<chunk>`, `…/drift#<run>#<product>`.
"""

from pynamodb.attributes import BinaryAttribute, BooleanAttribute, DiscriminatorAttribute, UnicodeAttribute

from oms.core.dynamodb import IntegerAttribute, JsonAttribute, StoredItem
from oms.core.settings import settings


class LedgerItem(StoredItem):
    class Meta:
        table_name = settings().inventory_table

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = DiscriminatorAttribute()


class Movement(LedgerItem, discriminator="movement"):
    """The change of units that created this `version` of a stock item, with its cause.

    The bookkeeper writes it once, from the stream. `crossing` is set if the movement changed the stock level. If the
    product has several shards, `listing` and `created_key` put it into the index by creation, in a partition for each
    shard, so that the movements of all shards can be listed by time.
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
    listing = UnicodeAttribute(null=True)
    created_key = UnicodeAttribute(null=True)

    @staticmethod
    def sort_key(version: int) -> str:
        return f"{MOVEMENTS}{version:012d}"

    @property
    def shard(self) -> int:
        return int(self.pk.rpartition("#")[2])

    def list_by_time(self, product_id: str) -> "Movement":
        """Puts the movement into the index by creation. Returns it."""
        self.listing = movements_of(product_id, self.shard)
        self.created_key = f"{self.at}#{self.shard:03d}#{self.version:012d}"
        return self


def movements_of(product_id: str, shard: int) -> str:
    """Returns the partition of the index by creation that lists the movements of a shard."""
    return f"movements#{product_id}#{shard}"


MOVEMENTS = "movement#"


class Crossing(LedgerItem, discriminator="crossing"):
    """A change of the stock level without a movement, by an edit of the low-stock threshold."""

    at = UnicodeAttribute()
    crossing = UnicodeAttribute()
    sequence = UnicodeAttribute()

    @staticmethod
    def sort_key(sequence: str) -> str:
        """Returns the sort key. `sequence` is the stream's sequence number, of at most 40 digits."""
        return f"crossing#{sequence.zfill(40)}"


class ProductLevel(LedgerItem, discriminator="level"):
    """The stock level of a product with several shards, as it was found last, with the units of all shards together.

    `version` counts its changes. `by`, `by_role` and `at` are of the stock change after which the level was found.
    `stock_version` is the sum of the shards' versions, and `edits` is the product's.
    """

    product_id = UnicodeAttribute()
    sku = UnicodeAttribute()
    name = UnicodeAttribute()
    status = UnicodeAttribute()
    level = UnicodeAttribute()
    available = IntegerAttribute()
    reserved = IntegerAttribute()
    low_stock_threshold = IntegerAttribute(null=True)
    stock_version = IntegerAttribute()
    edits = IntegerAttribute()
    version = IntegerAttribute()
    by = UnicodeAttribute()
    by_role = UnicodeAttribute()
    at = UnicodeAttribute()

    @staticmethod
    def key(product_id: str) -> tuple[str, str]:
        return f"level#{product_id}", "level"


class ClosedBalance(LedgerItem, discriminator="balance"):
    """A stored `reconciliation.Balance`. A stock item has its newest balance, and that of its last repair for full
    checks.
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
# No other sort key is between these prefixes, so a query from DRIFTS to the end of PROGRESS reads both, without the
# run.
DRIFTS = "drift#"
PROGRESS = "progress#"


class CheckRun(LedgerItem, discriminator="check-run"):
    """The last stock check, running or finished. The next run replaces it.

    A worker may continue the run if it knows `step` and no other worker has a valid lease. `cut` is the end of the
    compared time. `chunks` is the number of progress items.
    """

    id = UnicodeAttribute()
    status = UnicodeAttribute()
    full = BooleanAttribute()
    cut = UnicodeAttribute()
    started_at = UnicodeAttribute()
    finished_at = UnicodeAttribute(null=True)
    step = IntegerAttribute(default=0)
    worker = UnicodeAttribute(null=True)
    lease_until = UnicodeAttribute()
    chunks = IntegerAttribute(default=0)
    products = IntegerAttribute(default=0)
    orders = IntegerAttribute(default=0)
    unsettled = IntegerAttribute(default=0)
    drifted = IntegerAttribute(default=0)

    @staticmethod
    def key() -> tuple[str, str]:
        return CHECKS, "run"


class CheckProgress(LedgerItem, discriminator="check-progress"):
    """One chunk of the progress with which a step of a run starts."""

    data = BinaryAttribute(legacy_encoding=False)

    @staticmethod
    def key(run_id: str, step: int, number: int) -> tuple[str, str]:
        return CHECKS, f"{PROGRESS}{run_id}#{step:06d}#{number:06d}"


class ProductDrift(LedgerItem, discriminator="drift"):
    """The findings of a run about one shard of a product, absent for shard 0.

    `findings` has the first 50 as JSON; `found` is the total number.
    """

    run_id = UnicodeAttribute()
    product_id = UnicodeAttribute()
    shard = IntegerAttribute(null=True)
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
    def key(run_id: str, product_id: str, shard: int = 0) -> tuple[str, str]:
        return CHECKS, f"{drift_prefix(run_id)}{product_id}{f'#{shard}' if shard else ''}"


def drift_prefix(run_id: str) -> str:
    return f"{DRIFTS}{run_id}#"
