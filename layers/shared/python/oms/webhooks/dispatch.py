"""From one event to its deliveries: put first, then nudged, so that what was put is sent, if need be by the sweep."""

from oms.events import PublishedEvent
from oms.webhooks import deliveries
from oms.webhooks.audience import Audience
from oms.webhooks.models import Delivery, Subscription


class Dispatch:
    """Makes the deliveries of a batch of events. A subscription whose delivery could not be put is left out for the
    rest of the batch: waiting for it again and again would take the time of all others.
    """

    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self._failed: dict[str, Exception] = {}

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
        deliveries.nudge(made)
        failures = [self._failed[it.id] for it in wanting if it.id in self._failed]
        if failures:
            raise ExceptionGroup(f"{len(failures)} of {len(wanting)} deliveries were not made", failures)
        return len(made)


def _delivery(subscription: Subscription, event: PublishedEvent) -> Delivery:
    return deliveries.create(subscription, event_id=event.id, event_type=event.type, body=event.body)
