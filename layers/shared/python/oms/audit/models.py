"""The audit log and the chain over it, in the audit table.

Keys: `day#<day>`/<time and id>, with `links#<day of the entry>`/<sort key of the entry>, `chain`/<day of sealing>.
"""

from pynamodb.attributes import DiscriminatorAttribute, UnicodeAttribute

from oms.core.dynamodb import IntegerAttribute, JsonAttribute, StoredItem
from oms.core.pages import Index
from oms.core.settings import settings

DENIALS_PER_MINUTE = 100

# What is listed has the attribute `listing`, and stands in all three, unless it has no actor.
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
    """How many requests of one actor were denied in one minute. Beyond 100 it is listed: it stands for the entries of
    the rest. `at` is the minute's beginning.
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
        """How many of them have no entry of their own."""
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


class Link(ChainItem, discriminator="link"):
    """That an entry is sealed: its place in a chain, the SHA-256 of its content, the MAC of the link before, and its
    own over all this. Its key is the entry's, so an entry has one, whenever it is sealed and however often that is
    tried.
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


class Head(ChainItem, discriminator="head"):
    """How far the chain of a day goes: the place and MAC of its last link, and before the first a MAC of its own.

    A chain goes on where that of `previous_day` ended. `earliest` and `latest` are the days of what it seals. Once it
    has a `next` it is closed.
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
