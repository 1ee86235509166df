"""Items of the audit table: entries, counters of denials, and the links and heads of the chain.

Keys: `day#<day>`/<time and id>, with `links#<day of the entry>`/<sort key of the entry>, `chain`/<day of sealing>.
"""

from pynamodb.attributes import DiscriminatorAttribute, UnicodeAttribute

from oms.core.dynamodb import IntegerAttribute, JsonAttribute, StoredItem
from oms.core.pages import Index
from oms.core.settings import settings

DENIALS_PER_MINUTE = 100

# A listed item has the attribute `listing` and is in all three indexes; one without an actor is not in `by_actor`.
BY_TIME = Index(settings().audit_table, "by_time", "listing", "sk")
BY_ACTOR = Index(settings().audit_table, "by_actor", "actor_id", "sk")
BY_ACTION = Index(settings().audit_table, "by_action", "action", "sk")
LISTED = "entry"


class AuditItem(StoredItem):
    class Meta:
        table_name = settings().audit_table

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = DiscriminatorAttribute()


class AuditEntry(AuditItem, discriminator="entry"):
    id = UnicodeAttribute()
    at = UnicodeAttribute()
    listing = UnicodeAttribute(default=LISTED)
    action = UnicodeAttribute()
    actor_id = UnicodeAttribute(null=True)
    actor_role = UnicodeAttribute(null=True)
    address = UnicodeAttribute(null=True)
    target = UnicodeAttribute(null=True)
    outcome = UnicodeAttribute()
    details = JsonAttribute(null=True)


class Denials(AuditItem, discriminator="denials"):
    """The number of one actor's denials in one minute, which begins at `at`.

    Above 100, the counter is listed, because further denials have no entries.
    """

    at = UnicodeAttribute()
    n = IntegerAttribute(default=0)
    listing = UnicodeAttribute(null=True)
    action = UnicodeAttribute(null=True)
    actor_id = UnicodeAttribute(null=True)
    actor_role = UnicodeAttribute(null=True)

    outcome = "failure"
    address = target = None

    @property
    def id(self) -> str:
        return self.sk

    @property
    def unlisted(self) -> int:
        """The number of denials without an entry."""
        return max(0, self.n - DENIALS_PER_MINUTE)

    @property
    def details(self) -> dict[str, int]:
        return {"denials": self.unlisted}


class ChainItem(StoredItem):
    class Meta:
        table_name = settings().audit_table

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = DiscriminatorAttribute()


class ChainLink(ChainItem, discriminator="link"):
    """The seal of an entry: its position in a chain, the SHA-256 of its content, the previous link's MAC, and its own
    MAC.

    The key is derived from the entry's key, so an entry has one link, even if sealing is retried.
    """

    chain = UnicodeAttribute()
    position = IntegerAttribute()
    digest = UnicodeAttribute()
    previous = UnicodeAttribute()
    key = UnicodeAttribute()
    mac = UnicodeAttribute()

    @staticmethod
    def key_of(entry: tuple[str, str]) -> tuple[str, str]:
        partition, sort = entry
        return "links#" + partition.removeprefix("day#"), sort


class ChainHead(ChainItem, discriminator="head"):
    """The end of a chain: the position and MAC of its last link. Without links, `mac` is the opening MAC.

    A chain continues the chain of `previous_day`. `earliest` and `latest` are the first and last day of its entries. A
    chain with a `next` is closed.
    """

    position = IntegerAttribute()
    mac = UnicodeAttribute()
    previous_day = UnicodeAttribute(null=True)
    previous_mac = UnicodeAttribute(null=True)
    earliest = UnicodeAttribute()
    latest = UnicodeAttribute()
    key = UnicodeAttribute()
    seal = UnicodeAttribute()
    next = UnicodeAttribute(null=True)

    PARTITION = "chain"

    @classmethod
    def key_of(cls, day: str) -> tuple[str, str]:
        return cls.PARTITION, day

    @property
    def day(self) -> str:
        return self.sk
