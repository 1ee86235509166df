"""The webhooks table: subscriptions, all in one partition, and deliveries, each subscription's in its own.

Keys: `subscriptions`/<S>, `count`/`count`, `sub#S`/`delivery#D`, `sub#S`/`replay`.
"""

from pynamodb.attributes import BinaryAttribute, DiscriminatorAttribute, ListAttribute, UnicodeAttribute

from oms.dynamodb import EmbeddedItem, IntegerAttribute, StoredItem
from oms.pages import Index
from oms.settings import settings

DUE = Index(settings().webhooks_table, "due", "due_shard", "due_key")
DUE_SHARD = "due"


class WebhookItem(StoredItem):
    class Meta:
        table_name = settings().webhooks_table

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = DiscriminatorAttribute()


class Subscription(WebhookItem, discriminator="subscription"):
    """Who is told of what. `version` counts its edits and its end; `failing_since` is set from the first failure to the
    next success. The secrets are sealed: see `oms.webhooks.vault`.
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


class SubscriptionCount(WebhookItem, discriminator="count"):
    """How many subscriptions there are: it moves with them, and never past the limit."""

    n = IntegerAttribute(default=0)

    @staticmethod
    def key() -> tuple[str, str]:
        return "count", "count"


class Attempt(EmbeddedItem):
    """One POST and what came of it. `answer` is the beginning of what was answered, `error` why nothing was."""

    at = UnicodeAttribute()
    status_code = IntegerAttribute(null=True)
    duration_ms = IntegerAttribute()
    error = UnicodeAttribute(null=True)
    answer = UnicodeAttribute(null=True)


class Delivery(WebhookItem, discriminator="delivery"):
    """An event on its way to a subscription. The item holds the truth; messages only say when to look at it.

    `due_at` (Unix milliseconds) is there while it is pending, and a claim moves it. `body` is what is signed and sent.
    """

    id = UnicodeAttribute()
    subscription_id = UnicodeAttribute()
    event_id = UnicodeAttribute()
    event_type = UnicodeAttribute()
    body = UnicodeAttribute()
    status = UnicodeAttribute()
    attempts = ListAttribute(of=Attempt)
    made = IntegerAttribute()
    due_at = IntegerAttribute(null=True)
    due_shard = UnicodeAttribute(null=True)
    due_key = UnicodeAttribute(null=True)
    created_at = UnicodeAttribute()
    expires_at = IntegerAttribute(attr_name="ttl")

    @staticmethod
    def key(subscription_id: str, delivery_id: str) -> tuple[str, str]:
        return f"sub#{subscription_id}", f"delivery#{delivery_id}"
