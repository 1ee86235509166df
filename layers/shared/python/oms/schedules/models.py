"""Schedules of exports in the reports table. Keys: `schedules`/<S>, `schedules#count`/`count`."""

from pynamodb.attributes import BooleanAttribute, DiscriminatorAttribute, ListAttribute, UnicodeAttribute

from oms.core.dynamodb import IntegerAttribute, StoredItem
from oms.core.settings import settings

# The partition that has all schedules.
SCHEDULES = "schedules"


class ScheduleItem(StoredItem):
    class Meta:
        table_name = settings().reports_table

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = DiscriminatorAttribute()


class Schedule(ScheduleItem, discriminator="schedule"):
    """That an export is made again and again, and who is mailed of it: `recipients` are ids of users.

    Each run takes up where the one before ended: `covered_until` moves in the transaction that stores a run's export.
    """

    id = UnicodeAttribute()
    report = UnicodeAttribute()
    expression = UnicodeAttribute()
    recipients = ListAttribute(of=UnicodeAttribute)
    format = UnicodeAttribute(null=True)
    bom = BooleanAttribute(null=True)
    columns = ListAttribute(of=UnicodeAttribute, null=True)
    covered_until = UnicodeAttribute()
    created_at = UnicodeAttribute()
    created_by = UnicodeAttribute()

    @staticmethod
    def key(schedule_id: str) -> tuple[str, str]:
        return SCHEDULES, schedule_id


class ScheduleCount(ScheduleItem, discriminator="schedule-count"):
    """How many schedules there are: it moves with them, and never past the limit."""

    n = IntegerAttribute(default=0)

    @staticmethod
    def key() -> tuple[str, str]:
        return f"{SCHEDULES}#count", "count"
