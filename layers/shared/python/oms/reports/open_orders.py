"""How many open orders each customer has: added up from the orders' events, in any order and however often they come.

The count stands on the user's item, which every request reads anyway. It is no change of the user: version and role
stay, and no event tells of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from pynamodb.exceptions import TransactWriteError

from oms.dynamodb import ConditionFailedError, TryAgainError, failed, get_item, put_item, retrying, transaction
from oms.identity.models import User, user_key
from oms.orders.states import OPEN, Status
from oms.reports.models import Applied


@dataclass(frozen=True)
class OrderState:
    """What an event of an order says: as of this version, whether the order is an open one of its customer's."""

    order_id: str
    customer_id: str
    version: int
    is_open: bool

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> Self:
        """Raises LookupError, ValueError and TypeError for what is no event of an order."""
        order = event["data"]
        return cls(
            order_id=str(order["id"]),
            customer_id=str(order["customer_id"]),
            version=int(event["sequence"]),
            is_open=Status(order["status"]) in OPEN,
        )


def count(state: OrderState) -> bool:
    """Moves the count of the order's customer by what the order adds or takes since the version that was counted last.

    Whether there was anything to count: an older version, or the same again, is nothing. Raises UnavailableError.
    """
    return retrying(lambda: _count(state))


def _count(state: OrderState) -> bool:
    applied = get_item(Applied, Applied.key(state.order_id))
    if applied is not None and applied.version >= state.version:
        return False
    by = state.is_open - (applied is not None and applied.open)
    if by:
        _apply_and_add(state, applied, by)
    else:
        _apply(state, applied)
    return True


def _apply_and_add(state: OrderState, seen: Applied | None, by: int) -> None:
    new, unmoved = _moved(state, seen)
    try:
        with transaction() as write:
            write.save(new, condition=unmoved)
            # `add` begins at 0 where there was no count yet.
            write.update(User(*user_key(state.customer_id)), [User.open_orders.add(by)], User.pk.exists())
    except TransactWriteError as error:
        applied_reason, user_reason = error.cancellation_reasons or [None, None]
        if failed(applied_reason):
            raise TryAgainError from error
        if applied_reason is not None or not failed(user_reason):
            raise
        _apply(state, seen)  # the user is gone, and nobody asks for the count


def _apply(state: OrderState, seen: Applied | None) -> None:
    new, unmoved = _moved(state, seen)
    try:
        put_item(new, unmoved)
    except ConditionFailedError as error:
        raise TryAgainError from error


def _moved(state: OrderState, seen: Applied | None) -> tuple[Applied, Any]:
    """What is to stand there, and the condition that nobody was faster."""
    new = Applied(*Applied.key(state.order_id), version=state.version, open=state.is_open)
    return new, Applied.version == seen.version if seen else Applied.pk.does_not_exist()
