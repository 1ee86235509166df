"""Limits of an order, so that no customer can reserve the shop's whole stock. Pure except for the settings.

Managers and admins order for others and have no limits. A service key takes orders from the public, so the open orders
of each of its customers are limited, but not a single order. Guests, and customers with an unverified e-mail address,
have lower limits. Two limits together bound the stock that a customer reserves: that of one order, and that of open
orders. The count of open orders lags.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, Self

from oms.core.actors import Actor
from oms.core.errors import OrderLimitError, TooManyOpenOrdersError
from oms.core.money import to_text
from oms.core.settings import OrderLimits, settings

# Units of a product that a customer may always order, even if they exceed the share of its stock.
ALWAYS_ALLOWED_UNITS = 2


class Account(Protocol):
    """The account of a signed-in user."""

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
    """The total of an order, in units or in minor units of value, and the lower maximum of the buyer."""

    requested: int
    allowed: int


@dataclass
class Excess:
    """All parts of an order that exceed the limits. It is true if there is any."""

    lines: list[LineExcess] = field(default_factory=list)
    units: OrderExcess | None = None
    value: OrderExcess | None = None

    def __bool__(self) -> bool:
        return bool(self.lines or self.units or self.value)

    def members(self) -> dict[str, Any]:
        """Returns the members that problems and quotes share."""
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
    """The limits of one buyer: of one order (`limits`), and of open orders. Each is None for a buyer without them."""

    limits: OrderLimits | None
    verified: bool = True
    open_orders: int | None = None

    @classmethod
    def of(cls, actor: Actor, account: Account | None) -> Self:
        """Returns the limits of the orders that an actor sends. `account` is the actor's own, if it is a user."""
        known = settings()
        if actor.role == "guest":
            lower = known.unverified_order_limits
            return cls(lower, verified=False, open_orders=lower.open_orders)
        if account is not None and actor.role == "customer":
            limits = known.order_limits if account.email_verified else known.unverified_order_limits
            return cls(limits, account.email_verified, limits.open_orders)
        return cls(None, open_orders=known.order_limits.open_orders if actor.role == "service" else None)

    @property
    def orders_per_minute(self) -> int | None:
        """The number of orders that a buyer with an unverified address may place in a minute; None for no limit.

        The count of open orders lags by seconds, so this limits the orders that are placed meanwhile.
        """
        return self.limits.per_minute if self.limits else None

    def check_open_orders(self, open_orders: int, own_limit: int | None) -> None:
        """Raises TooManyOpenOrdersError if the buyer has the maximum number of open orders.

        An admin may have set the buyer's `own_limit`, which replaces that of the settings.
        """
        if self.open_orders is None:
            return
        most = self.open_orders if own_limit is None else own_limit
        if open_orders >= most:
            raise TooManyOpenOrdersError(
                f"{self._who} may have {most} open orders (pending or confirmed) at once, "
                f"and has {open_orders}. Wait until one is shipped, or cancel one.{self._advice}"
            )

    def check(self, units: int, value: int) -> None:
        """Raises OrderLimitError if an order exceeds the limits that do not depend on the stock."""
        excess = self.excess_of_order(units, value)
        if excess:
            raise self.refusal(excess)

    def excess_of_order(self, units: int, value: int) -> Excess:
        """Returns by how much an order exceeds its limits of units and value. `value` is the price of the goods."""
        if self.limits is None:
            return Excess()
        most_units, most_value = self.limits.units, self.limits.value
        return Excess(
            units=OrderExcess(units, most_units) if units > most_units else None,
            value=OrderExcess(value, most_value) if most_value is not None and value > most_value else None,
        )

    def excess_of_line(self, product_id: str, units: int, available: int) -> Iterator[LineExcess]:
        """Yields by how much a line exceeds the buyer's share of the product's `available` units, if it does."""
        if available < self.stock_needed(units):
            allowed = max(min(ALWAYS_ALLOWED_UNITS, available), available * self._share // 100)
            yield LineExcess(product_id, units, allowed)

    def stock_needed(self, units: int) -> int:
        """Returns the number of available units at which the buyer may order `units`. The order's write checks it."""
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
        return "" if self.verified else " Verify the address to raise the limits."


def _phrase(excess: Excess) -> str:
    parts = [f"{line.allowed} of product {line.product_id}" for line in excess.lines]
    parts += [f"{excess.units.allowed} units in total"] if excess.units else []
    parts += [f"goods for {to_text(excess.value.allowed)} {settings().currency}"] if excess.value else []
    return ", ".join(parts)
