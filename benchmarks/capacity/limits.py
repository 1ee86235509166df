"""The limits of AWS that the simulations enforce, with their sources."""

from dataclasses import dataclass, field

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html: a partition has at most
# 1,000 write units and 3,000 read units a second. The items of one partition key are taken as one partition: DynamoDB
# splits partitions until a busy key is alone in one, and cannot divide an item, nor keys that only grow.
PARTITION_WRITES = 1000.0
PARTITION_READS = 3000.0
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html: an on-demand table's quota of
# units a second, for writes and for reads, before an increase.
TABLE_UNITS = 40_000.0
# Partitions of a new on-demand table, each with a shard in the table's stream.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html (4,000 writes a second)
NEW_TABLE_PARTITIONS = 4


# Unused units of a partition are kept, but never let it exceed its rate for long: a quarter of a second's units.
_BURST_SECONDS = 0.25


@dataclass
class Bucket:
    """A token bucket: `rate` units a second, and those of a quarter of a second at once.

    A request passes while there is a token, and then takes all its units, so that the next ones wait for its debt.
    """

    rate: float
    tokens: float = field(init=False)
    updated: float = 0.0

    def __post_init__(self) -> None:
        self.tokens = self.rate * _BURST_SECONDS

    def has_token(self, now: float) -> bool:
        self.tokens = min(self.rate * _BURST_SECONDS, self.tokens + (now - self.updated) * self.rate)
        self.updated = now
        return self.tokens > 0

    def take(self, units: float) -> None:
        self.tokens -= units


type Place = tuple[str, str, str]
"""A partition: the table, the index ("" for the table itself) and the partition key."""


class Capacity:
    """The buckets of all partitions and tables. `refused` counts the refusals by place, to name what ends first."""

    def __init__(self) -> None:
        self._writes: dict[Place, Bucket] = {}
        self._reads: dict[Place, Bucket] = {}
        self._tables: dict[tuple[str, str], Bucket] = {}
        self.refused: dict[Place, int] = {}

    def may_write(self, place: Place, now: float) -> bool:
        return self._may(self._writes, PARTITION_WRITES, "writes", place, now)

    def may_read(self, place: Place, now: float) -> bool:
        return self._may(self._reads, PARTITION_READS, "reads", place, now)

    def wrote(self, place: Place, units: float) -> None:
        self._writes[place].take(units)
        if not place[1]:  # an index has a quota of its own
            self._tables[place[0], "writes"].take(units)

    def read(self, place: Place, units: float) -> None:
        self._reads[place].take(units)
        if not place[1]:
            self._tables[place[0], "reads"].take(units)

    def _may(self, buckets: dict[Place, Bucket], rate: float, kind: str, place: Place, now: float) -> bool:
        bucket = buckets.get(place) or buckets.setdefault(place, Bucket(rate))
        table = self._tables.setdefault((place[0], kind), Bucket(TABLE_UNITS))
        if bucket.has_token(now) and table.has_token(now):
            return True
        self.refused[place] = self.refused.get(place, 0) + 1
        return False
