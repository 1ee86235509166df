"""The mail about a webhook that the system has disabled, to its creator."""

from typing import cast

from oms.core.dynamodb import get_item
from oms.identity.models import User
from oms.mail.messages import Content, Notification
from oms.webhooks.models import Subscription, WebhookItem
from oms.webhooks.schemas import WebhookResponse


def disabled(event_id: str, subscription_id: str) -> Notification | None:
    """Returns the mail, or None if the webhook was deleted or enabled again meanwhile."""
    subscription = cast(Subscription | None, get_item(WebhookItem, Subscription.key(subscription_id)))
    if subscription is None or subscription.status != "disabled":
        return None

    def content(creator: User) -> Content | None:
        # The creator's role may have changed: customers must not see the webhook, and managers must not see its URL's
        # path.
        if creator.role == "customer":
            return None
        admins = {creator.id} if creator.role == "admin" else set()
        return Content({"webhook": WebhookResponse.of(subscription, admins=admins, reader=creator.role)})

    return Notification(event_id, "webhook.disabled", subscription.created_by, content)
