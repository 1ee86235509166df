"""How orders are shown: customers see their own, managers and admins also who bought."""

from collections.abc import Iterable

from oms.dynamodb import batch_get
from oms.identity.models import User, user_key
from oms.orders.models import Order
from oms.orders.schemas import OrderResponse, managed_order_response, order_response


class View:
    """Orders as `user` sees them, whose role decides what of them that is. Each customer is read once."""

    def __init__(self, user: User, *, managed: bool) -> None:
        self._managed = managed
        self._customers: dict[str, User | None] = {user.id: user}

    def look_up(self, orders: Iterable[Order]) -> None:
        """Reads who bought these, in one BatchGet, if it is to be shown and not known yet.

        A move calls it before it writes: after the write no failure may stand in for the answer.
        """
        unknown = {order.customer_id for order in orders} - self._customers.keys()
        if self._managed and unknown:
            keys = {customer_id: user_key(customer_id) for customer_id in unknown}
            found = batch_get(User, keys.values(), consistent=False)
            self._customers |= {customer_id: found.get(key) for customer_id, key in keys.items()}

    def show(self, order: Order) -> OrderResponse:
        if not self._managed:
            return order_response(order)
        self.look_up([order])
        return managed_order_response(order, self._customers[order.customer_id])
