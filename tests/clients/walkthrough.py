"""A first program of a client developer, on the client that openapi-python-client generates as `generated_client`.

`python walkthrough.py http://localhost:5000`, with the folder of the generated package on PYTHONPATH. It prints a line
for each step and fails at the first answer that differs from the document.
"""

import sys
import time
from http import HTTPStatus
from uuid import uuid4

from generated_client import AuthenticatedClient, Client
from generated_client.api.auth import log_in, register
from generated_client.api.events import get_event, list_events
from generated_client.api.inventory import list_products
from generated_client.api.orders import cancel_order, create_order, get_order, list_orders, quote_order
from generated_client.models import (
    CancelRequest,
    CreateOrderRequest,
    GatewayProblem,
    LoginRequest,
    OrderItem,
    OrderStatus,
    Problem,
    RegisterRequest,
)
from generated_client.types import Response, Unset

WAIT_SECONDS = 120
MORE_THAN_THERE_IS = 10_000


def main(base_url: str) -> None:
    anyone = Client(base_url=base_url)
    email, password = f"walkthrough-{uuid4().hex}@example.com", f"walkthrough-{uuid4().hex}"

    registration = RegisterRequest(email=email, password=password, first_name="Ada")
    user = parsed(register.sync_detailed(client=anyone, body=registration), HTTPStatus.CREATED)
    print("registered", user.role)
    taken = problem(register.sync_detailed(client=anyone, body=registration), HTTPStatus.CONFLICT)
    assert taken.code == "email-taken", taken

    customer = sign_in(anyone, base_url, email, password)
    products = parsed(list_products.sync_detailed(client=customer, in_stock=True, limit=3), HTTPStatus.OK).items
    print("products", [product.name for product in products])

    body = CreateOrderRequest(items=[OrderItem(product_id=products[0].id, quantity=1)])
    quote = parsed(quote_order.sync_detailed(client=customer, body=body), HTTPStatus.OK)
    key = uuid4().hex
    first, again = (
        create_order.sync_detailed(client=customer, body=body, idempotency_key=key) for _ in ("first", "again")
    )
    order = parsed(first, HTTPStatus.CREATED)
    assert order.total == quote.total
    assert parsed(again, HTTPStatus.CREATED).id == order.id
    assert again.headers["Idempotency-Replayed"] == "true"
    print("ordered", order.number, order.total, order.currency, order.created_at)

    several = [OrderStatus.PENDING, OrderStatus.SHIPPED]
    listed = parsed(list_orders.sync_detailed(client=customer, status=several), HTTPStatus.OK).items
    assert [it.id for it in listed] == [order.id]
    print("listed", [it.status.value for it in listed])

    shown = get_order.sync_detailed(order.id, client=customer)
    assert parsed(shown, HTTPStatus.OK).status == "pending"
    reason = CancelRequest(reason="no longer needed")
    cancel = cancel_order.sync_detailed(order.id, client=customer, body=reason, if_match=shown.headers["ETag"])
    assert parsed(cancel, HTTPStatus.OK).status == "cancelled"
    print("cancelled")

    refused = problem(cancel_order.sync_detailed(order.id, client=customer, body=reason), HTTPStatus.CONFLICT)
    assert refused.code == "invalid-transition", refused
    print("409", refused.code, refused.detail)
    nothing = CreateOrderRequest(items=[OrderItem(product_id=products[0].id, quantity=0)])
    invalid = problem(quote_order.sync_detailed(client=customer, body=nothing), HTTPStatus.UNPROCESSABLE_ENTITY)
    assert not isinstance(invalid.errors, Unset), invalid
    assert [error.pointer for error in invalid.errors] == ["#/items/0/quantity"], invalid
    print("422", invalid.code, invalid.errors[0].detail)

    manager = sign_in(anyone, base_url, "manager@demo.example", "demo-pass-123")
    too_much = CreateOrderRequest(items=[OrderItem(product_id=products[0].id, quantity=MORE_THAN_THERE_IS)])
    short = problem(create_order.sync_detailed(client=manager, body=too_much), HTTPStatus.CONFLICT)
    assert short.code == "insufficient-stock", short
    assert not isinstance(short.shortfalls, Unset), short
    assert [it.requested for it in short.shortfalls] == [MORE_THAN_THERE_IS], short
    print("409", short.code, short.shortfalls[0].available)
    follow_feed(manager, order.id)


def sign_in(anyone: Client, base_url: str, email: str, password: str) -> AuthenticatedClient:
    tokens = parsed(
        log_in.sync_detailed(client=anyone, body=LoginRequest(email=email, password=password)), HTTPStatus.OK
    )
    return AuthenticatedClient(base_url=base_url, token=tokens.access_token)


def follow_feed(manager: AuthenticatedClient, order_id: str) -> None:
    """Reads the feed, which is seconds behind, until the cancellation of the order."""
    after: dict[str, str] = {}
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        page = parsed(
            list_events.sync_detailed(client=manager, type_="order.cancelled", limit=100, **after), HTTPStatus.OK
        )
        for event in page.items:
            if event.data["id"] == order_id:
                assert parsed(get_event.sync_detailed(event.id, client=manager), HTTPStatus.OK) == event
                print("feed", event.type_, event.sequence, event.occurred_at)
                return
        if page.items:
            after = {"after": page.items[-1].id}
        else:
            time.sleep(0.5)
    raise TimeoutError("the event of the cancellation did not come")


def parsed[T](response: Response[T | Problem | GatewayProblem], status: HTTPStatus) -> T:
    """Returns the generated code's object for an answer that is not a problem response."""
    assert response.status_code == status, f"{response.status_code} {response.content!r}"
    assert response.parsed is not None
    assert not isinstance(response.parsed, Problem | GatewayProblem)
    return response.parsed


def problem[T](response: Response[T | Problem | GatewayProblem], status: HTTPStatus) -> Problem:
    assert response.status_code == status, f"{response.status_code} {response.content!r}"
    assert isinstance(response.parsed, Problem), response.parsed
    return response.parsed


if __name__ == "__main__":
    main(sys.argv[1])
