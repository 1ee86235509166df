"""The chain over the audit log, in its table.

Keys: `links#<day of the entry>`/<sort key of the entry>, `chain`/<day on which was sealed>.
"""

from pynamodb.attributes import DiscriminatorAttribute, UnicodeAttribute

from oms.dynamodb import IntegerAttribute, StoredItem
from oms.settings import settings


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
