"""Routes for orders: placing, pricing, reading and changing their status."""

from collections.abc import Callable
from typing import Annotated

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from oms.audit import audit_log
from oms.core.errors import InvalidRequestError
from oms.core.idempotency import IdempotentResult
from oms.core.schemas import EmptyRequest, Request
from oms.http import api
from oms.http.access_rules import customer, manager
from oms.http.api import current_caller
from oms.http.serving import RESOLVER_OPTIONS, serve
from oms.identity.access import CurrentUser
from oms.identity.models import User
from oms.orders import edits, moves, service
from oms.orders.content_schemas import UpdateOrderRequest
from oms.orders.models import Order
from oms.orders.moves import MoveRequest
from oms.orders.schemas import (
    CancelRequest,
    CreateOrderRequest,
    GuestOrderResponse,
    HistoryEntryResponse,
    ManagedOrderResponse,
    OrderHistory,
    OrderPage,
    OrderResponse,
    QuoteResponse,
    ReturnRequest,
    ShipRequest,
)
from oms.orders.views import View, quote_response
from oms.orders.visibility import Visibility
from oms.search.finding import find_orders, is_search
from oms.search.schemas import SEARCHES, FindOrdersQuery
from oms.service_keys.scopes import Scope

app = APIGatewayHttpResolver(**RESOLVER_OPTIONS)

_MIN_KEY_OF_GUESTS = 16
# The fields of an order that customers may not send, with the scope that a service key needs for each.
_FOR_MANAGERS: dict[str, Scope] = {
    "customer": "orders:create",
    "external_ref": "orders:create",
    "tags": "orders:manage",
}
_EDITED_BY_MANAGERS: dict[str, Scope] = {"purchase_order": "orders:manage", "tags": "orders:manage"}


@app.get("/api/v1/orders", **customer(scope="orders:read", manager_params=["customer_id", *SEARCHES]))
def list_orders(query: Annotated[FindOrdersQuery, Query()]) -> Response[OrderPage]:
    """List orders.

    Lists the orders, newest first. Customers see their own orders, managers and admins all.

    Managers, admins and service keys also find orders by one search: `number`, `email`, `external_ref`, `sku`,
    `tracking`, `tag` or `q`.
    An order is found within seconds after it was placed or shipped.
    """
    if current_caller().is_manager:
        audit_log.record_bulk_read(current_caller(), address=api.client_address(), target="orders")
    visibility, after = _visibility(), api.list_position(query.cursor)
    if is_search(query):
        page = find_orders(query, after=after)
    else:
        page = service.list_orders(query, visibility=visibility, after=after)
    view = _view()
    view.load_customers(page.items)
    return api.listed(page, view.show, OrderPage)


@app.post(
    "/api/v1/orders",
    status_code=201,
    **customer(scope="orders:create", manager_fields=_FOR_MANAGERS, guests="checkout"),
)
def create_order(request: CreateOrderRequest) -> Response[ManagedOrderResponse | GuestOrderResponse | OrderResponse]:
    """Place an order.

    Reserves the stock of all lines, or of none. The order is `pending` until a manager confirms it. If no manager does
    so in time, the order expires and the stock is released.

    Customers order for themselves. Managers and service keys may order for a customer, and with the order's reference
    in another system. Guests send `customer.email`, and get the order's token.
    """
    view, guest = _view(), api.current_guest()
    key = api.idempotency_key()
    if guest is not None:
        _check_guests_request(request, key)
    placed = service.place_order(
        request,
        actor=guest or current_caller(),
        account=_account(),
        key=key,
        view=view,
        guest_address=api.client_address() if guest else None,
    )
    order = placed.value
    return api.created(
        view.show(order),
        location=f"/api/v1/orders/{order.id}",
        version=order.version,
        replayed=placed.replayed,
    )


@app.post("/api/v1/orders/quote", **customer(scope="orders:create", manager_fields=_FOR_MANAGERS))
def quote_order(request: CreateOrderRequest) -> Response[QuoteResponse]:
    """Price an order without placing it.

    Returns the price of the order that the same body would place, and the products that are short. No stock is
    reserved.
    """
    return api.ok(quote_response(service.quote_order(request, actor=current_caller(), account=_account())))


@app.get("/api/v1/orders/<order_id>", **customer(scope="orders:read", guests="order"))
def get_order(order_id: str) -> Response[ManagedOrderResponse | GuestOrderResponse | OrderResponse]:
    """Get an order.

    Customers get a 404 for another customer's order.
    """
    order = service.get_order(order_id, visibility=_visibility())
    return api.ok(_view().show(order), version=order.version)


