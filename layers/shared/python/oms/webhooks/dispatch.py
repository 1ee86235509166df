"""Dispatch: creates the deliveries of one event, and triggers them. The sweep finds deliveries without a trigger."""

from collections.abc import Sequence
from itertools import batched

from oms.core.queues import MAX_BATCH_MESSAGES
from oms.events.envelope import PublishedEvent
from oms.webhooks import deliveries
from oms.webhooks.matcher import SubscriptionMatcher
from oms.webhooks.models import Delivery, Subscription

# No delivery of a batch is created later than this after the batch began. Creating takes at most 6 s, and triggering
# 18 s more. So the failed messages are reported before the dispatcher's timeout.
START_DEADLINE_SECONDS = 35.0


class Dispatch:
    """The dispatch of a batch of events, which creates and triggers their deliveries.

    After a failed write, the subscription is skipped for the rest of the batch; after a failed trigger, so are all
    triggers. Otherwise the retries would use up the time of the other events.
    """

    def __init__(self, matcher: SubscriptionMatcher) -> None:
        self._matcher = matcher
        self._failed: dict[str, Exception] = {}
        self._trigger_failure: Exception | None = None

    def of(self, event: PublishedEvent) -> int:
        """Creates and triggers the event's deliveries, and returns their number.

        A repeated event has the same deliveries, which are triggered again. Raises ExceptionGroup if deliveries are
        missing; the others are created.
        """
        subscriptions = self._matcher.of(event.type)
        # The senders begin while the deliveries of later batches are being created.
        created = sum(self._deliver(event, it) for it in batched(subscriptions, MAX_BATCH_MESSAGES, strict=False))
        failures = [self._failed[it.id] for it in subscriptions if it.id in self._failed]
        if created and self._trigger_failure:
            failures.append(self._trigger_failure)
        if failures:
            raise ExceptionGroup(f"not all of {len(subscriptions)} deliveries were created and triggered", failures)
        return created

    def _deliver(self, event: PublishedEvent, subscriptions: Sequence[Subscription]) -> int:
        """Creates these deliveries, triggers them together, and returns their number."""
        created: list[tuple[Subscription, Delivery]] = []
        for subscription in subscriptions:
            if subscription.id in self._failed:
                continue
            try:
                created.append((subscription, _delivery(subscription, event)))
            except Exception as failure:
                self._failed[subscription.id] = failure
        self._trigger(created)
        return len(created)

    def _trigger(self, created: list[tuple[Subscription, Delivery]]) -> None:
        if self._trigger_failure is None:
            try:
                deliveries.send_trigger(created)
            except Exception as failure:
                self._trigger_failure = failure


def _delivery(subscription: Subscription, event: PublishedEvent) -> Delivery:
    return deliveries.create(subscription, event_id=event.id, event_type=event.type, body=event.body)
