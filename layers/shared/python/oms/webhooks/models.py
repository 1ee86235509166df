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
    """A raw item as people may see it who mend something. Sealed or not, a secret has no business there."""
    return {name: redacted(value) if name in _SECRETS else value for name, value in raw.items()}


class SubscriptionCount(WebhookItem, discriminator="count"):
    """How many subscriptions there are: it moves with them, and never past the limit."""

    n = IntegerAttribute(default=0)

    @staticmethod
    def key() -> tuple[str, str]:
        return "count", "count"


# The error of an attempt from its beginning: it is true of one that is cut off, and replaced at the end of any other.
INTERRUPTED = "interrupted"


class Attempt(EmbeddedItem):
    """One POST and what came of it. `answer` is the beginning of what was answered, `error` why nothing was."""

    at = UnicodeAttribute()
    status_code = IntegerAttribute(null=True)
    duration_ms = IntegerAttribute(null=True)
    error = UnicodeAttribute(null=True)
    answer = UnicodeAttribute(null=True)


class Delivery(WebhookItem, discriminator="delivery"):
    """An event on its way to a subscription. The item holds the truth; messages only say when to look at it.

    pending: `due_at` (Unix milliseconds) says when it is looked at next. A claim moves it, counts the attempt in `made`
    and leaves its mark in `claim`; the index `due` has the pending ones alone, by subscription. delivered, failed: at
    its end. paused: kept for a replay, as the subscription was not active. `body` is what is signed and sent. `replay`
    is the last range replay that took it up.
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
    """The deliveries of a stretch of time being sent again, one such at a time for a subscription.

    `position` is the sort key of the last delivery that was looked at, `last` the one to end at. `due_at` says when it
    goes on, as with a delivery, and is in the index `due` too, in a partition for all.
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
    """How many tests of a subscription were asked for in a minute."""

    n = IntegerAttribute(default=0)
    expires_at = IntegerAttribute(attr_name="ttl")

    @staticmethod
    def key(subscription_id: str, minute: int) -> tuple[str, str]:
        return f"sub#{subscription_id}", f"tests#{minute}"


class DayOfAttempts(WebhookItem, discriminator="outcomes"):
    """How many attempts at deliveries ended how, on a day (the shop's, 2026-01-31): see `oms.webhooks.outcomes`."""

    delivered = IntegerAttribute(default=0)
    retried = IntegerAttribute(default=0)
    failed = IntegerAttribute(default=0)
    paused = IntegerAttribute(default=0)
    expires_at = IntegerAttribute(attr_name="ttl")

    OUTCOMES = ("delivered", "retried", "failed", "paused")

    @staticmethod
    def key(day: str) -> tuple[str, str]:
        return "outcomes", day
