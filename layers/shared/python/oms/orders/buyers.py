"""The buyer of an order: the sender's own account, another account, or a contact without an account."""

from dataclasses import dataclass
from typing import Any, Protocol

from oms.core.actors import Actor
from oms.core.dynamodb import batch_get
from oms.core.errors import InvalidRequestError, UnknownCustomerError
from oms.identity.models import User, user_key
from oms.orders.buyer_schemas import OrderCustomer


class OrderingUser(Actor, Protocol):
    """A signed-in user who orders. `open_orders` lags by seconds."""

    @property
    def open_orders(self) -> int: ...
    @property
    def open_orders_limit(self) -> int | None: ...
    @property
    def email_verified(self) -> bool: ...


@dataclass(frozen=True)
class Buyer:
    """The buyer, whom an order belongs to. Exactly one of `customer_id` and `contact` is set.

    `user` is an account that was read for this order, which is not the sender's own.
    """

    customer_id: str | None
    open_orders: int = 0
    open_orders_limit: int | None = None
    contact: dict[str, Any] | None = None
    user: User | None = None


def find_buyer(named: OrderCustomer | None, account: OrderingUser | None) -> Buyer:
    """Returns the buyer that a request names, or the sender's own `account` if it names none.

    It reads another account by one consistent read. Raises InvalidRequestError without both, and UnknownCustomerError
    for an account that does not exist or is disabled.
    """
    if named is None:
        if account is None:
            raise InvalidRequestError.at("is required: name the customer by id or email", pointer="#/customer")
        return Buyer(account.id, account.open_orders, account.open_orders_limit)
    if named.id is None:
        return Buyer(None, contact=named.contact())
    place = user_key(named.id)
    user = batch_get(User, [place]).get(place)
    if user is None or user.status != "active":
        raise UnknownCustomerError.at("is not the id of an active account", pointer="#/customer/id")
    return Buyer(user.id, user.open_orders, user.open_orders_limit, user=user)
