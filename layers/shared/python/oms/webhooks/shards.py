"""Shards of a subscription's deliveries: partitions between which the ids of deliveries are divided.

A partition bears 1,000 write units a second. The setting `delivery_shards` is a power of two that may only grow. Shard
0 has the keys of a subscription without shards. So no stored delivery moves when the number grows, and all readers read
all shards.
"""

from functools import partial
from zlib import crc32

from oms.core.dynamodb import batch_get
from oms.core.settings import settings
from oms.webhooks.models import DayOfAttempts, Delivery

# The counts of a day are one write unit for each attempt.
MAX_SHARDS_OF_OUTCOMES = 8


def shard_of(delivery_id: str) -> int:
    """Returns the shard of a delivery that is created now."""
    return _hash(delivery_id) % settings().delivery_shards


def partitions_of(subscription_id: str) -> list[str]:
    """Returns the partition keys of all deliveries of a subscription."""
    return [Delivery.key(subscription_id, "", shard)[0] for shard in range(settings().delivery_shards)]


def due_shards_of(subscription_id: str) -> list[str]:
    """Returns the partition keys of a subscription's pending deliveries in the index `due`."""
    return [Delivery.shard_name(subscription_id, shard) for shard in range(settings().delivery_shards)]


def find(subscription_id: str, delivery_id: str) -> Delivery | None:
    """Returns a delivery by its id. It may have been stored when there were fewer shards."""
    found = batch_get(
        Delivery, map(partial(Delivery.key, subscription_id, delivery_id), _shards_until_now(delivery_id))
    )
    return next(iter(found.values()), None)


def is_only_in(shard: int, delivery_id: str) -> bool:
    """Whether a delivery with this id cannot be in another shard."""
    return _shards_until_now(delivery_id) == {shard}


def outcomes_shard_of(delivery_id: str) -> int:
    """Returns the shard of the day's counts in which the attempts of a delivery are counted."""
    return _hash(delivery_id) % _shards_of_outcomes()


def outcomes_keys(day: str) -> list[tuple[str, str]]:
    """Returns the keys of all counts of a day."""
    return [DayOfAttempts.key(day, shard) for shard in range(_shards_of_outcomes())]


def _shards_of_outcomes() -> int:
    return min(settings().delivery_shards, MAX_SHARDS_OF_OUTCOMES)


def _shards_until_now(delivery_id: str) -> set[int]:
    """Returns the shards of a delivery by each number of shards that the stage can have had: 1, 2, 4, and so on."""
    powers = range(settings().delivery_shards.bit_length())
    return {_hash(delivery_id) % 2**power for power in powers}


def _hash(delivery_id: str) -> int:
    return crc32(delivery_id.encode())
