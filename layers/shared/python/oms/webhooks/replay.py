"""Sending the deliveries of a stretch of time again: ten a second, one stretch at a time for a subscription."""

from datetime import datetime, timedelta

from oms import clock, queues
from oms.dynamodb import ConditionFailedError, put_item, retrying
from oms.errors import ReplayRunningError, WebhookNotActiveError
from oms.events import MOMENT_LENGTH
from oms.settings import settings
from oms.webhooks.deliveries import KEPT, due, milliseconds
from oms.webhooks.models import Delivery, Replay, Subscription

# What has not moved on for so long fails at every try: it is not to keep others from being begun.
_ABANDONED = timedelta(minutes=30)


def start(subscription: Subscription, *, since: datetime, until: datetime, only_failed: bool) -> Replay:
    """Begins to send again what happened from `since` until before `until`, and before now; whole seconds.

    `only_failed`: what failed for good or was kept while the subscription was not active, not what was delivered.
    Raises WebhookNotActiveError, ReplayRunningError, UnavailableError.
    """
    if subscription.status != "active":
        raise WebhookNotActiveError(f"The webhook is {subscription.status}.")
    now, key = clock.now(), clock.random_id()
    due_at, due_shard, due_key = due(key, now)
    replay = Replay(
        *Replay.key(subscription.id),
        id=key,
        position=_place(since),
        last=_place(min(until, now) + timedelta(microseconds=999_999)),
        only_failed=only_failed,
        due_at=due_at,
        due_shard=due_shard,
        due_key=due_key,
        started_at=clock.timestamp(now),
        expires_at=int((now + KEPT).timestamp()),
    )
    free = Replay.pk.does_not_exist() | (Replay.due_at < milliseconds(now - _ABANDONED))

    def put() -> None:
        try:
            put_item(replay, free)
        except ConditionFailedError as error:
            stored = Replay.from_raw_data(error.item or {})
            if stored.id != replay.id:  # it is ours when an earlier attempt's answer was lost
                raise ReplayRunningError("A replay of this webhook is running.") from error

    retrying(put)
    _nudge(replay, delay=0)
    return replay


def _nudge(replay: Replay, *, delay: int) -> None:
    subscription_id = replay.pk.removeprefix(Replay.key("")[0])
    queues.send(settings().replay_queue_url, {"subscription": subscription_id, "due_at": replay.due_at}, delay=delay)


def _place(moment: datetime) -> str:
    """Before the deliveries of the events of a second, and after those of the second before."""
    return Delivery.key("", clock.encoded(max(0, int(moment.timestamp())), MOMENT_LENGTH))[1]
