"""The reports table: what was added up of the orders."""

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
