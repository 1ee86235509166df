"""Range replays: send the deliveries of a time range again, ten a second, one replay at a time per subscription."""

from contextlib import suppress
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger
from pynamodb.expressions.update import Action

from oms.audit.models import AuditEntry
from oms.core import clock, queues
from oms.core.dynamodb import ConditionFailedError, delete_item, get_item, update_item
from oms.core.errors import ReplayRunningError, WebhookNotActiveError
from oms.core.pages import KeyRange, merged_table_page
from oms.core.queues import OutgoingMessage
from oms.core.retries import retrying
from oms.core.settings import settings
from oms.core.transactions import TransactionError, transaction
from oms.events.envelope import TIME_LENGTH
from oms.webhooks import deliveries
from oms.webhooks.deliveries import RETENTION, due, milliseconds
from oms.webhooks.events import TEST
from oms.webhooks.models import REPLAYS, Delivery, Replay, Subscription
from oms.webhooks.shards import partitions_of

logger = Logger(child=True)

BATCH_SIZE = 10
PAUSE = timedelta(seconds=1)
# One batch reads at most 1,000 deliveries, which takes a second or two if none of them is sent again.
PAGE_SIZE = 100
MAX_PAGES = 10
# A replay without progress for this long fails at every retry. It is ended, so that another can start.
ABANDONED_AFTER = timedelta(minutes=30)


def start(
    subscription: Subscription, *, since: datetime, until: datetime, only_failed: bool, entry: AuditEntry
) -> Replay:
    """Starts to send the events again that occurred at `since` or later, and before `until` and now.

    Both times are whole seconds. `only_failed` leaves out delivered events; the replay sends the failed and the paused
    ones. `entry` is the audit entry, stored in the same transaction. Raises WebhookNotActiveError, ReplayRunningError,
    UnavailableError.
    """
    if subscription.status != "active":
        raise WebhookNotActiveError(f"The webhook is {subscription.status}. Set its status to active first.")
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
    free = Replay.pk.does_not_exist() | (Replay.due_at < milliseconds(clock.now() - ABANDONED_AFTER))
    try:
        with transaction() as writes:
            writes.save(replay, free, return_values="ALL_OLD")
            writes.save(entry)
    except TransactionError as error:
        if not error.failed(replay):
            raise
        stored = Replay.from_raw_data(error.stored(replay))
        if stored.id != replay.id:  # the same id: an earlier attempt stored it, and its response was lost
            raise ReplayRunningError("A replay of this webhook is running. Wait until it has ended.") from error


def run_batch(subscription_id: str, due_at: int) -> int | None:
    """Sends the next batch if the replay is still due at `due_at`, and triggers the batch after it.

    Returns the number of deliveries, or None for a stale message. A delivery stores the id of the replay, so a repeated
    batch sends each delivery once. Raises UnavailableError, NotSentError and botocore's errors; then the caller must
    retry the message.
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
    """Returns the next ten deliveries to send, and the position after them; None at the end.

    Reads at most ten pages, so a batch may be smaller.
    """
    batch: list[Delivery] = []
    position: str | None = replay.position
    partitions = partitions_of(replay.pk.removeprefix(Replay.key("")[0]))
    for _ in range(MAX_PAGES):
        page = merged_table_page(Delivery, partitions, KeyRange(PAGE_SIZE, high=replay.last, after=position))
        for delivery_position, delivery in page.placed:
            if _is_included(delivery, replay):
                batch.append(delivery)
            if len(batch) == BATCH_SIZE:
                return batch, delivery_position
        position = page.position
        if position is None:
            break
    return batch, position


def _is_included(delivery: Delivery, replay: Replay) -> bool:
    """Whether the delivery is sent again: not if its first attempt is still due, and not if it is of a test event."""
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

    advanced = retrying(write)
    if advanced is not None:
        queues.send_all(settings().replay_queue_url, [_message(advanced, delay=int(PAUSE.total_seconds()))])


def _end(replay: Replay) -> None:
    with suppress(ConditionFailedError):  # it was ended as abandoned, and another replay was started
        delete_item(replay, Replay.id == replay.id)


def end_abandoned(subscription_id: str, due_at: int) -> None:
    """Ends a replay that is still due at `due_at`, more than `ABANDONED_AFTER` ago."""
    with suppress(ConditionFailedError):  # it has advanced meanwhile, or another replay was started
        delete_item(Replay(*Replay.key(subscription_id)), Replay.due_at == due_at)
        logger.error("an abandoned replay was ended, because it failed at every retry", subscription_id=subscription_id)


def _message(replay: Replay, *, delay: int = 0) -> OutgoingMessage:
    return message(replay.pk.removeprefix(Replay.key("")[0]), replay.due_at, delay=delay)


def message(subscription_id: str, due_at: int, *, delay: int = 0) -> OutgoingMessage:
    return OutgoingMessage({"subscription": subscription_id, "due_at": due_at}, delay)


def _position(moment: datetime) -> str:
    """Returns the sort key before the deliveries of this second's events, and after those of the previous second."""
    return Delivery.key("", clock.encoded(max(0, int(moment.timestamp())), TIME_LENGTH))[1]