@app.patch("/api/v1/orders/<order_id>", **customer(scope="orders:manage", manager_fields=_EDITED_BY_MANAGERS))
@api.versioned
def update_order(order_id: str, request: UpdateOrderRequest) -> Response[ManagedOrderResponse | OrderResponse]:
    """Change an order's fields.

    Customers may change their own order while it is `pending`, managers until it is shipped. A request that changes
    nothing leaves the version as it is, and publishes no event.
    """
    return _moved(edits.update_order, order_id, request)


@app.get("/api/v1/orders/<order_id>/history", **customer(scope="orders:read", guests="order"))
def get_order_history(order_id: str) -> Response[OrderHistory]:
    """Get an order's history.

    Lists each change of the status and each edit, oldest first.
    """
    order = service.get_order(order_id, visibility=_visibility())
    return api.ok(OrderHistory(items=[HistoryEntryResponse.of(entry) for entry in order.history]))


@app.post("/api/v1/orders/<order_id>/cancel", **customer(scope="orders:manage", guests="order"))
@api.versioned
def cancel_order(
    order_id: str, request: CancelRequest
) -> Response[ManagedOrderResponse | GuestOrderResponse | OrderResponse]:
    """Cancel an order.

    Allowed from `pending` or `confirmed`. The stock is released, and the customer gets a mail.
    """
    return _moved(moves.cancel_order, order_id, request)


@app.post("/api/v1/orders/<order_id>/confirm", **manager(scope="orders:manage"))
@api.versioned
def confirm_order(order_id: str, request: EmptyRequest) -> Response[ManagedOrderResponse | OrderResponse]:
    """Confirm an order.

    Allowed from `pending`. The shop accepts the order, usually when it is paid. The customer gets a mail.
    """
    return _moved(moves.confirm_order, order_id, request)


@app.post("/api/v1/orders/<order_id>/ship", **manager(scope="orders:manage"))
@api.versioned
def ship_order(order_id: str, request: ShipRequest) -> Response[ManagedOrderResponse | OrderResponse]:
    """Mark an order as shipped.

    Allowed from `confirmed`. The units leave the stock, and the customer gets a mail with the tracking number.
    """
    return _moved(moves.ship_order, order_id, request)


@app.post("/api/v1/orders/<order_id>/deliver", **manager(scope="orders:manage"))
@api.versioned
def deliver_order(order_id: str, request: EmptyRequest) -> Response[ManagedOrderResponse | OrderResponse]:
    """Mark an order as delivered.

    Allowed from `shipped`.
    """
    return _moved(moves.deliver_order, order_id, request)


@app.post("/api/v1/orders/<order_id>/return", **manager(scope="orders:manage"))
@api.versioned
def return_order(order_id: str, request: ReturnRequest) -> Response[ManagedOrderResponse | OrderResponse]:
    """Mark an order as returned.

    Allowed from `shipped` or `delivered`. The units can be sold again unless `restock` is false.
    """
    return _moved(moves.return_order, order_id, request)


def _check_guests_request(request: CreateOrderRequest, key: str | None) -> None:
    """Raises InvalidRequestError unless a guest's request names a contact, with a key that cannot be guessed."""
    if request.customer is None:
        raise InvalidRequestError.at("is required for guests", pointer="#/customer")
    if request.customer.email is None:
        raise InvalidRequestError.at("is required for guests", pointer="#/customer/email")
    # A replay returns the order's token, so the key must be a secret of the guest.
    if key is not None and len(key) < _MIN_KEY_OF_GUESTS:
        raise InvalidRequestError.at(
            f"must have at least {_MIN_KEY_OF_GUESTS} characters; use a random UUID", header="Idempotency-Key"
        )


def _account() -> User | None:
    """Returns the signed-in user; None for a guest or a service key, which have no account."""
    caller = None if api.current_guest() else current_caller()
    return caller.user if isinstance(caller, CurrentUser) else None


def _visibility() -> Visibility:
    if guest := api.current_guest():
        return Visibility.of_guest(guest)
    return Visibility.of(current_caller())


def _view() -> View:
    if guest := api.current_guest():
        return View(None, managed=False, guest=guest)
    caller = current_caller()
    if isinstance(caller, CurrentUser):
        return View(caller.user, managed=caller.is_manager)
    # The scope orders:manage alone moves orders, but does not read who placed them.
    return View(None, managed="orders:read" in caller.scopes)


def _moved[Body: Request](
    move: Callable[[str, MoveRequest[Body]], IdempotentResult[Order]], order_id: str, body: Body
) -> Response[ManagedOrderResponse | GuestOrderResponse | OrderResponse]:
    view = _view()
    request = MoveRequest(
        api.current_guest() or current_caller(),
        body,
        visibility=_visibility(),
        key=api.idempotency_key(),
        expected_version=api.expected_version(),
        view=view,
    )
    moved = move(order_id, request)
    order = moved.value
    return api.ok(view.show(order), version=order.version, replayed=moved.replayed)


lambda_handler = serve(app)
