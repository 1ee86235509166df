"""Maps the failed conditions of an order's transaction to the error for the client. Pure."""

from collections.abc import Iterable

from oms.core.dynamodb import ConcurrentUpdateError
from oms.core.errors import InsufficientStockError, OmsError
from oms.core.transactions import TransactionError
from oms.inventory.models import StockItem
from oms.orders.limits import BuyerLimits, Excess
from oms.orders.pricing import PricedLine, PricedOrder, unknown_products


def shortfalls(short: Iterable[tuple[PricedLine, int]]) -> list[dict[str, str | int]]:
    """`short` are pairs of line and available units."""
    return [
        {"product_id": line.product_id, "requested": line.quantity, "available": available} for line, available in short
    ]


def rejection(error: TransactionError, priced: PricedOrder, limits: BuyerLimits) -> OmsError | ConcurrentUpdateError:
    """One error for all failed lines: unknown or inactive product (422), short stock (409), more than the buyer's share
    of the stock (409), or ConcurrentUpdateError, in this order.

    Each failed line is judged by the stock item in the response. A line with a conflict has none, so a list of
    shortfalls may be incomplete.
    """
    unknown: list[PricedLine] = []
    short: list[tuple[PricedLine, int]] = []
    over = Excess()
    for line in priced.lines:
        if not error.failed(line.stock_item):
            continue
        raw = error.stored(line.stock_item)
        stock = StockItem.from_raw_data(raw) if raw else None
        if stock is None or stock.status != "active":
            unknown.append(line)
        elif stock.available < line.quantity:
            short.append((line, stock.available))
        else:
            over.lines.extend(limits.excess_of_line(line.product_id, line.quantity, stock.available))
    if unknown:
        return unknown_products([(line.position, line.product_id) for line in unknown])
    if short:
        names = ", ".join(line.product_id for line, _ in short)
        return InsufficientStockError(f"Not enough stock of {names}.", extra={"shortfalls": shortfalls(short)})
    if over:
        return limits.refusal(over)
    return ConcurrentUpdateError("an offer has changed, or a line was in conflict")
