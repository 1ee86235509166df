"""The webhooks table: subscriptions in one partition, and deliveries in the shards of their subscription.

Keys: `subscriptions`/<S>, `count`/`count`, `sub#S`/`delivery#D`, `sub#S`/`replay`, `sub#S`/`tests#<minute>`,
`outcomes`/<day>. The deliveries of shard n > 0 have `sub#S#n`, the counts `outcomes#n`: see `oms.webhooks.shards`.
"""

from typing import Any

from pynamodb.attributes import (
    BinaryAttribute,
    BooleanAttribute,
    DiscriminatorAttribute,
    ListAttribute,
    UnicodeAttribute,
)

from oms.core.counters import ExpiringCounter, LimitedCounter
from oms.core.dynamodb import EmbeddedItem, IntegerAttribute, StoredItem, redacted
from oms.core.pages import Index
from oms.core.settings import settings

DUE = Index(settings().webhooks_table, "due", "due_shard", "due_key")
# The partition of the index that has the range replays of all subscriptions. A delivery's partition there is its
# subscription and shard: see `Delivery.shard_name`.
REPLAYS = "replays"


class WebhookItem(StoredItem):
    class Meta:
        table_name = settings().webhooks_table

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = DiscriminatorAttribute()


class Subscription(WebhookItem, discriminator="subscription"):
    """An endpoint, and the event types that it receives. `version` counts its edits, and its disabling.

    `failing_since` is set from the first failure to the next success. `pace` is quick or slow, as the last attempt was,
    and None before the first attempt ends. Until `probed_until` (Unix milliseconds) one shared sender may make that
    attempt. The secrets are encrypted: see `oms.webhooks.secret_encryption`.
    """

    id = UnicodeAttribute()
    url = UnicodeAttribute()
    events = ListAttribute(of=UnicodeAttribute)
    description = UnicodeAttribute(null=True)
    status = UnicodeAttribute()
    secret = BinaryAttribute(legacy_encoding=False)
    previous_secret = BinaryAttribute(legacy_encoding=False, null=True)
    previous_until = IntegerAttribute(null=True)
    failing_since = UnicodeAttribute(null=True)
    pace = UnicodeAttribute(null=True)
    probed_until = IntegerAttribute(null=True)
    disabled_reason = UnicodeAttribute(null=True)
    version = IntegerAttribute()
    created_at = UnicodeAttribute()
    updated_at = UnicodeAttribute()
    created_by = UnicodeAttribute()
    updated_by = UnicodeAttribute()
    updated_by_role = UnicodeAttribute()

    @staticmethod
    def key(subscription_id: str) -> tuple[str, str]:
        return "subscriptions", subscription_id


_SECRETS = ("secret", "previous_secret")


def without_secrets(raw: dict[str, Any]) -> dict[str, Any]:
    """Returns a raw item without its secrets, encrypted or not, for operators and the poison queue."""
    return {name: redacted(value) if name in _SECRETS else value for name, value in raw.items()}


class SubscriptionCount(WebhookItem, LimitedCounter, discriminator="count"):
    """The number of subscriptions. It changes in the same transactions as they do, and never exceeds the limit."""

    @staticmethod
    def key() -> tuple[str, str]:
        return "count", "count"


# The error of an attempt from its start. The attempt's result replaces it, unless the sender is interrupted.
INTERRUPTED = "interrupted"


class Attempt(EmbeddedItem):
    """One POST and its result. `answer`: the beginning of the response body. `error`: why there was no response."""

    at = UnicodeAttribute()
    status_code = IntegerAttribute(null=True)
    duration_ms = IntegerAttribute(null=True)
    error = UnicodeAttribute(null=True)
    answer = UnicodeAttribute(null=True)


class Delivery(WebhookItem, discriminator="delivery"):
    """An event on its way to a subscription. The item is authoritative; triggers carry only its key and due time.

    Its status is pending (due at `due_at`, in Unix milliseconds), delivered, failed, or paused: it waits for a replay,
    since the subscription was not active. A claim moves `due_at`, raises `attempt_count` and stores its id in `claim`.
    Only pending deliveries are in the index `due`, by subscription and shard. `body` is signed and sent. `replay`: the
    id of the last range replay that restarted the delivery.
    """

    id = UnicodeAttribute()
    subscription_id = UnicodeAttribute()
    event_id = UnicodeAttribute()
    event_type = UnicodeAttribute()
    body = UnicodeAttribute()
    status = UnicodeAttribute()
    attempts = ListAttribute(of=Attempt)
    attempt_count = IntegerAttribute(attr_name="made")
    claim = UnicodeAttribute(null=True)
    replay = UnicodeAttribute(null=True)
    due_at = IntegerAttribute(null=True)
    due_shard = UnicodeAttribute(null=True)
    due_key = UnicodeAttribute(null=True)
    created_at = UnicodeAttribute()
    expires_at = IntegerAttribute(attr_name="ttl")

    @classmethod
    def key(cls, subscription_id: str, delivery_id: str, shard: int = 0) -> tuple[str, str]:
        return f"sub#{cls.shard_name(subscription_id, shard)}", f"delivery#{delivery_id}"

    @staticmethod
    def shard_name(subscription_id: str, shard: int) -> str:
        """Returns the partition of a shard's pending deliveries in the index `due`: `S` or `S#n`."""
        return f"{subscription_id}#{shard}" if shard else subscription_id

    @staticmethod
    def shard_in(partition: str) -> int:
        """Returns the shard of a delivery with this partition key."""
        return int(partition.removeprefix("sub#").partition("#")[2] or 0)

    @property
    def shard(self) -> int:
        return self.shard_in(self.pk)

    @property
    def due_partition(self) -> str:
        return self.shard_name(self.subscription_id, self.shard)


class Replay(WebhookItem, discriminator="replay"):
    """A running range replay. A subscription has at most one.

    `position`: the sort key of the last processed delivery; `last`: the sort key at which the range ends. `due_at`: the
    time of the next batch, in the index `due`, in one partition for all replays.
    """

    id = UnicodeAttribute()
    position = UnicodeAttribute()
    last = UnicodeAttribute()
    only_failed = BooleanAttribute()
    due_at = IntegerAttribute()
    due_shard = UnicodeAttribute()
    due_key = UnicodeAttribute()
    started_at = UnicodeAttribute()
    expires_at = IntegerAttribute(attr_name="ttl")

    @staticmethod
    def key(subscription_id: str) -> tuple[str, str]:
        return f"sub#{subscription_id}", "replay"


class SentTests(WebhookItem, ExpiringCounter, discriminator="tests"):
    """The number of tests of a subscription that were requested in one minute."""

    @staticmethod
    def key(subscription_id: str, minute: int) -> tuple[str, str]:
        return f"sub#{subscription_id}", f"tests#{minute}"


class DayOfAttempts(WebhookItem, discriminator="outcomes"):
    """The attempts of one day of the shop (2026-01-31) by outcome, in one shard: see `oms.webhooks.outcomes`."""

    delivered = IntegerAttribute(default=0)
    retried = IntegerAttribute(default=0)
    failed = IntegerAttribute(default=0)
    paused = IntegerAttribute(default=0)
    expires_at = IntegerAttribute(attr_name="ttl")

    OUTCOMES = ("delivered", "retried", "failed", "paused")

    @staticmethod
    def key(day: str, shard: int = 0) -> tuple[str, str]:
        return f"outcomes#{shard}" if shard else "outcomes", day
