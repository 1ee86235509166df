"""Sums and applied contributions in the reports table.

`<contributor>`/`applied#<chunk>`; `sales#<shard>`/<day>, `products#<day>`/<product>,
`categories#<month>`/<day>#<category>, `totals#<shard>`/<kind>. Days are the shop's, 2026-01-31; a month is 2026-01,
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
    """The amounts of a chunk that are included in the sums, as of its contributor's `version`: by sum and attribute.

    The transaction that changes the sums changes it too, and never to an older version. `listing` and `created_key`
    are its place in a list of the table's index, if its contributor is listed.
    """

    version = IntegerAttribute()
    amounts = JsonAttribute(default=dict)
    listing = UnicodeAttribute(null=True)
    created_key = UnicodeAttribute(null=True)

    @staticmethod
    def key(contributor: str, chunk: int) -> tuple[str, str]:
        return contributor, f"applied#{chunk}"


class Sum(ReportItem, discriminator="sum"):
    """Whole numbers in attributes of any name: see `oms.reports.sums.amounts_in`.

    `changes` counts the transactions that wrote it, so that a process that reads it twice can detect a change between.
    """

    changes = IntegerAttribute(default=0)
