"""Two months of a shop's orders, made by the services while their clock is in the past: for `make screenshots`.

It runs in the environment of the services, as `local.seed` does.
"""

import heapq
import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from unittest.mock import patch

from local import demo, seed
from oms.core import clock
from oms.core.schemas import EmptyRequest
from oms.identity import service as identity
from oms.identity.models import User
from oms.inventory import adjustments
from oms.inventory.stock_schemas import AdjustStockRequest
from oms.orders import moves
from oms.orders import service as orders
from oms.orders.moves import MoveRequest
from oms.orders.schemas import CancelRequest, CreateOrderRequest, ShipRequest
from oms.orders.visibility import Visibility

DAYS = 60
# Orders of a day at first, and how many more they are at the end.
FEWEST, GROWTH = 3, 4
# Monday to Sunday.
WEEK = (1.2, 1.0, 0.9, 1.0, 1.1, 1.5, 1.4)
RESTOCK_BELOW, RESTOCKED = 12, 40
CUSTOMERS = (
    ("Noor", "Haddad", "Keizersgracht 214", "1016 DZ", "Amsterdam", "NL"),
    ("Jonas", "Weber", "Leopoldstraße 77", "80802", "München", "DE"),
    ("Camille", "Lefèvre", "5 Rue Mercière", "67000", "Strasbourg", "FR"),
    ("Inês", "Carvalho", "Rua do Almada 120", "4050-031", "Porto", "PT"),
    ("Oskar", "Nyström", "Götgatan 31", "116 21", "Stockholm", "SE"),
    ("Giulia", "Ferri", "Via Solferino 9", "20121", "Milano", "IT"),
    ("Agnieszka", "Wilk", "ul. Piękna 18", "00-549", "Warszawa", "PL"),
    ("Tomás", "Ruiz", "Calle Feria 44", "41003", "Sevilla", "ES"),
)


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Sets the clock of the services."""
    with patch.object(clock, "now", lambda: moment):
        yield


@dataclass
class Shop:
    """The shop's products, manager and customers. `stock` has the available units by product id."""

    manager: User
    customers: list[tuple[User, dict[str, str]]]
    stock: dict[str, int]
    weights: dict[str, float]
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    @classmethod
    def open(cls) -> "Shop":
        manager = seed.seed()["manager@demo.example"]
        products = [it for category in demo.CATALOGUE.values() for it in category]
        stock = {str(place): it.stock for place, it in enumerate(products, 1) if it.stock}
        chance = random.Random(3)
        return cls(
            manager, [_customer(*it) for it in CUSTOMERS], stock, {it: chance.uniform(0.2, 1) ** 3 for it in stock}
        )

    def take_order(self, moment: datetime) -> str:
        """Places an order of one to three products, and returns its id."""
        customer, address = self.chance.choice(self.customers)
        products = set(
            self.chance.choices(list(self.weights), list(self.weights.values()), k=self.chance.choice((1, 2, 3)))
        )
        quantities = {it: self.chance.choice((1, 1, 1, 2, 3)) for it in sorted(products, key=int)}
        with at(moment):
            for product, units in quantities.items():
                self._keep_in_stock(product, units)
            request = CreateOrderRequest.model_validate(
                {
                    "items": [{"product_id": it, "quantity": units} for it, units in quantities.items()],
                    "shipping_cost": self.chance.choice(("0.00", "4.90", "6.90")),
                    "shipping_address": address,
                }
            )
            return orders.place_order(request, actor=customer, account=customer, key=None).value.id

    def _keep_in_stock(self, product: str, units: int) -> None:
        """Some products stay scarce: only as many units come as are ordered."""
        left = self.stock[product] - units
        added = units if self.stock[product] <= seed.LOW_STOCK_THRESHOLD else RESTOCKED if left < RESTOCK_BELOW else 0
        self.stock[product] = left + added
        if added:
            request = AdjustStockRequest(adjustment=added, reason="Delivery from the supplier")
            adjustments.adjust_stock(product, request, actor=self.manager, key=None)

    def later_moves(self, order_id: str, placed: datetime) -> Iterator[tuple[datetime, Callable[[], None]]]:
        """Yields the moves of an order that is placed at this moment, with their times."""
        if self.chance.random() < 0.06:
            yield placed + timedelta(minutes=12), partial(self._cancel, order_id)
            return
        moment = placed
        for least, most, move in ((3, 28, self._confirm), (90, 1700, self._ship), (1400, 4300, self._deliver)):
            moment += timedelta(minutes=self.chance.randrange(least, most))
            yield moment, partial(move, order_id)

    def _cancel(self, order_id: str) -> None:
        request = CancelRequest(reason="Ordered by mistake")
        moves.cancel_order(order_id, MoveRequest(self.manager, request, visibility=Visibility.of(self.manager)))

    def _confirm(self, order_id: str) -> None:
        moves.confirm_order(order_id, MoveRequest(self.manager, EmptyRequest()))

    def _ship(self, order_id: str) -> None:
        carrier, prefix = self.chance.choice((("DHL", "JD0140"), ("PostNL", "3SKABA"), ("DPD", "0551")))
        number = f"{prefix}{self.chance.randrange(10**9, 10**10)}"
        moves.ship_order(order_id, MoveRequest(self.manager, ShipRequest(carrier=carrier, tracking_number=number)))

    def _deliver(self, order_id: str) -> None:
        moves.deliver_order(order_id, MoveRequest(self.manager, EmptyRequest()))


def _customer(
    first: str, last: str, line1: str, postal_code: str, city: str, country: str
) -> tuple[User, dict[str, str]]:
    user = identity.create_user(
        email=f"{first}.{last}@example.com".lower().translate(str.maketrans("èêöóáí", "eeooai")),
        password=demo.PASSWORD,
        first_name=first,
        last_name=last,
        email_verified=True,
    )
    address = {"name": f"{first} {last}", "line1": line1, "postal_code": postal_code, "city": city, "country": country}
    return user, address


def moments(end: datetime, chance: random.Random) -> Iterator[datetime]:
    """Yields the times of the orders up to now, oldest first: more in the evening, more at weekends, more each week."""
    for number in range(DAYS):
        day = (end - timedelta(days=DAYS - 1 - number)).replace(hour=0, minute=0, second=0, microsecond=0)
        mean = (FEWEST + GROWTH * number / DAYS) * WEEK[day.weekday()]
        count = max(1, round(chance.gauss(mean, 0.8)))
        times = sorted(day + timedelta(minutes=chance.triangular(6 * 60, 22 * 60, 18 * 60)) for _ in range(count))
        yield from (it for it in times if it < end)


def run_until(end: datetime, waiting: list[tuple[datetime, int, Callable[[], None]]]) -> None:
    """Makes the moves before `end`, in the order of their times."""
    while waiting and waiting[0][0] < end:
        moment, _, move = heapq.heappop(waiting)
        with at(moment):
            move()


def main() -> None:
    end = clock.now()
    with at(end - timedelta(days=DAYS + 1)):
        shop = Shop.open()
    waiting: list[tuple[datetime, int, Callable[[], None]]] = []
    count = itertools.count()
    for moment in moments(end - timedelta(hours=1), shop.chance):
        run_until(moment, waiting)
        for later, move in shop.later_moves(shop.take_order(moment), moment):
            # Moves of the same time need something that can be compared.
            heapq.heappush(waiting, (later, next(count), move))
    run_until(end, waiting)
    # Those that wait for the manager.
    for minutes in (24, 17, 11, 6, 2):
        shop.take_order(end - timedelta(minutes=minutes))


if __name__ == "__main__":
    main()
