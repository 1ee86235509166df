"""Parts of placing and moving an order: the request's origin, the cause, and the update of the stock items."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pynamodb.expressions.update import Action

from oms.core.actors import Actor
from oms.core.idempotency import RequestHash
from oms.inventory.models import Cause, StockItem
from oms.orders.models import HistoryEntry, Order
from oms.orders.states import StockEffect


@dataclass(frozen=True)
class RequestOrigin:
    """The request that causes a transition, as stored in the history: see `HistoryEntry`."""

    actor: Actor
    key: str
    request_hash: RequestHash

    def entry(
        self,
        source: str | None,
        target: str,
        at: str,
        *,
        reason: str | None = None,
        restocked: bool | None = None,
        changed: list[str] | None = None,
    ) -> HistoryEntry:
        return HistoryEntry(
            from_=source,
            to=target,
            at=at,
            actor_id=self.actor.id,
            actor_role=self.actor.role,
            reason=reason,
            restocked=restocked,
            changed=changed,
            key=self.key,
            request_hash=self.request_hash.stored,
        )


def apply_changes(order: Order, entry: HistoryEntry, changes: Mapping[str, Any]) -> list[Action]:
    """Changes the order in memory, and returns the actions that change the stored order in the same way.

    The order gets the entry, its time, and the next version. A value of None removes the attribute.
    """
    order.history.append(entry)
    actions: list[Action] = [Order.history.set(Order.history.append([entry]))]
    for name, value in {**changes, "version": order.version + 1, "updated_at": entry.at}.items():
        setattr(order, name, value)
        attribute = getattr(Order, name)
        actions.append(attribute.remove() if value is None else attribute.set(value))
    return actions


def cause_of(order: Order, name: str) -> Cause:
    """Returns the cause that the stock ledger records for the order's latest transition."""
    entry = order.history[-1]
    return Cause(
        cause=f"order-{name}",
        actor=entry.actor_id,
        actor_role=entry.actor_role,
        ref=order.id,
        ref_version=order.version,
        at=entry.at,
    )


def stock_actions(effect: StockEffect, units: int, cause: Cause) -> list[Action]:
    """Returns the update of a stock item by the effect on `units`.

    The ledger derives the movement from the stored cause.
    """
    actions: list[Action] = [StockItem.version.add(1), StockItem.last.set(cause)]
    if effect.available:
        actions.append(StockItem.available.add(effect.available * units))
    if effect.reserved:
        actions.append(StockItem.reserved.add(effect.reserved * units))
    return actions
