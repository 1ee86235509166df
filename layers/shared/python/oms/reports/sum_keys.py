"""The keys of sums, and their shards.

A sum is stored in up to `SHARDS` items, its shards; its amounts are the totals over all of them. The key of a sum is
that of its shard 0. Any shard may take any change, so one shard alone has no meaning: its amounts can be negative.
"""

from typing import NamedTuple

from oms.identity.models import user_key

# The number of shards of each sum that is not a user's. It may only grow: a smaller number would hide amounts.
# docs/operate/capacity.md computes what it bears.
SHARDS = 8
DAYS = "sales#0"
"""The partition of the sums by day."""
_PRODUCTS, _CATEGORIES = "products#", "categories#"
DAY_PREFIXES = ("sales#", _PRODUCTS, _CATEGORIES)
"""The prefixes of the partitions whose sums are of one day."""
# The partitions whose name ends in the shard. Those of products and categories end in it for the shards from 1 on.
_NUMBERED = ("sales#", "totals#")
_USERS = user_key("")[0]


def in_shard(partition: str, shard: int) -> str:
    """Returns the partition of a shard of the sums in this partition."""
    if partition.startswith(_NUMBERED):
        return f"{partition.partition('#')[0]}#{shard}"
    return f"{partition}#{shard}" if shard else partition


class SumKey(NamedTuple):
    """The key of a sum of the reports table, or of the item of a user with a count of open orders."""

    pk: str
    sk: str

    @property
    def is_of_user(self) -> bool:
        return self.pk.startswith(_USERS)

    @property
    def shards(self) -> list["SumKey"]:
        """The keys of the items of the sum."""
        return [self.in_shard(shard) for shard in range(1 if self.is_of_user else SHARDS)]

    @property
    def whole(self) -> "SumKey":
        """The key of the sum with this shard."""
        kind, mark, rest = self.pk.partition("#")
        if self.pk.startswith(_NUMBERED):
            return SumKey(f"{kind}#0", self.sk)
        if self.pk.startswith((_PRODUCTS, _CATEGORIES)):
            return SumKey(f"{kind}{mark}{rest.partition('#')[0]}", self.sk)
        return self

    @property
    def day(self) -> str:
        """The day of a day's sum, or a text that is not a date for any other key."""
        if self.pk.startswith(_CATEGORIES):
            day, mark = self.sk[:2], self.sk[2:3]
            return f"{self.pk.removeprefix(_CATEGORIES)}-{day}" if mark == "#" else ""
        return self.pk.removeprefix(_PRODUCTS) if self.pk.startswith(_PRODUCTS) else self.sk

    @property
    def sum_of_day(self) -> "SumKey | None":
        """The sum of the day of a sum of a product or category."""
        return SumKey(DAYS, self.day) if self.pk.startswith((_PRODUCTS, _CATEGORIES)) else None

    def in_shard(self, shard: int) -> "SumKey":
        """Returns the key of this shard. A user's sum has one shard."""
        return self if self.is_of_user else SumKey(in_shard(self.pk, shard), self.sk)


def products_of(day: str) -> str:
    """Returns the partition of the sums by product on a day."""
    return f"{_PRODUCTS}{day}"


def categories_of(month: str) -> str:
    """Returns the partition of a month's sums by category.

    Their sort keys begin with the day: see `category_of_day`.
    """
    return f"{_CATEGORIES}{month}"


def category_of_day(day: str, category: str) -> str:
    return f"{day[-2:]}#{category}"


def total_of(kind: str) -> SumKey:
    """Returns the sum over all orders, stock items or users."""
    return SumKey("totals#0", kind)
