"""Edits of an order: changes of its addresses, note, purchase order, metadata and tags. Each is one write of the order.

An edit is an entry of the history, like a move, but leaves the status as it is.
"""

from typing import Any

from oms.core import clock
from oms.core.actors import Actor
from oms.core.dynamodb import ConditionFailedError, update_item
from oms.core.errors import InvalidRequestError, OrderClosedError, TooManyEditsError
from oms.core.idempotency import IdempotentResult, check_same_request, keyed_id, request_hash, run_idempotent
from oms.core.retries import ConcurrentUpdateError
from oms.orders.content_schemas import UpdateOrderRequest, check_metadata
from oms.orders.models import Order
from oms.orders.moves import MoveRequest
from oms.orders.service import get_order
from oms.orders.states import OPEN, OrderStatus
from oms.orders.transitions import RequestOrigin, apply_changes

# The history is part of the order, so each edit makes the order larger. Customers have fewer, so that a customer cannot
# use up those of the shop.
MAX_EDITS = 100
MAX_EDITS_OF_CUSTOMER = 50


def update_order(order_id: str, request: MoveRequest[UpdateOrderRequest]) -> IdempotentResult[Order]:
    """Changes fields of an order that is not shipped yet. Customers may change an order only while it is pending.

    A request that changes nothing writes nothing. Raises NotFoundError, StaleVersionError (412), OrderClosedError and
    TooManyEditsError (409), InvalidRequestError and IdempotencyKeyReusedError (422), and UnavailableError (503) after
    lasting contention.
    """
    key = keyed_id(request.actor.id, f"PATCH /orders/{order_id}", request.key)
    origin = RequestOrigin(request.actor, key, request_hash(request.body, null_is_default=False))

    def read() -> Order:
        return get_order(order_id, visibility=request.visibility)

    return run_idempotent(
        lambda: _try_to_update(read(), request, origin),
        # Each attempt reads the order first, so only an attempt with an unknown outcome needs this afterwards.
        find_previous=lambda: _find_previous(read(), request, origin),
        keyed=False,
    )


def _try_to_update(
    order: Order, request: MoveRequest[UpdateOrderRequest], origin: RequestOrigin
) -> IdempotentResult[Order]:
    """Tries once. Raises ConcurrentUpdateError if the order has changed since it was read."""
    if previous := _find_previous(order, request, origin):
        return previous
    request.expected_version.check(order.version)
    _require_open(order, request.actor)
    if request.view is not None:
        # The response shows the customer. If a read after the write failed, its error would hide the edit.
        request.view.load_customers([order])
    if changes := _changes(order, request.body):
        _require_further_edit(order, request.actor)
        _write(order, changes, origin)
    return IdempotentResult(order, replayed=False)


def _find_previous(
    order: Order, request: MoveRequest[UpdateOrderRequest], origin: RequestOrigin
) -> IdempotentResult[Order] | None:
    """Returns the order if an earlier request with the same key has edited it.

    Raises IdempotencyKeyReusedError if that request was different.
    """
    entry = order.entry(origin.key)
    if entry is None:
        return None
    check_same_request(entry.request_hash, origin.request_hash)
    return IdempotentResult(order, replayed=request.key is not None)


def _require_open(order: Order, actor: Actor) -> None:
    if actor.role == "customer" and order.status != OrderStatus.PENDING:
        raise OrderClosedError(f"You can change an order only while it is pending; it is {order.status}. Ask the shop.")
    if order.status not in OPEN:
        raise OrderClosedError(f"An order can be changed until it is shipped; it is {order.status}.")


def _require_further_edit(order: Order, actor: Actor) -> None:
    most = MAX_EDITS_OF_CUSTOMER if actor.role == "customer" else MAX_EDITS
    if sum(entry.is_edit for entry in order.history) >= most:
        raise TooManyEditsError(f"The order was changed {most} times, and cannot be changed again.")


def _changes(order: Order, request: UpdateOrderRequest) -> dict[str, Any]:
    """Returns the new values of the attributes that the request changes, by name."""
    stored = request.stored_contents()
    if request.metadata is not None:
        stored["metadata"] = _merged(order.metadata or {}, request.metadata)
    return {name: value for name, value in stored.items() if value != getattr(order, name)}


def _merged(metadata: dict[str, str], changes: dict[str, str | None]) -> dict[str, str] | None:
    """Returns the metadata after the changes, in which null removes a key; None if no key is left."""
    merged = {key: value for key, value in (metadata | changes).items() if value is not None}
    try:
        return check_metadata(merged) or None
    except ValueError as error:
        raise InvalidRequestError.at(f"{error}, after this change", pointer="#/metadata") from None


def _write(order: Order, changes: dict[str, Any], origin: RequestOrigin) -> None:
    """Applies the changes and writes them. Raises ConcurrentUpdateError if the order has changed since it was read."""
    unchanged = (Order.status == order.status) & (Order.version == order.version)
    at = clock.timestamp(clock.now())
    entry = origin.entry(order.status, order.status, at, changed=sorted(changes))
    try:
        update_item(Order(order.id), apply_changes(order, entry, changes), unchanged)
    except ConditionFailedError as error:
        raise ConcurrentUpdateError from error
