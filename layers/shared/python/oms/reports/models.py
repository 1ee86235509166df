"""What the reports table holds: sums over days and over all time, and what each thing has in them.

`<thing>`/`applied#<chunk>`; `sales#<shard>`/<day>, `products#<day>`/<product>, `categories#<month>`/<day>#<category>,
`totals#<shard>`/<of what>. Days are the shop's, 2026-01-31; a month is 2026-01, and the days in it are 01 to 31.
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
    """What a chunk of a thing has in the sums, as of the thing's `version`: by the sums' keys, what of each attribute.

    It moves in the transaction that moves the sums, and never back. `listing` and `created_key` place it in a list of
    the table's index, where the thing stands in one.
    """

    version = IntegerAttribute()
    amounts = JsonAttribute(default=dict)
    listing = UnicodeAttribute(null=True)
    created_key = UnicodeAttribute(null=True)

    @staticmethod
    def key(thing: str, chunk: int) -> tuple[str, str]:
        return thing, f"applied#{chunk}"


class Sum(ReportItem, discriminator="sum"):
    """Whole numbers that are added up, under names of their own: see `oms.reports.sums.amounts_in`.

    `changes` counts the transactions that touched it, so that who reads it twice knows whether anything moved between.
    """

    changes = IntegerAttribute(default=0)
