"""Snapshots of all shards of a product, which orders share.

An order whose shard is short needs to know the units of all shards at one moment. When a hot product runs out,
thousands of orders a second do. So one of them reads the shards, and stores the result for all that wait.

A state that held at some moment of a request may answer it. So an order is refused only by a snapshot that was begun
after the order had requested it. A snapshot of any age shows where units may be left: the order's transaction checks
that they are, but not the buyer's share of all units. A sum of several moments may count a unit twice that moves
between shards, so the share is decided only by units that were there at one moment.
"""

import random
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import blake2b

from oms.core import clock
from oms.core.dynamodb import ConditionFailedError, get_item, is_written, put_item
from oms.core.errors import UnavailableError
from oms.core.retries import deadline, retrying
from oms.inventory.models import ShardSnapshot, StockItem
from oms.inventory.shards import ShardLevel, levels_of, read_shards

# A product has an item for snapshots for each 16 shards, and none with fewer. Each serves about 600 refusals a
# second, and its snapshots cost each shard some 30 read units a second.
_SHARDS_PER_ITEM = 16
# The pause between two reads of an order that waits for a snapshot, which takes about 30 ms.
_MIN_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 0.005, 0.025
# After this time without progress, the order that began a snapshot is taken for dead, and another one begins the next.
_DEAD_AFTER_SECONDS = 0.5


@dataclass(frozen=True)
class Snapshot:
    """The units of a product's shards.

    `levels` has the shards with available units, `shards` is the number of those from which orders draw first.
    `versions` identifies the versions of all shards. If the snapshot is `settled`, all shards were like this at one
    moment after its begin; if not, its levels are of several moments. At such a moment, at least `certain` units were
    available: those of the shards that did not change between two reads.
    """

    levels: Sequence[ShardLevel]
    shards: int
    status: str
    versions: str
    settled: bool
    # Snapshots that an earlier version stored have none.
    certain: int = 0

    @property
    def available(self) -> int:
        return sum(level.available for level in self.levels)


def take_snapshot(product_id: str, count: int, needed: int, *, exact: bool, earlier: str = "") -> Snapshot:
    """Reads all shards, and once more if they seem to have fewer than `needed` units, or if it must be `exact`.

    `count` is their expected number. The snapshot is settled if two reads found the same versions, since a version
    never returns. The first of them may be that of an `earlier` snapshot, of any age: its versions were still current
    when this read began. Only a restored item repeats versions; for a wrong result, all shards would have to repeat
    those of one snapshot during one read.
    """
    stocks = read_shards(product_id, count)
    unchanged = stocks if _versions(stocks) == earlier else []
    if not unchanged and (exact or sum(stock.available for stock in stocks) < needed):
        before = {stock.shard: stock.version for stock in stocks}
        stocks = read_shards(product_id, len(stocks))
        unchanged = [stock for stock in stocks if stock.version == before.get(stock.shard)]
    return Snapshot(
        levels=[level for level in levels_of(stocks) if level.available],
        shards=stocks[0].shard_count,
        status=stocks[0].status,
        versions=_versions(stocks),
        settled=len(unchanged) == len(stocks),
        certain=sum(stock.available for stock in unchanged),
    )


def _versions(stocks: Iterable[StockItem]) -> str:
    return blake2b(" ".join(str(stock.version) for stock in stocks).encode(), digest_size=12).hexdigest()


class SnapshotReader:
    """The snapshots of one product that one order reads. `count` is the expected number of stored shards."""

    def __init__(self, product_id: str, count: int) -> None:
        self._product_id = product_id
        self._count = count
        items = count // _SHARDS_PER_ITEM
        self._key = ShardSnapshot.key(product_id, random.randrange(items)) if items else None  # noqa: S311 - load
        # Snapshots with higher numbers were begun after the first call of `read`.
        self._seen: int | None = None

    def read(self, needed: int, *, exact: bool) -> Snapshot:
        """Returns a snapshot that was begun after the first call, at each call a newer one.

        Unless it must be `exact`, the first call may return an older one that has `needed` units.
        """
        if self._key is None:
            return take_snapshot(self._product_id, self._count, needed, exact=exact)
        try:
            stored = _get(self._key)
            if self._seen is None:
                self._seen = stored.started
                if not exact and stored.content and (latest := _snapshot_in(stored)).available >= needed:
                    return latest
            stored, begun = self._newer(stored, self._seen)
        except UnavailableError:  # the item is throttled, which the shards may not be
            return take_snapshot(self._product_id, self._count, needed, exact=exact)
        if begun:
            return self._take(stored, needed, exact=exact)
        self._seen = stored.number
        return _snapshot_in(stored)

    def _newer(self, stored: ShardSnapshot, seen: int) -> tuple[ShardSnapshot, bool]:
        """Waits for the snapshot of another order with a higher number than `seen`, or begins the next one.

        Returns the stored item, and whether the next snapshot was begun.
        """
        waited = 0.0
        while stored.number <= seen:
            if (stored.number == stored.started or waited > _DEAD_AFTER_SECONDS) and _begin(stored):
                return stored, True
            pause = random.uniform(_MIN_PAUSE_SECONDS, _MAX_PAUSE_SECONDS)  # noqa: S311 - jitter, not a secret
            clock.sleep(pause)
            before, stored = stored, _get((stored.pk, stored.sk))
            waited = waited + pause if stored.started == before.started else 0.0
        return stored, False

    def _take(self, stored: ShardSnapshot, needed: int, *, exact: bool) -> Snapshot:
        """Takes the next snapshot, and stores it unless another order has begun a later one.

        If the reads of the shards are throttled, it returns a later one that is stored meanwhile.
        """
        self._seen = number = stored.started + 1
        previous = _snapshot_in(stored).versions if stored.content else ""
        try:
            snapshot = take_snapshot(self._product_id, self._count, needed, exact=exact, earlier=previous)
        except UnavailableError:
            latest = _get((stored.pk, stored.sk))
            if latest.number <= number:
                raise
            self._seen = latest.number
            return _snapshot_in(latest)
        taken = ShardSnapshot(stored.pk, stored.sk, started=number, number=number, content=asdict(snapshot))
        # The result is known, and those who wait begin the next snapshot after this time.
        with suppress(UnavailableError), deadline(_DEAD_AFTER_SECONDS):
            is_written(lambda: put_item(taken, ShardSnapshot.started == taken.started))
        return snapshot


def _get(key: tuple[str, str]) -> ShardSnapshot:
    return get_item(ShardSnapshot, key) or ShardSnapshot(*key, started=0, number=0)


def _begin(stored: ShardSnapshot) -> bool:
    """Begins the next snapshot. Returns false if another order has begun or stored one meanwhile.

    `begun_by` distinguishes the order's own write, whose response was lost, from that of another order.
    """
    begun = ShardSnapshot(
        stored.pk,
        stored.sk,
        started=stored.started + 1,
        number=stored.number,
        begun_by=clock.random_id(),
        content=stored.content,
    )
    unchanged = (ShardSnapshot.started == stored.started) & (ShardSnapshot.number == stored.number)
    try:
        retrying(lambda: put_item(begun, unchanged if stored.started else ShardSnapshot.pk.does_not_exist()))
    except ConditionFailedError as error:
        return error.item is not None and ShardSnapshot.from_raw_data(error.item).begun_by == begun.begun_by
    return True


def _snapshot_in(stored: ShardSnapshot) -> Snapshot:
    content = stored.content
    return Snapshot(**{**content, "levels": [ShardLevel(*level) for level in content["levels"]]})
