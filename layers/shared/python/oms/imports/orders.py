"""Rows of orders: the bodies of `POST /orders`, each with a customer and the order's reference in another system.

The reference is the order's id. So an order that is imported twice, also by several imports at once, is placed once.
Orders are placed at the current offers, as by the API.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from oms.core.dynamodb import batch_get_raw
from oms.core.errors import ExternalRefTakenError, InsufficientStockError, InvalidRequestError, OmsError
from oms.core.idempotency import request_hash
from oms.imports.rows import CREATE, Decision, Job, Outcome, Row, RowFailedError, Write, failed, row_error, validated
from oms.orders import service
from oms.orders.models import Order
from oms.orders.pricing import implied_by_settings
from oms.orders.schemas import CreateOrderRequest

_REQUIRED = ("customer", "external_ref")
_READ = ("id", "request_hash", "history")


class Orders:
    required: Sequence[str] = ("items", *_REQUIRED)
    optional: Sequence[str] = ()
    integers: frozenset[str] = frozenset()

    def key_of(self, fields: Mapping[str, Any]) -> tuple[str, CreateOrderRequest]:
        request = validated(CreateOrderRequest, fields)
        if missing := [name for name in _REQUIRED if getattr(request, name) is None]:
            raise RowFailedError(*(row_error(InvalidRequestError.code, "is required", name) for name in missing))
        return _order_id(request), request

    def decide(self, rows: Sequence[Row], job: Job, *, unsure: frozenset[int]) -> list[Decision]:  # noqa: ARG002
        # An order has the id of the row that placed it in its history, so a read shows what was written before.
        found = batch_get_raw(Order, [row.key for row in rows], only=_READ)
        return [_decide(row, job, found.get(row.key)) for row in rows]


def _order_id(request: CreateOrderRequest) -> str:
    ref = request.external_ref
    return service.external_order_id(ref.channel, ref.id) if ref else ""


def _decide(row: Row, job: Job, stored: Mapping[str, Any] | None) -> Decision:
    if stored is not None:
        if stored["history"]["L"][0]["M"]["key"]["S"] == row.id:
            return "created"
        hashed = request_hash(row.request, implied=implied_by_settings())
        if job.mode == CREATE or not hashed.matches(stored["request_hash"]["S"]):
            return failed(ExternalRefTakenError(row.key), "external_ref")
        return "unchanged"
    if job.dry_run and (refusal := _refusal(row, job)):
        return refusal
    return Write("created", lambda: _place(row, job))


def _refusal(row: Row, job: Job) -> RowFailedError | None:
    """Returns why the order would be refused now, if the price and the stock refuse it."""
    try:
        quote = service.quote_order(row.request, actor=job.actor)
    except OmsError as error:
        return failed(error)
    if quote.short:
        return failed(InsufficientStockError("Not enough stock."), "items")
    return None


def _place(row: Row, job: Job) -> Outcome:
    placed = service.place_order(row.request, actor=job.actor, key=None, entry_key=row.id)
    # Another request may have placed the same order since the read.
    return "created" if placed.value.history[0].key == row.id else "unchanged"
