"""Sending the deliveries of a stretch of time again: ten a second, one stretch at a time for a subscription."""

from contextlib import suppress
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger
from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.update import Action

from oms.audit.models import AuditEntry
from oms.core import clock, queues
from oms.core.dynamodb import ConditionFailedError, delete_item, failed, get_item, retrying, transaction, update_item
from oms.core.errors import ReplayRunningError, WebhookNotActiveError
from oms.core.pages import KeyRange, table_page
from oms.core.queues import Message
from oms.core.settings import settings
from oms.events.envelope import MOMENT_LENGTH
from oms.webhooks import deliveries
from oms.webhooks.deliveries import KEPT, due, milliseconds
from oms.webhooks.events import TEST
from oms.webhooks.models import REPLAYS, Delivery, Replay, Subscription

logger = Logger(child=True)

AT_ONCE = 10
PAUSE = timedelta(seconds=1)
# Of what is not sent again much is read at once: 1,000 deliveries, a second or two.
PAGE = 100
MAX_PAGES = 10
# What has not moved on for so long fails at every try: it is given up, and keeps no other from being begun.
ABANDONED = timedelta(minutes=30)


def start(
    subscription: Subscription, *, since: datetime, until: datetime, only_failed: bool, entry: AuditEntry
) -> Replay:
    """Begins to send again what happened from `since` until before `until`, and before now; whole seconds.

    `only_failed`: what failed for good or was kept while the subscription was not active, not what was delivered.
    `entry` is put with it.
    Raises WebhookNotActiveError, ReplayRunningError, UnavailableError.
    """
    if subscription.status != "active":
        raise WebhookNotActiveError(f"The webhook is {subscription.status}.")
    now, key = clock.now(), clock.random_id()
    due_at, due_shard, due_key = due(REPLAYS, key, now)
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
    retrying(lambda: _put(replay, entry))
    queues.send_if_possible(settings().replay_queue_url, [_message(replay)])
    return replay


def _put(replay: Replay, entry: AuditEntry) -> None:
    free = Replay.pk.does_not_exist() | (Replay.due_at < milliseconds(clock.now() - ABANDONED))
    try:
        with transaction() as writes:
            writes.save(replay, free, return_values="ALL_OLD")
            writes.save(entry)
    except TransactWriteError as error:
        own, *_ = error.cancellation_reasons or [None]
        if not failed(own):
            raise
        stored = Replay.from_raw_data(own.raw_item or {})
        if stored.id != replay.id:  # it is ours when an earlier attempt's answer was lost
            raise ReplayRunningError("A replay of this webhook is running.") from error


def go_on(subscription_id: str, due_at: int) -> int | None:
    """Sends the next stretch, if the replay is due as the message says, and asks for the one after it.

    How many deliveries were taken up; None where the message was stale. Each is taken up once, however often a stretch
    is begun: it keeps the replay's mark. Raises UnavailableError, NotSentError and botocore's errors; then the message
    is to come again.
    """
    replay = get_item(Replay, Replay.key(subscription_id))
    if replay is None or replay.due_at != due_at:
        return None
    subscription = get_item(Subscription, Subscription.key(subscription_id))
    if subscription is None or subscription.status != "active":
        _end(replay)
        return 0
    wanted, position = _stretch(replay)
    deliveries.send_trigger([(subscription, deliveries.schedule_now(it, replay=replay.id)) for it in wanted])
    if position is None:
        _end(replay)
    else:
        _move_on(replay, position)
    return len(wanted)


def _stretch(replay: Replay) -> tuple[list[Delivery], str | None]:
    """The next ten deliveries to send, and where to go on; None at the end. It looks at so many, and no more."""
    wanted: list[Delivery] = []
    position: str | None = replay.position
    for _ in range(MAX_PAGES):
        page = table_page(Delivery, replay.pk, KeyRange(PAGE, high=replay.last, after=position))
        for place, delivery in page.placed:
            if _is_wanted(delivery, replay):
                wanted.append(delivery)
            if len(wanted) == AT_ONCE:
                return wanted, place
        position = page.position
        if position is None:
            break
    return wanted, position


def _is_wanted(delivery: Delivery, replay: Replay) -> bool:
    """What is pending and was not attempted yet is on its way anyway. A test was of its moment."""
    if delivery.event_type == TEST:
        return False
    if delivery.status == "pending":
        return delivery.made > 0
    return delivery.status in ("failed", "paused") or not replay.only_failed


def _move_on(replay: Replay, position: str) -> None:
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
    with suppress(ConditionFailedError):  # it was given up, and another was begun
        delete_item(replay, Replay.id == replay.id)


def give_up(subscription_id: str, due_at: int) -> None:
    """Ends one that has stood still since it was due then, which was longer than `ABANDONED` ago."""
    with suppress(ConditionFailedError):  # it has moved on, or another was begun
        delete_item(Replay(*Replay.key(subscription_id)), Replay.due_at == due_at)
        logger.error("a replay was given up: it has failed at every try", subscription_id=subscription_id)


def _message(replay: Replay, *, delay: int = 0) -> Message:
    return message(replay.pk.removeprefix(Replay.key("")[0]), replay.due_at, delay=delay)


def message(subscription_id: str, due_at: int, *, delay: int = 0) -> Message:
    return Message({"subscription": subscription_id, "due_at": due_at}, delay)


def _place(moment: datetime) -> str:
    """Before the deliveries of the events of a second, and after those of the second before."""
    return Delivery.key("", clock.encoded(max(0, int(moment.timestamp())), MOMENT_LENGTH))[1]
