"""The items of sums and applied contributions in the reports table.

`<contributor>`/`applied#<chunk>`; `sales#<shard>`/<day>, `products#<day>`/<product>,
`categories#<month>`/<day>#<category>, `totals#<shard>`/<kind>. The partitions of products and categories end in
`#<shard>` for the shards from 1 on: see `oms.reports.sum_keys`. Days are the shop's, 2026-01-31; a month is 2026-01,
and the days in it are 01 to 31.
"""

from pynamodb.attributes import DiscriminatorAttribute, UnicodeAttribute

from oms.core.dynamodb import IntegerAttribute, JsonAttribute, StoredItem
from oms.core.pages import Index
from oms.core.settings import settings

LISTED = Index(settings().reports_table, "listed", "listing", "created_key")


class ReportItem(StoredItem):
    class Meta:
        table_name = settings().reports_table

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = DiscriminatorAttribute()


class AppliedContribution(ReportItem, discriminator="applied"):
    """The amounts that a chunk has added to the sums, at its contributor's `version`, by sum and attribute.

    The transaction that changes the sums also writes this item, never with an older version. If the contributor is
    listed, `listing` and `created_key` are its keys in the table's index.
    """

    version = IntegerAttribute()
    amounts = JsonAttribute(default=dict)
    listing = UnicodeAttribute(null=True)
    created_key = UnicodeAttribute(null=True)

    @staticmethod
    def key(contributor: str, chunk: int) -> tuple[str, str]:
        return contributor, f"applied#{chunk}"


class Sum(ReportItem, discriminator="sum"):
    """A shard of a sum. Its attributes have any names and whole numbers: see `oms.reports.sums.amounts_in`.

    `changes` counts the transactions that wrote it, so that a process that reads it twice can detect a change in
    between.
    """

    changes = IntegerAttribute(default=0)
