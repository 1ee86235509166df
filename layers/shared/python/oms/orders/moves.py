"""Orders on their way: each move is one transaction over the order and the stock that it moves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms.core import clock
from oms.core.actors import Actor, System
from oms.core.dynamodb import ConditionFailedError, TryAgainError, failed, transaction, update_item
from oms.core.errors import InvalidTransitionError, OmsError
from oms.core.idempotency import Written, check_same_request, keyed_id, request_hash, settle
from oms.core.schemas import EmptyRequest, Request
from oms.inventory.models import StockItem
from oms.orders.models import HistoryEntry, Order, Shipment, open_shard, shard_number
from oms.orders.schemas import CancelRequest, ReturnRequest, ShipRequest
from oms.orders.service import get_order
from oms.orders.states import (
    CANCEL,
    CONFIRM,
    DELIVER,
    EXPIRE,
    RETURN,
    SHIP,
    Move,
    OrderStatus,
    StockEffect,
    stock_effect,
)
from oms.orders.transitions import Origin, cause_of, stock_actions


@dataclass(frozen=True)
class Asked[Body: Request]:
    """A request for a move. `owner` keeps it to that customer's orders; `check` may refuse the order as it is."""

    actor: Actor
    body: Body
    owner: str | None = None
    key: str | None = None
    check: Callable[[Order], None] = lambda _: None


def confirm_order(order_id: str, asked: Asked[EmptyRequest]) -> Written[Order]:
    return _move(order_id, CONFIRM, asked)


def cancel_order(order_id: str, asked: Asked[CancelRequest]) -> Written[Order]:
    """Gives the reserved units back."""
    return _move(order_id, CANCEL, asked, reason=asked.body.reason)


def ship_order(order_id: str, asked: Asked[ShipRequest]) -> Written[Order]:
    """The reserved units leave the house."""
    return _move(order_id, SHIP, asked, parcel=asked.body)


def deliver_order(order_id: str, asked: Asked[EmptyRequest]) -> Written[Order]:
    return _move(order_id, DELIVER, asked)


def return_order(order_id: str, asked: Asked[ReturnRequest]) -> Written[Order]:
    """Puts the units back on sale, unless they are not to be restocked."""
    return _move(order_id, RETURN, asked, reason=asked.body.reason, restocked=asked.body.restock)


def expire_order(order_id: str, *, now: datetime, seen: Order | None = None) -> Written[Order]:
    """Ends a hold that is due at `now`. A confirm that came first wins: then this is an InvalidTransitionError.

    `seen` is the order as it was read lately; where it has changed since, it is read again.
    """

    def is_due(order: Order) -> None:
        if order.expires_at is None or clock.instant(order.expires_at) > now:
            raise InvalidTransitionError("The order is not due.")

    return _move(order_id, EXPIRE, Asked(System(), EmptyRequest(), check=is_due), seen=seen)


def _move[Body: Request](
    order_id: str,
    move: Move,
    asked: Asked[Body],
    *,
    reason: str | None = None,
    restocked: bool | None = None,
    parcel: ShipRequest | None = None,
    seen: Order | None = None,
) -> Written[Order]:
    key = keyed_id(asked.actor.id, f"POST /orders/{order_id}/{move.name}", asked.key)
    origin = Origin(asked.actor, key, request_hash(asked.body))

    def made_before(order: Order) -> Written[Order] | None:
        entry = order.entry(origin.key)
        if entry is None:
            return None
        check_same_request(entry.request_hash, origin.request_hash)
        return Written(order, replayed=asked.key is not None)

    def attempt() -> Written[Order]:
        nonlocal seen
        order, seen = seen or get_order(order_id, owner=asked.owner), None
        earlier = made_before(order)
        if earlier is not None:
            return earlier
        asked.check(order)
        if order.status not in move.sources:
            raise InvalidTransitionError(
                f"An order that is {order.status} cannot become {move.target}.",
                extra={"from": order.status, "to": move.target},
            )
        at = clock.timestamp(clock.now())
        entry = origin.entry(order.status, move.target, at, reason=reason, restocked=restocked)
        return Written(_write(order, entry, parcel), replayed=False)

    # An attempt starts by reading the order, so only one whose outcome is unknown needs another look.
    return settle(attempt, made_before=lambda: made_before(get_order(order_id, owner=asked.owner)), keyed=False)


def _write(order: Order, entry: HistoryEntry, parcel: ShipRequest | None) -> Order:
    """Writes the transition if the order is still as it was read; TryAgainError if it is not."""
    unchanged = (Order.status == order.status) & (Order.version == order.version)
    actions = _enter(order, entry, parcel)
    effect = stock_effect(OrderStatus(entry.to), restocked=bool(entry.restocked))
    try:
        if effect:
            _write_with_stock(order, actions, unchanged, effect)
        else:
            update_item(Order(order.id), actions, unchanged)
    except ConditionFailedError as error:
        raise TryAgainError from error
    except TransactWriteError as error:
        order_reason, *stock_reasons = error.cancellation_reasons or [None]
        if failed(order_reason):
            raise TryAgainError from error
        if order_reason is None and any(failed(reason) for reason in stock_reasons):
            raise OmsError("The stock of this order does not add up.") from error
        raise
    return order


def _enter(order: Order, entry: HistoryEntry, parcel: ShipRequest | None) -> list[Action]:
    """Puts the order into the entry's state, in memory, and returns the actions that do the same in the table."""
    target = OrderStatus(entry.to)
    order.status = target
    order.version += 1
    order.updated_at = entry.at
    order.history.append(entry)
    order.open_shard = open_shard(target, shard_number(order))
    order.expires_at = None
    actions: list[Action] = [
        Order.status.set(order.status),
        Order.version.set(order.version),
        Order.updated_at.set(order.updated_at),
        Order.history.set(Order.history.append([entry])),
        Order.open_shard.set(order.open_shard) if order.open_shard else Order.open_shard.remove(),
        Order.expires_at.remove(),
    ]
    if parcel is not None:
        order.shipment = Shipment(**parcel.model_dump(), shipped_at=entry.at)
        actions.append(Order.shipment.set(order.shipment))
    if target is OrderStatus.CANCELLED and entry.reason is not None:
        order.cancel_reason = entry.reason
        actions.append(Order.cancel_reason.set(entry.reason))
    return actions


def _write_with_stock(order: Order, actions: Sequence[Action], unchanged: Condition, effect: StockEffect) -> None:
    """One transaction: the order's transition, and its units to where it takes them."""
    cause = cause_of(order, order.status)
    with transaction() as write:
        write.update(Order(order.id), actions=list(actions), condition=unchanged, return_values="ALL_OLD")
        for line in order.lines:
            for draw in line.drawn:
                enough = StockItem.reserved >= draw.quantity if effect.reserved < 0 else StockItem.pk.exists()
                write.update(
                    StockItem(*StockItem.key(line.product_id, draw.shard)),
                    actions=stock_actions(effect, draw.quantity, cause),
                    condition=enough,
                )
