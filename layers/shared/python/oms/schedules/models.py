"""Schedules of exports in the reports table.

Keys: `schedules`/<S>, `schedules#count`/`count`, `schedule-key#<K>`/`key`.
"""

from pynamodb.attributes import BooleanAttribute, DiscriminatorAttribute, ListAttribute, UnicodeAttribute

from oms.core.counters import LimitedCounter
from oms.core.dynamodb import StoredItem
from oms.core.settings import settings

# The partition of all schedules.
SCHEDULES = "schedules"


class ScheduleItem(StoredItem):
    class Meta:
        table_name = settings().reports_table

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = DiscriminatorAttribute()


class Schedule(ScheduleItem, discriminator="schedule"):
    """A rule that creates an export regularly. `recipients` are the ids of the users who get a mail.

    Each run continues from the end of the previous one: the transaction that stores its export moves `covered_until`.
    `keyed_id` leads to its `ScheduleKey`, if it was created with an idempotency key.
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
    keyed_id = UnicodeAttribute(null=True)

    @staticmethod
    def key(schedule_id: str) -> tuple[str, str]:
        return SCHEDULES, schedule_id


class ScheduleKey(ScheduleItem, discriminator="schedule-key"):
    """The schedule that a request with an idempotency key created. It is deleted with the schedule.

    A schedule's own id is not derived from the key. Otherwise a schedule that is created again with the key of a
    deleted one would have the id of its late messages, its entry and its exports.
    """

    schedule_id = UnicodeAttribute()
    request_hash = UnicodeAttribute()

    @staticmethod
    def key(keyed_id: str) -> tuple[str, str]:
        return f"schedule-key#{keyed_id}", "key"


class ScheduleCount(ScheduleItem, LimitedCounter, discriminator="schedule-count"):
    """The number of schedules.

    The transactions that store and delete schedules change it. It never exceeds the limit.
    """

    @staticmethod
    def key() -> tuple[str, str]:
        return f"{SCHEDULES}#count", "count"
