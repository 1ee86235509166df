"""Managers' use of webhooks: list deliveries, send a test, replay deliveries."""

from collections.abc import Callable
from datetime import datetime

from oms.core import clock
from oms.core.dynamodb import ConditionFailedError, update_item
from oms.core.pages import HIGHEST, KeyRange, Page, merged_table_page
from oms.core.rate_limits import RateWindow, ReportAllowance
from oms.core.retries import retrying
from oms.webhooks import deliveries, events, replay
from oms.webhooks.models import Delivery, Replay, SentTests, Subscription
from oms.webhooks.service import By, get
from oms.webhooks.shards import partitions_of

TESTS_PER_MINUTE = 5

type MaySee = Callable[[str], bool]
"""Whether the caller may see events of a type."""


def list_deliveries(subscription_id: str, *, limit: int, after: str | None, may_see: MaySee) -> Page[Delivery]:
    """Returns a page of deliveries, newest events first. A page may be short or empty. Raises NotFoundError."""
    get(subscription_id)
    low = Delivery.key(subscription_id, "")[1]
    part = KeyRange(limit, descending=True, low=low, high=low + HIGHEST, after=after)
    page = merged_table_page(Delivery, partitions_of(subscription_id), part)
    return Page([(position, it) for position, it in page.placed if may_see(it.event_type)], page.position)


def send_test(subscription_id: str, *, by: By, report: ReportAllowance) -> Delivery:
    """Sends a test event to this webhook alone. Raises NotFoundError, TooManyRequestsError, WebhookNotActiveError."""
    subscription = get(subscription_id)
    _take_test(subscription, report)
    event = events.new_test(subscription, by=by.actor)
    details = {"delivery": deliveries.delivery_id(subscription.id, event.id)}
    entry = by.entry("webhook.tested", subscription_id, details)
    return deliveries.deliver_now(subscription, event, entry=entry)


def _take_test(subscription: Subscription, report: ReportAllowance) -> None:
    window = RateWindow("webhook-test", TESTS_PER_MINUTE, int(clock.now().timestamp()))
    counter = SentTests(*SentTests.key(subscription.id, window.number), expires_at=window.forgotten_at)
    try:
        # A retry after a lost response counts the test twice, which only uses up one more test.
        counted = retrying(lambda: update_item(counter, *counter.increment(window.limit)))
    except ConditionFailedError as error:
        report(window.allowance(window.limit))
        raise window.refusal() from error
    report(window.allowance(counted.n))


def replay_delivery(subscription_id: str, delivery_id: str, *, by: By, may_see: MaySee) -> Delivery:
    """Restarts the attempts of a delivery. Raises NotFoundError, WebhookNotActiveError."""
    entry = by.entry("webhook.replayed", subscription_id, {"delivery": delivery_id})
    return deliveries.replay_one(get(subscription_id), delivery_id, may_see=may_see, entry=entry)


def replay_range(subscription_id: str, *, since: datetime, until: datetime, only_failed: bool, by: By) -> Replay:
    """Starts a replay of a time range. Raises NotFoundError, WebhookNotActiveError, ReplayRunningError."""
    details: dict[str, str | int] = {"from": clock.timestamp(since), "to": clock.timestamp(until)}
    entry = by.entry("webhook.replayed", subscription_id, details | {"only_failed": int(only_failed)})
    return replay.start(get(subscription_id), since=since, until=until, only_failed=only_failed, entry=entry)
