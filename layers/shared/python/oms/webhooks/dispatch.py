"""From one event to its deliveries: put first, then nudged, so that what was put is sent, if need be by the sweep."""

from oms.events.envelope import PublishedEvent
from oms.webhooks import deliveries
from oms.webhooks.matcher import SubscriptionMatcher
from oms.webhooks.models import Delivery, Subscription

# No delivery of a batch is put later than so many seconds after it began. A put takes 6 s at most, and nudges 18 more:
# so what was put is nudged, and which events come again is reported, before the dispatcher's time is over.
START_DEADLINE_SECONDS = 35.0


class Dispatch:
    """Makes the deliveries of a batch of events. A subscription whose delivery could not be put is left out for the
    rest of the batch, and so are nudges where one could not be sent: waiting again and again would take the time of all
    others.
    """

    def __init__(self, audience: SubscriptionMatcher) -> None:
        self._audience = audience
        self._failed: dict[str, Exception] = {}
        self._unsent: Exception | None = None

    def of(self, event: PublishedEvent) -> int:
        """How many deliveries the event has. Dispatched again it has the same; those still pending are nudged again.

        Raises ExceptionGroup when it has not all of them; those that it has are on their way.
        """
        wanting = self._audience.of(event.type)
        made: list[tuple[Subscription, Delivery]] = []
        for subscription in wanting:
            if subscription.id in self._failed:
                continue
            try:
                made.append((subscription, _delivery(subscription, event)))
            except Exception as failure:
                self._failed[subscription.id] = failure
        self._nudge(made)
        failures = [self._failed[it.id] for it in wanting if it.id in self._failed]
        if made and self._unsent:
            failures.append(self._unsent)
        if failures:
            raise ExceptionGroup(f"not all of {len(wanting)} deliveries were made and nudged", failures)
        return len(made)

    def _nudge(self, made: list[tuple[Subscription, Delivery]]) -> None:
        if self._unsent is None:
            try:
                deliveries.send_trigger(made)
            except Exception as failure:
                self._unsent = failure


def _delivery(subscription: Subscription, event: PublishedEvent) -> Delivery:
    return deliveries.create(subscription, event_id=event.id, event_type=event.type, body=event.body)
