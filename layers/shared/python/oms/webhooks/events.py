"""Events of subscriptions: `webhook.disabled` and `webhook.test`."""

from oms.core import clock
from oms.core.actors import Actor
from oms.events.envelope import Event, EventActor, event_id
from oms.events.streams import Change
from oms.webhooks.models import Subscription
from oms.webhooks.schemas import WebhookData

DISABLED, TEST = "webhook.disabled", "webhook.test"
PAYLOADS = {DISABLED: WebhookData, TEST: WebhookData}


def events_from_change(change: Change) -> list[Event[WebhookData]]:
    """Returns the event `webhook.disabled` if the change disabled a subscription, else nothing."""
    if change.new is None or change.new["kind"]["S"] != "subscription":
        return []
    subscription = Subscription.from_raw_data(change.new)
    before = Subscription.from_raw_data(change.old).status if change.old else None
    if subscription.status != "disabled" or before == "disabled":
        return []
    return [
        Event(
            id=event_id(DISABLED, subscription.updated_at, subscription.id, subscription.version),
            type=DISABLED,
            occurred_at=subscription.updated_at,
            sequence=subscription.version,
            actor=EventActor(id=subscription.updated_by, role=subscription.updated_by_role),
            data=WebhookData.of(subscription),
        )
    ]


def new_test(subscription: Subscription, *, by: Actor) -> Event[WebhookData]:
    """Returns a new event, with an id of its own, for one requested test."""
    at = clock.timestamp(clock.now())
    return Event(
        id=event_id(TEST, at, subscription.id, clock.random_id()),
        type=TEST,
        occurred_at=at,
        sequence=subscription.version,
        actor=EventActor(id=by.id, role=by.role),
        data=WebhookData.of(subscription),
    )
