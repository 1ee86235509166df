"""The reports table: what was added up of orders and stock."""

from pynamodb.attributes import BooleanAttribute, DiscriminatorAttribute, UnicodeAttribute

from oms.dynamodb import IntegerAttribute, StoredItem
from oms.settings import settings


class ReportItem(StoredItem):
    class Meta:
        table_name = settings().reports_table

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = DiscriminatorAttribute()


class Applied(ReportItem, discriminator="applied"):
    """What of an order is in the sums, as of its `version`: `open` tells whether it counts as one of its customer's
    open orders. It moves in the transaction that moves the sums, and never back.
    """

    version = IntegerAttribute()
    open = BooleanAttribute()

    @staticmethod
    def key(order_id: str) -> tuple[str, str]:
        return f"order#{order_id}", "applied"


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
