"""Maps the failed conditions of an order's transaction to the error for the client. Pure functions."""

from collections.abc import Iterable

from oms.core.errors import InsufficientStockError, OmsError
from oms.core.retries import ConcurrentUpdateError
from oms.inventory.models import StockItem
from oms.orders.limits import BuyerLimits, Excess
from oms.orders.pricing import PricedLine, unknown_products


def shortfalls(short: Iterable[tuple[PricedLine, int]]) -> list[dict[str, str | int]]:
    """Returns the shortfalls of a problem. `short` has pairs of line and available units."""
    return [
        {"product_id": line.product_id, "requested": line.quantity, "available": available} for line, available in short
    ]


def rejection(
    failed: Iterable[tuple[PricedLine, StockItem | None]], limits: BuyerLimits
) -> OmsError | ConcurrentUpdateError:
    """Returns one error for all failed lines, which come with the product's stock; it is None for an unknown product.

    It is the first that applies: unknown or inactive product (422), short stock (409), more than the buyer's share of
    the stock (409), ConcurrentUpdateError.

    A line with a conflict is not among the failed ones, so a list of shortfalls may be incomplete.
    """
    unknown: list[PricedLine] = []
    short: list[tuple[PricedLine, int]] = []
    over = Excess()
    for line, stock in failed:
        if stock is None or stock.status != "active":
            unknown.append(line)
        elif stock.available < line.quantity:
            short.append((line, stock.available))
        else:
            over.lines.extend(limits.excess_of_line(line.product_id, line.quantity, stock.available))
    if unknown:
        return unknown_products([(line.position, line.product_id) for line in unknown])
    if short:
        products = f"product{'s' * (len(short) > 1)} {', '.join(line.product_id for line, _ in short)}"
        detail = f"Not enough stock of {products}. Order fewer units, or try again later."
        return InsufficientStockError(detail, extra={"shortfalls": shortfalls(short)})
    if over:
        return limits.refusal(over)
    return ConcurrentUpdateError("an offer has changed, or a line was in conflict")
