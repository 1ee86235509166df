"""The webhooks table: subscriptions, all in one partition, and deliveries, each subscription's in its own.

Keys: `subscriptions`/<S>, `count`/`count`, `sub#S`/`delivery#D`, `sub#S`/`replay`, `sub#S`/`tests#<minute>`,
`outcomes`/<day>.
"""

from typing import Any

from pynamodb.attributes import (
    BinaryAttribute,
    BooleanAttribute,
    DiscriminatorAttribute,
    ListAttribute,
    UnicodeAttribute,
)

from oms.core.dynamodb import EmbeddedItem, IntegerAttribute, StoredItem, redacted
from oms.core.pages import Index
from oms.core.settings import settings

DUE = Index(settings().webhooks_table, "due", "due_shard", "due_key")
# The partition of the index that has the range replays of all subscriptions. That of a delivery is its subscription.
REPLAYS = "replays"


class WebhookItem(StoredItem):
    class Meta:
        table_name = settings().webhooks_table

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = DiscriminatorAttribute()


class Subscription(WebhookItem, discriminator="subscription"):
    """Who is told of what. `version` counts its edits and its end; `failing_since` is set from the first failure to the
    next success. `pace` is quick or slow, as the last attempt was, and None before the first, which is under way until
    `probed_until` (Unix milliseconds). The secrets are sealed: see `oms.webhooks.secret_encryption`.
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
    """A raw item without its secrets, encrypted or not, for operators and the poison queue."""
    return {name: redacted(value) if name in _SECRETS else value for name, value in raw.items()}


class SubscriptionCount(WebhookItem, discriminator="count"):
    """The number of subscriptions, written with each of them and limited."""

    n = IntegerAttribute(default=0)

    @staticmethod
    def key() -> tuple[str, str]:
        return "count", "count"


# The error of an attempt from its start. It stays if the sender is interrupted, and is replaced when the attempt ends.
INTERRUPTED = "interrupted"


class Attempt(EmbeddedItem):
    """One POST and its result. `answer`: the beginning of the response body; `error`: the reason of no response."""

    at = UnicodeAttribute()
    status_code = IntegerAttribute(null=True)
    duration_ms = IntegerAttribute(null=True)
    error = UnicodeAttribute(null=True)
    answer = UnicodeAttribute(null=True)


class Delivery(WebhookItem, discriminator="delivery"):
    """An event on its way to a subscription. The item is authoritative; triggers carry only its key and due time.

    pending: due at `due_at` (Unix milliseconds). A claim moves `due_at`, raises `attempt_count` and stores its id in
    `claim`. Only pending deliveries are in the index `due`, by subscription. delivered, failed: ended. paused: waits
    for a replay, since the subscription was not active. `body` is signed and sent. `replay`: the id of the last range
    replay that restarted it.
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

    @staticmethod
    def key(subscription_id: str, delivery_id: str) -> tuple[str, str]:
        return f"sub#{subscription_id}", f"delivery#{delivery_id}"


class Replay(WebhookItem, discriminator="replay"):
    """A running range replay, one at a time for a subscription.

    `position`: the sort key of the last delivery that was processed; `last`: that of the last one of the range.
    `due_at`: the time of the next batch, in the index `due`, in one partition for all replays.
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


class SentTests(WebhookItem, discriminator="tests"):
    """The number of tests of a subscription that were requested in one minute."""

    n = IntegerAttribute(default=0)
    expires_at = IntegerAttribute(attr_name="ttl")

    @staticmethod
    def key(subscription_id: str, minute: int) -> tuple[str, str]:
        return f"sub#{subscription_id}", f"tests#{minute}"


class DayOfAttempts(WebhookItem, discriminator="outcomes"):
    """The attempts of one day of the shop (2026-01-31) by outcome: see `oms.webhooks.outcomes`."""

    delivered = IntegerAttribute(default=0)
    retried = IntegerAttribute(default=0)
    failed = IntegerAttribute(default=0)
    paused = IntegerAttribute(default=0)
    expires_at = IntegerAttribute(attr_name="ttl")

    OUTCOMES = ("delivered", "retried", "failed", "paused")

    @staticmethod
    def key(day: str) -> tuple[str, str]:
        return "outcomes", day
