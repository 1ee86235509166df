"""How much a customer may order at once, so that no one holds the shop's stock. Pure but for the settings.

Managers and admins, who order for others, have no limits. A customer whose e-mail address is not verified has lower
ones. The number of open orders, which lags, and these limits of each order together bound what a customer holds.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from oms.core.actors import Actor
from oms.core.errors import OrderLimitError, TooManyOpenOrdersError
from oms.core.money import to_text
from oms.core.settings import OrderLimits, settings

# A customer may order this many units of a product even where they are more than the share of its stock.
ALWAYS_ALLOWED_UNITS = 2


class Buyer(Actor, Protocol):
    """As far as they are counted: `open_orders` lags by seconds."""

    @property
    def open_orders(self) -> int: ...
    @property
    def email_verified(self) -> bool: ...


@dataclass(frozen=True)
class LineExcess:
    """A line with more units than the buyer may order of a product."""

    product_id: str
    requested: int
    allowed: int


@dataclass(frozen=True)
class OrderExcess:
    """An order with more than the buyer may order: of units, or of value in minor units."""

    requested: int
    allowed: int


@dataclass
class Excess:
    """All that is over the limits. True where something is."""

    lines: list[LineExcess] = field(default_factory=list)
    units: OrderExcess | None = None
    value: OrderExcess | None = None

    def __bool__(self) -> bool:
        return bool(self.lines or self.units or self.value)

    def members(self) -> dict[str, Any]:
        """As a problem and a quote show it."""
        units, value = self.units, self.value
        return {
            "limits": [asdict(line) for line in self.lines],
            "order_units": asdict(units) if units else None,
            "order_value": {"requested": to_text(value.requested), "allowed": to_text(value.allowed)}
            if value
            else None,
        }


@dataclass(frozen=True)
class BuyerLimits:
    """`limits` is None for buyers without any."""

    limits: OrderLimits | None
    verified: bool

    @classmethod
    def of(cls, buyer: Buyer) -> "BuyerLimits":
        if buyer.role != "customer":
            return cls(None, verified=True)
        known = settings()
        return cls(known.order_limits if buyer.email_verified else known.unverified_order_limits, buyer.email_verified)

    @property
    def orders_per_minute(self) -> int | None:
        """How many orders a buyer with an unverified address may place in a minute, None for any number.

        Open orders are counted seconds late: this bounds how many are placed meanwhile.
        """
        return self.limits.per_minute if self.limits else None

    def check(self, open_orders: int, units: int, value: int) -> None:
        """What is known of an order without the stock. Raises TooManyOpenOrdersError, OrderLimitError."""
        if self.limits and open_orders >= self.limits.open_orders:
            raise TooManyOpenOrdersError(
                f"{self._who} may have {self.limits.open_orders} open orders at once, pending or confirmed, "
                f"and you have {open_orders}.{self._advice}"
            )
        excess = self.excess_of_order(units, value)
        if excess:
            raise self.refusal(excess)

    def excess_of_order(self, units: int, value: int) -> Excess:
        """`value` is that of the goods, in minor units."""
        if self.limits is None:
            return Excess()
        most_units, most_value = self.limits.units, self.limits.value
        return Excess(
            units=OrderExcess(units, most_units) if units > most_units else None,
            value=OrderExcess(value, most_value) if most_value is not None and value > most_value else None,
        )

    def excess_of_line(self, product_id: str, units: int, available: int) -> Iterator[LineExcess]:
        """The excess of one line, if any; `available` are the product's units."""
        if available < self.stock_needed(units):
            allowed = max(min(ALWAYS_ALLOWED_UNITS, available), available * self._share // 100)
            yield LineExcess(product_id, units, allowed)

    def stock_needed(self, units: int) -> int:
        """How many units must be available so that the buyer may order these: a condition that the write can check."""
        return units if units <= ALWAYS_ALLOWED_UNITS else -(-units * 100 // self._share)

    def refusal(self, excess: Excess) -> OrderLimitError:
        return OrderLimitError(
            f"{self._who} may order at most {_phrase(excess)} at once.{self._advice}", extra=excess.members()
        )

    @property
    def _share(self) -> int:
        return self.limits.stock_share if self.limits else 100

    @property
    def _who(self) -> str:
        return "A customer" if self.verified else "A customer whose e-mail address is not verified"

    @property
    def _advice(self) -> str:
        return "" if self.verified else " Verify the address to be allowed more."


def _phrase(excess: Excess) -> str:
    parts = [f"{line.allowed} of product {line.product_id}" for line in excess.lines]
    parts += [f"{excess.units.allowed} units in all"] if excess.units else []
    parts += [f"goods for {to_text(excess.value.allowed)} {settings().currency}"] if excess.value else []
    return ", ".join(parts)
