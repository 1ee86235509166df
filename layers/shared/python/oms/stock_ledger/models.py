"""The stock ledger's items in the inventory table.

Of a stock item: `stock#P#0`/`movement#<version>`, `…/crossing#<sequence>`, `…/balance`, `…/balance#repaired`.
Of the stock check: `stock-check`/`run`, `…/progress#<run>#<step>#<chunk>`, `…/drift#<run>#<product>`.
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

    It is written once, from the stream, and never changed. `crossing` is set if it changed the stock level.
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


class Crossing(LedgerItem, discriminator="crossing"):
    """A change of the stock level without a movement, by an edit of the low-stock threshold."""

    at = UnicodeAttribute()
    crossing = UnicodeAttribute()
    sequence = UnicodeAttribute()

    @staticmethod
    def sort_key(sequence: str) -> str:
        """`sequence` is the stream's, of at most 40 digits."""
        return f"crossing#{sequence.zfill(40)}"


class ClosedBalance(LedgerItem, discriminator="balance"):
    """A stored `reconciliation.Balance`. A stock item has the newest, and that of its last repair for full checks."""

    version = IntegerAttribute()
    available = IntegerAttribute()
    reserved = IntegerAttribute()
    digest = IntegerAttribute()
    digest_version = IntegerAttribute()
    at = UnicodeAttribute(null=True)

    NEWEST = "balance"
    REPAIRED = "balance#repaired"


CHECKS = "stock-check"
# A query from DRIFTS to the end of PROGRESS reads both and not the run, as no other sort key is between them.
DRIFTS = "drift#"
PROGRESS = "progress#"


class CheckRun(LedgerItem, discriminator="check-run"):
    """The last stock check, running or finished. The next run replaces it.

    A worker may continue it if it knows `step` and no other worker's lease is valid. `cut` is the time before which the
    run compares. `chunks` is the number of progress items.
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
    """One chunk of the progress from which a step of a run starts."""

    data = BinaryAttribute(legacy_encoding=False)

    @staticmethod
    def key(run_id: str, step: int, number: int) -> tuple[str, str]:
        return CHECKS, f"{PROGRESS}{run_id}#{step:06d}#{number:06d}"


class ProductDrift(LedgerItem, discriminator="drift"):
    """The findings of a run about one product. `findings` has the first 50 as JSON; `found` is the number of all."""

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
        return CHECKS, f"{drift_prefix(run_id)}{product_id}"


def drift_prefix(run_id: str) -> str:
    return f"{DRIFTS}{run_id}#"
