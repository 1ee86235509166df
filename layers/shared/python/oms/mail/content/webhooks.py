"""The mail about a webhook that the system has disabled, to whoever made it."""

from typing import cast

from oms.core.dynamodb import get_item
from oms.identity.models import User
from oms.mail.messages import Content, Notice
from oms.webhooks.models import Subscription, WebhookItem
from oms.webhooks.schemas import WebhookResponse


def disabled(event_id: str, subscription_id: str) -> Notice | None:
    """None where it has been removed or enabled again meanwhile."""
    subscription = cast(Subscription | None, get_item(WebhookItem, Subscription.key(subscription_id)))
    if subscription is None or subscription.status != "disabled":
        return None

    def content(owner: User) -> Content | None:
        # Who has become a customer since may not see webhooks any more, who has become a manager no path of a URL.
        if owner.role == "customer":
            return None
        admins = {owner.id} if owner.role == "admin" else set()
        return Content({"webhook": WebhookResponse.of(subscription, admins=admins, reader=owner.role)})

    return Notice(event_id, "webhook.disabled", subscription.created_by, content)
