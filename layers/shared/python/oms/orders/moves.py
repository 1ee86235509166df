"""Moves of an order. Each move is one write, or one transaction of the order and the stock items that it changes.

A move decides the transition, applies it to the order in memory, and writes it on condition that the order has not
changed since it was read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms.core import clock
from oms.core.actors import Actor, System
from oms.core.dynamodb import ConditionFailedError, update_item
from oms.core.errors import InvalidTransitionError, OmsError
from oms.core.idempotency import IdempotentResult, check_same_request, keyed_id, request_hash, run_idempotent
from oms.core.retries import ConcurrentUpdateError
from oms.core.schemas import EmptyRequest, Request
from oms.core.transactions import TransactionError, transaction
from oms.core.versions import ANY_VERSION, ExpectedVersion
from oms.inventory.models import StockItem
from oms.orders.models import HistoryEntry, Order, Shipment, shard_number, status_keys
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
from oms.orders.transitions import RequestOrigin, apply_changes, cause_of, stock_actions
from oms.orders.views import View
from oms.orders.visibility import ALL_ORDERS, Visibility


@dataclass(frozen=True)
class MoveRequest[Body: Request]:
    """A request to move an order that `visibility` includes. The caller shows the moved order in `view`."""

    actor: Actor
    body: Body
    visibility: Visibility = ALL_ORDERS
    key: str | None = None
    expected_version: ExpectedVersion = ANY_VERSION
    view: View | None = None


@dataclass(frozen=True)
class Transition:
    """The change that a move makes: a history entry, and a shipment if the order is shipped."""

    entry: HistoryEntry
    shipment: Shipment | None = None

    @property
    def target(self) -> OrderStatus:
        return OrderStatus(self.entry.to)


def confirm_order(order_id: str, request: MoveRequest[EmptyRequest]) -> IdempotentResult[Order]:
    return _move(order_id, CONFIRM, request)


def cancel_order(order_id: str, request: MoveRequest[CancelRequest]) -> IdempotentResult[Order]:
    """Cancels an order, and makes its reserved units available again."""
    return _move(order_id, CANCEL, request, reason=request.body.reason)


def ship_order(order_id: str, request: MoveRequest[ShipRequest]) -> IdempotentResult[Order]:
    """Marks an order as shipped, and removes its reserved units from the stock."""
    return _move(order_id, SHIP, request, shipped=request.body)


def deliver_order(order_id: str, request: MoveRequest[EmptyRequest]) -> IdempotentResult[Order]:
    return _move(order_id, DELIVER, request)


def return_order(order_id: str, request: MoveRequest[ReturnRequest]) -> IdempotentResult[Order]:
    """Takes an order back, and makes its units available again if the request says `restock`."""
    return _move(order_id, RETURN, request, reason=request.body.reason, restocked=request.body.restock)


def expire_order(order_id: str, *, now: datetime, seen: Order | None = None) -> IdempotentResult[Order]:
    """Expires an order whose hold is due at `now`.

    Raises InvalidTransitionError if the hold is not due, or if another move was earlier.

    `seen` is the order that the caller has just read. If it has changed since, it is read again.
    """
    return _move(order_id, EXPIRE, MoveRequest(System(), EmptyRequest()), seen=seen, due_at=now)


@dataclass(frozen=True)
class PlannedMove:
    """A move of one order, as a request makes it. With `due_at`, only if the hold is due at this time."""

    order_id: str
    move: Move
    request: MoveRequest[Any]
    origin: RequestOrigin
    reason: str | None
    restocked: bool | None
    shipped: ShipRequest | None
    due_at: datetime | None


def _move[Body: Request](
    order_id: str,
    move: Move,
    request: MoveRequest[Body],
    *,
    reason: str | None = None,
    restocked: bool | None = None,
    shipped: ShipRequest | None = None,
    seen: Order | None = None,
    due_at: datetime | None = None,
) -> IdempotentResult[Order]:
    key = keyed_id(request.actor.id, f"POST /orders/{order_id}/{move.name}", request.key)
    origin = RequestOrigin(request.actor, key, request_hash(request.body))
    planned = PlannedMove(order_id, move, request, origin, reason, restocked, shipped, due_at)
    # The first attempt takes the order that was just read; each further one reads it again.
    first = [seen] if seen else []
    return run_idempotent(
        lambda: _try_to_move(planned, first.pop() if first else _read(planned)),
        # Each attempt reads the order first, so only an attempt with an unknown outcome needs this afterwards.
        find_previous=lambda: _find_previous(planned, _read(planned)),
        keyed=False,
    )


def _try_to_move(planned: PlannedMove, order: Order) -> IdempotentResult[Order]:
    """Tries once. Raises ConcurrentUpdateError if the order has changed since it was read."""
    if previous := _find_previous(planned, order):
        return previous
    request, move = planned.request, planned.move
    request.expected_version.check(order.version)
    if planned.due_at is not None:
        _require_due(order, planned.due_at)
    if request.view is not None:
        # The response shows the customer. If a read after the write failed, its error would hide the move.
        request.view.load_customers([order])
    at = clock.timestamp(clock.now())
    source = _source(order, move)
    entry = planned.origin.entry(source, move.target, at, reason=planned.reason, restocked=planned.restocked)
    shipment = Shipment(**planned.shipped.model_dump(), shipped_at=at) if planned.shipped else None
    _write(order, Transition(entry, shipment))
    return IdempotentResult(order, replayed=False)


def _read(planned: PlannedMove) -> Order:
    return get_order(planned.order_id, visibility=planned.request.visibility)


def _find_previous(planned: PlannedMove, order: Order) -> IdempotentResult[Order] | None:
    """Returns the order if an earlier request with the same key has moved it.

    Raises IdempotencyKeyReusedError if that request was different.
    """
    entry = order.entry(planned.origin.key)
    if entry is None:
        return None
    check_same_request(entry.request_hash, planned.origin.request_hash)
    return IdempotentResult(order, replayed=planned.request.key is not None)


def _require_due(order: Order, now: datetime) -> None:
    if order.expires_at is None or clock.instant(order.expires_at) > now:
        raise InvalidTransitionError("The order has not reached its expiry time.")


def _source(order: Order, move: Move) -> OrderStatus:
    """Returns the status before the move. Raises InvalidTransitionError if the move is not allowed from it."""
    if order.status not in move.sources:
        raise InvalidTransitionError(
            f"An order that is {order.status} cannot become {move.target}.",
            extra={"from": order.status, "to": move.target},
        )
    return OrderStatus(order.status)


def _write(order: Order, transition: Transition) -> None:
    """Applies the transition and writes it. Raises ConcurrentUpdateError if the order has changed since it was read."""
    unchanged = (Order.status == order.status) & (Order.version == order.version)
    actions = _apply_transition(order, transition)
    effect = stock_effect(transition.target, restocked=bool(transition.entry.restocked))
    try:
        if effect:
            _write_with_stock(order, actions, unchanged, effect)
        else:
            update_item(Order(order.id), actions, unchanged)
    except ConditionFailedError as error:
        raise ConcurrentUpdateError from error
    except TransactionError as error:
        if error.failed(order):
            raise ConcurrentUpdateError from error
        if error.any_failed and not error.has_reason(order):
            raise OmsError("A stock item of this order is missing or has too few reserved units.") from error
        raise


def _apply_transition(order: Order, transition: Transition) -> list[Action]:
    """Changes the order in memory, and returns the actions that change the stored order in the same way."""
    entry, target = transition.entry, transition.target
    changes: dict[str, Any] = {
        "status": target,
        **status_keys(customer_id=order.customer_id, status=target, shard=shard_number(order)),
        "expires_at": None,
    }
    if transition.shipment is not None:
        changes["shipment"] = transition.shipment
    if target is OrderStatus.CANCELLED and entry.reason is not None:
        changes["cancel_reason"] = entry.reason
    return apply_changes(order, entry, changes)


def _write_with_stock(order: Order, actions: Sequence[Action], unchanged: Condition, effect: StockEffect) -> None:
    """Writes the order and the stock items of its lines in one transaction."""
    cause = cause_of(order, order.status)
    with transaction() as write:
        write.update(Order(order.id), actions=list(actions), condition=unchanged, return_values="ALL_OLD")
        for line in order.lines:
            for allocation in line.drawn:
                units = allocation.quantity
                enough = StockItem.reserved >= units if effect.reserved < 0 else StockItem.pk.exists()
                write.update(
                    StockItem(*StockItem.key(line.product_id, allocation.shard)),
                    actions=stock_actions(effect, units, cause),
                    condition=enough,
                )
