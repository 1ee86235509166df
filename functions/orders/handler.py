"""Routes of orders: placed, priced, read and moved."""

from typing import Annotated

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from oms import api
from oms.api import CUSTOMER, MANAGER, current_user
from oms.idempotency import Written
from oms.orders import service
from oms.orders.models import Order
from oms.orders.schemas import (
    CancelRequest,
    CreateOrderRequest,
    HistoryEntryResponse,
    ListOrdersQuery,
    OrderHistory,
    OrderPage,
    OrderResponse,
    QuoteResponse,
)
from oms.orders.service import Asked
from oms.schemas import NoFields

app = APIGatewayHttpResolver(enable_validation=True, response_validation_error_http_code=500)


@app.get("/api/v1/orders", **api.customer_with("customer_id"))
def list_orders(query: Annotated[ListOrdersQuery, Query()]) -> Response[OrderPage]:
    page = service.list_orders(query, owner=_owner(), after=api.list_position(query.cursor))
    return api.listed(page, OrderResponse.of, OrderPage)


@app.post("/api/v1/orders", status_code=201, **CUSTOMER)
def create_order(request: CreateOrderRequest) -> Response[OrderResponse]:
    placed = service.place_order(request, buyer=current_user(), key=api.idempotency_key())
    order = placed.thing
    return api.created(
        OrderResponse.of(order),
        location=f"/api/v1/orders/{order.id}",
        version=order.version,
        replayed=placed.replayed,
    )


@app.post("/api/v1/orders/quote", **CUSTOMER)
def quote_order(request: CreateOrderRequest) -> Response[QuoteResponse]:
    return api.ok(QuoteResponse.of(service.quote_order(request, buyer=current_user())))


@app.get("/api/v1/orders/<order_id>", **CUSTOMER)
def get_order(order_id: str) -> Response[OrderResponse]:
    order = service.get_order(order_id, owner=_owner())
    return api.ok(OrderResponse.of(order), version=order.version)


@app.get("/api/v1/orders/<order_id>/history", **CUSTOMER)
def get_order_history(order_id: str) -> Response[OrderHistory]:
    order = service.get_order(order_id, owner=_owner())
    return api.ok(OrderHistory(items=[HistoryEntryResponse.of(entry) for entry in order.history]))


@app.post("/api/v1/orders/<order_id>/cancel", **CUSTOMER)
def cancel_order(order_id: str, request: CancelRequest) -> Response[OrderResponse]:
    asked = Asked(current_user(), request, owner=_owner(), key=api.idempotency_key(), check=api.version_check())
    return _moved(service.cancel_order(order_id, asked, reason=request.reason))


@app.post("/api/v1/orders/<order_id>/confirm", **MANAGER)
def confirm_order(order_id: str, request: NoFields) -> Response[OrderResponse]:
    asked = Asked(current_user(), request, key=api.idempotency_key(), check=api.version_check())
    return _moved(service.confirm_order(order_id, asked))


def _moved(written: Written[Order]) -> Response[OrderResponse]:
    order = written.thing
    return api.ok(OrderResponse.of(order), version=order.version, replayed=written.replayed)


def _owner() -> str | None:
    """Whose orders the user may see: customers their own, managers everyone's."""
    user = current_user()
    return None if user.is_manager else user.id


lambda_handler = api.serve(app)
