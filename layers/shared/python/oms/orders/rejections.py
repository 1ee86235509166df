"""Why a transaction that would create an order was cancelled. Pure: reasons in, the designed error out."""

from collections.abc import Iterable

from pynamodb.exceptions import CancellationReason

from oms.core.dynamodb import TryAgainError, failed
from oms.core.errors import InsufficientStockError, OmsError
from oms.inventory.models import StockItem
from oms.orders.limits import BuyerLimits, Excess
from oms.orders.pricing import Draft, unknown_products


def shortfalls(short: Iterable[tuple[Draft, int]]) -> list[dict[str, str | int]]:
    """From (line, units available)."""
    return [
        {"product_id": draft.product_id, "requested": draft.quantity, "available": available}
        for draft, available in short
    ]


def refusal(lines: Iterable[tuple[Draft, CancellationReason | None]], limits: BuyerLimits) -> OmsError | TryAgainError:
    """What the failed lines mean together: unknown or inactive (422), short (409), over the buyer's share of the stock
    (409), or worth another attempt, in this order.

    Each failed line is judged by the stock item that came back with its reason. Lines that met a conflict say nothing,
    so a list of shortfalls may be incomplete.
    """
    unknown: list[Draft] = []
    short: list[tuple[Draft, int]] = []
    over = Excess()
    for draft, reason in lines:
        if not failed(reason):
            continue
        stock = StockItem.from_raw_data(reason.raw_item) if reason.raw_item else None
        if stock is None or stock.status != "active":
            unknown.append(draft)
        elif stock.available < draft.quantity:
            short.append((draft, stock.available))
        else:
            over.lines.extend(limits.excess_of_line(draft.product_id, draft.quantity, stock.available))
    if unknown:
        return unknown_products([(draft.position, draft.product_id) for draft in unknown])
    if short:
        names = ", ".join(draft.product_id for draft, _ in short)
        return InsufficientStockError(f"Not enough stock of {names}.", extra={"shortfalls": shortfalls(short)})
    if over:
        return limits.refusal(over)
    return TryAgainError("an offer has changed, or a line was in conflict")
