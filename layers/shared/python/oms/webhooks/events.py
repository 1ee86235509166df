"""What subscribers and the feed learn of subscriptions themselves."""

from oms import clock
from oms.actors import Actor
from oms.events import Event, EventActor, EventType, event_id
from oms.webhooks.models import Subscription
from oms.webhooks.schemas import WebhookData

TEST = EventType("webhook.test", WebhookData, "Somebody asked for it, to see it arrive; sent to that webhook alone")
EVENTS = [TEST]


def new_test(subscription: Subscription, *, by: Actor) -> Event[WebhookData]:
    """An event of its own for each time that it is asked for."""
    at = clock.timestamp(clock.now())
    return Event(
        id=event_id(TEST.name, at, subscription.id, clock.random_id()),
        type=TEST.name,
        occurred_at=at,
        sequence=subscription.version,
        actor=EventActor(id=by.id, role=by.role),
        data=WebhookData.of(subscription),
    )
