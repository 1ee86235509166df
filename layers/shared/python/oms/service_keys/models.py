"""Service keys in the identity table, with the counters of their requests.

Keys: `keys`/<K> has the key for lists and changes, and `key#K#<0..3>`/`key` has copies for requests;
`key-use#K`/`use`, `key-count`/`count`, `slot#key#K#<minute>`/`slot`.
"""

import random
from collections.abc import Iterator
from datetime import datetime
from typing import Self

from pynamodb.attributes import DiscriminatorAttribute, ListAttribute, UnicodeAttribute

from oms.core.counters import ExpiringCounter, LimitedCounter
from oms.core.dynamodb import IntegerAttribute, StoredItem
from oms.core.rate_limits import RateWindow
from oms.core.settings import settings

KEYS = "keys"
# One item serves 3,000 consistent reads a second. Each request reads a random copy.
COPIES = 4


class KeyItem(StoredItem):
    class Meta:
        table_name = settings().identity_table

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = DiscriminatorAttribute()


class ServiceKey(KeyItem, discriminator="service-key"):
    """A service key, or one of its copies, which differ only in `pk` and `sk`: one transaction writes them all.

    `secret_hash` is the hash of the secret; `previous_hash` that of the previous secret, which is valid until
    `previous_until`. Both times are in epoch seconds. `rate_limit` is in requests a minute. A key without
    `allowed_addresses` (CIDR) may be used from any address. `version` counts the changes.
    """

    id = UnicodeAttribute()
    name = UnicodeAttribute()
    status = UnicodeAttribute()
    secret_hash = UnicodeAttribute()
    previous_hash = UnicodeAttribute(null=True)
    previous_until = IntegerAttribute(null=True)
    scopes = ListAttribute(of=UnicodeAttribute)
    valid_until = IntegerAttribute(null=True)
    rate_limit = IntegerAttribute()
    allowed_addresses = ListAttribute(of=UnicodeAttribute)
    version = IntegerAttribute()
    created_at = UnicodeAttribute()
    created_by = UnicodeAttribute()
    updated_at = UnicodeAttribute()

    @staticmethod
    def key(key_id: str) -> tuple[str, str]:
        return KEYS, key_id

    @staticmethod
    def copy_key(key_id: str) -> tuple[str, str]:
        """Returns the key of a random copy."""
        return _copy_key(key_id, random.randrange(COPIES))  # noqa: S311 - spreads reads, not a secret

    def copies(self) -> Iterator[Self]:
        for number in range(COPIES):
            copy = self.from_raw_data(self.serialize())
            copy.pk, copy.sk = _copy_key(self.id, number)
            yield copy

    def is_expired(self, now: datetime) -> bool:
        return self.valid_until is not None and self.valid_until <= now.timestamp()


def _copy_key(key_id: str, number: int) -> tuple[str, str]:
    return f"key#{key_id}#{number}", "key"


class ServiceKeyCount(KeyItem, LimitedCounter, discriminator="service-key-count"):
    """The number of keys. It changes in the same transactions as they do, and never exceeds the limit."""

    @staticmethod
    def key() -> tuple[str, str]:
        return "key-count", "count"


class KeyUse(KeyItem, discriminator="service-key-use"):
    """The time of a key's latest noted use, in epoch seconds: see `oms.service_keys.limits`."""

    at = IntegerAttribute()

    @staticmethod
    def key(key_id: str) -> tuple[str, str]:
        return f"key-use#{key_id}", "use"


class KeyRequests(KeyItem, ExpiringCounter, discriminator="service-key-requests"):
    """The requests of a key in one minute, those of all leases included."""

    @classmethod
    def of(cls, key_id: str, window: RateWindow) -> Self:
        return cls(f"slot#key#{key_id}#{window.number}", "slot", expires_at=window.forgotten_at)
