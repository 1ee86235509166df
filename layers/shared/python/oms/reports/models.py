"""What the reports table holds: sums over days and over all time, and what each thing has in them.

`<thing>`/`applied#<chunk>`; `sales#<shard>`/<day>, `products#<day>`/<product>, `categories#<month>`/<day>#<category>,
`totals#<shard>`/<of what>; `band#<band>`/<product>. Days are UTC's, 2026-01-31; a month is 2026-01, and the days in it
are 01 to 31.
"""

from pynamodb.attributes import DiscriminatorAttribute, UnicodeAttribute

from oms.dynamodb import IntegerAttribute, JsonAttribute, StoredItem
from oms.settings import settings


class ReportItem(StoredItem):
    class Meta:
        table_name = settings().reports_table

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = DiscriminatorAttribute()


class Applied(ReportItem, discriminator="applied"):
    """What a chunk of a thing has in the sums, as of the thing's `version`: by the sums' keys, what of each attribute.

    It moves in the transaction that moves the sums, and never back.
    """

    version = IntegerAttribute()
    amounts = JsonAttribute(default=dict)

    @staticmethod
    def key(thing: str, chunk: int) -> tuple[str, str]:
        return thing, f"applied#{chunk}"


class Sum(ReportItem, discriminator="sum"):
    """Whole numbers that are added up, under names of their own: see `oms.reports.sums.amounts_in`.

    `changes` counts the transactions that touched it, so that who reads it twice knows whether anything moved between.
    """

    changes = IntegerAttribute(default=0)


STOCK_SHARDS = 4


class StockTotals(ReportItem, discriminator="stock-totals"):
    """A part of the sums over all products on sale; the sums are those of all parts. `value` in minor units."""

    products = IntegerAttribute(default=0)
    on_hand = IntegerAttribute(default=0)
    reserved = IntegerAttribute(default=0)
    value = IntegerAttribute(default=0)
    low = IntegerAttribute(default=0)
    out = IntegerAttribute(default=0)

    SUMS = ("products", "on_hand", "reserved", "value", "low", "out")

    @staticmethod
    def key(shard: int) -> tuple[str, str]:
        return f"totals#{shard}", "stock"


class ScarceProduct(ReportItem, discriminator="scarce"):
    """A product on sale of which little or nothing is available, in the partition of its band."""

    product_id = UnicodeAttribute()
    sku = UnicodeAttribute()
    name = UnicodeAttribute()
    available = IntegerAttribute()
    low_stock_threshold = IntegerAttribute(null=True)

    @staticmethod
    def partition(band: str) -> str:
        return f"band#{band}"

    @classmethod
    def key(cls, band: str, product_id: str) -> tuple[str, str]:
        return cls.partition(band), product_id
