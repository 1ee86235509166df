"""What the stock ledger keeps in the inventory table: `stock#P#0`/`movement#<version>`, `…/crossing#…`, `…/balance`;
of its check `stock-check`/`run`, `…/progress#…` and `…/drift#…`."""

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


class Crossing(LedgerItem, discriminator="crossing"):
    """The band of a stock item changed without a movement: its low-stock threshold was edited."""

    at = UnicodeAttribute()
    crossing = UnicodeAttribute()
    sequence = UnicodeAttribute()

    @staticmethod
    def sort_key(sequence: str) -> str:
        """`sequence` is the stream's, at most 40 digits."""
        return f"crossing#{sequence.zfill(40)}"


class ClosedBalance(LedgerItem, discriminator="balance"):
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


class CheckRun(LedgerItem, discriminator="check-run"):
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


class CheckProgress(LedgerItem, discriminator="check-progress"):
    """A piece of what a run has gathered so far, handed on from one worker to the next."""

    data = BinaryAttribute(legacy_encoding=False)

    @staticmethod
    def key(run_id: str, step: int, number: int) -> tuple[str, str]:
        return CHECKS, f"{PROGRESS}{run_id}#{step:06d}#{number:06d}"


class ProductDrift(LedgerItem, discriminator="drift"):
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
