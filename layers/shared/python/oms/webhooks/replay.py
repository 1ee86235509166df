"""Range replays: send the deliveries of a time range again, ten a second, one replay at a time per subscription."""

from contextlib import suppress
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger
from pynamodb.expressions.update import Action

from oms.audit.models import AuditEntry
from oms.core import clock, queues
from oms.core.dynamodb import ConditionFailedError, delete_item, get_item, retrying, update_item
from oms.core.errors import ReplayRunningError, WebhookNotActiveError
from oms.core.pages import KeyRange, table_page
from oms.core.queues import Message
from oms.core.settings import settings
from oms.core.transactions import TransactionError, transaction
from oms.events.envelope import MOMENT_LENGTH
from oms.webhooks import deliveries
from oms.webhooks.deliveries import RETENTION, due, milliseconds
from oms.webhooks.events import TEST
from oms.webhooks.models import REPLAYS, Delivery, Replay, Subscription

logger = Logger(child=True)

BATCH_SIZE = 10
PAUSE = timedelta(seconds=1)
# One batch reads at most 1,000 deliveries, which takes a second or two if none of them is sent again.
PAGE_SIZE = 100
MAX_PAGES = 10
# A replay without progress for this long fails at every retry: it is ended, so that another can start.
ABANDONED = timedelta(minutes=30)


def start(
    subscription: Subscription, *, since: datetime, until: datetime, only_failed: bool, entry: AuditEntry
) -> Replay:
    """Starts to send again the events from `since` until before `until`, and before now; both in whole seconds.

    `only_failed` leaves out delivered events: it sends those that failed finally, or were paused. `entry` is the audit
    entry, stored in the same transaction. Raises WebhookNotActiveError, ReplayRunningError, UnavailableError.
    """
    if subscription.status != "active":
        raise WebhookNotActiveError(f"The webhook is {subscription.status}.")
    now, key = clock.now(), clock.random_id()
    due_at, due_shard, due_key = due(REPLAYS, key, now)
    replay = Replay(
        *Replay.key(subscription.id),
        id=key,
        position=_position(since),
        last=_position(min(until, now) + timedelta(microseconds=999_999)),
        only_failed=only_failed,
        due_at=due_at,
        due_shard=due_shard,
        due_key=due_key,
        started_at=clock.timestamp(now),
        expires_at=int((now + RETENTION).timestamp()),
    )
    retrying(lambda: _put(replay, entry))
    queues.send_if_possible(settings().replay_queue_url, [_message(replay)])
    return replay


def _put(replay: Replay, entry: AuditEntry) -> None:
    free = Replay.pk.does_not_exist() | (Replay.due_at < milliseconds(clock.now() - ABANDONED))
    try:
        with transaction() as writes:
            writes.save(replay, free, return_values="ALL_OLD")
            writes.save(entry)
    except TransactionError as error:
        if not error.failed(replay):
            raise
        stored = Replay.from_raw_data(error.stored(replay))
        if stored.id != replay.id:  # with the same id, an earlier attempt stored it, and its response was lost
            raise ReplayRunningError("A replay of this webhook is running.") from error


def run_batch(subscription_id: str, due_at: int) -> int | None:
    """Sends the next batch, if the replay is still due at `due_at`, and triggers the batch after it.

    Returns the number of deliveries, or None for a stale message. A delivery stores the id of the replay, so a repeated
    batch sends each delivery once. Raises UnavailableError, NotSentError and botocore's errors; then the message has to
    be retried.
    """
    replay = get_item(Replay, Replay.key(subscription_id))
    if replay is None or replay.due_at != due_at:
        return None
    subscription = get_item(Subscription, Subscription.key(subscription_id))
    if subscription is None or subscription.status != "active":
        _end(replay)
        return 0
    batch, position = _next_batch(replay)
    deliveries.send_trigger([(subscription, deliveries.schedule_now(it, replay=replay.id)) for it in batch])
    if position is None:
        _end(replay)
    else:
        _advance(replay, position)
    return len(batch)


def _next_batch(replay: Replay) -> tuple[list[Delivery], str | None]:
    """The next ten deliveries to send, and the position after them; None at the end. It reads at most ten pages."""
    batch: list[Delivery] = []
    position: str | None = replay.position
    for _ in range(MAX_PAGES):
        page = table_page(Delivery, replay.pk, KeyRange(PAGE_SIZE, high=replay.last, after=position))
        for place, delivery in page.placed:
            if _is_included(delivery, replay):
                batch.append(delivery)
            if len(batch) == BATCH_SIZE:
                return batch, place
        position = page.position
        if position is None:
            break
    return batch, position


def _is_included(delivery: Delivery, replay: Replay) -> bool:
    """Whether the delivery is sent again. Its first attempt may still be due, and a test event is not repeated."""
    if delivery.event_type == TEST:
        return False
    if delivery.status == "pending":
        return delivery.attempt_count > 0
    return delivery.status in ("failed", "paused") or not replay.only_failed


def _advance(replay: Replay, position: str) -> None:
    due_at, due_shard, due_key = due(REPLAYS, replay.id, clock.now() + PAUSE)
    actions: list[Action] = [
        Replay.position.set(position),
        Replay.due_at.set(due_at),
        Replay.due_shard.set(due_shard),
        Replay.due_key.set(due_key),
    ]
    condition = (Replay.id == replay.id) & (Replay.due_at == replay.due_at)

    def write() -> Replay | None:
        try:
            return update_item(replay, actions, condition)
        except ConditionFailedError as error:
            stored = Replay.from_raw_data(error.item) if error.item else None
            return stored if stored and stored.id == replay.id and stored.due_at == due_at else None

    moved = retrying(write)
    if moved is not None:
        queues.send_all(settings().replay_queue_url, [_message(moved, delay=int(PAUSE.total_seconds()))])


def _end(replay: Replay) -> None:
    with suppress(ConditionFailedError):  # it was ended as abandoned, and another was started
        delete_item(replay, Replay.id == replay.id)


def end_abandoned(subscription_id: str, due_at: int) -> None:
    """Ends a replay that is still due at `due_at`, more than `ABANDONED` ago."""
    with suppress(ConditionFailedError):  # it has advanced meanwhile, or another was started
        delete_item(Replay(*Replay.key(subscription_id)), Replay.due_at == due_at)
        logger.error("ended an abandoned replay, which failed at every retry", subscription_id=subscription_id)


def _message(replay: Replay, *, delay: int = 0) -> Message:
    return message(replay.pk.removeprefix(Replay.key("")[0]), replay.due_at, delay=delay)


def message(subscription_id: str, due_at: int, *, delay: int = 0) -> Message:
    return Message({"subscription": subscription_id, "due_at": due_at}, delay)


def _position(moment: datetime) -> str:
    """The sort key before the deliveries of this second's events, and after those of the previous second."""
    return Delivery.key("", clock.encoded(max(0, int(moment.timestamp())), MOMENT_LENGTH))[1]
