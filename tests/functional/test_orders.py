from collections.abc import Callable

from inventory import handler as inventory
from orders import handler as orders
from tests.functional.harness import Person, invoke


def test_an_order_reserves_what_it_takes(customer: Person, manager: Person, product: Callable[..., str]) -> None:
    bought = product(stock=10, price="19.99")

    placed = invoke(
        orders,
        "POST",
        "/api/v1/orders",
        {"items": [{"product_id": bought, "quantity": 3}], "shipping_cost": 10.00},
        token=customer.token,
    )

    assert placed.status == 201, placed.text
    assert placed.json["total"] == "69.97"
    shown = invoke(inventory, "GET", f"/api/v1/inventory/products/{bought}", token=manager.token)
    assert (shown.json["available"], shown.json["reserved"], shown.json["on_hand"]) == (7, 3, 10)
    confirmed = invoke(orders, "POST", f"/api/v1/orders/{placed.json['id']}/confirm", token=manager.token)
    assert confirmed.status == 200, confirmed.text
    cancelled = invoke(orders, "POST", f"/api/v1/orders/{placed.json['id']}/cancel", token=customer.token)
    assert cancelled.status == 200, cancelled.text
    assert cancelled.json["version"] == 3
    listed = invoke(orders, "GET", "/api/v1/orders", query="status=cancelled,pending", token=customer.token)
    assert [order["id"] for order in listed.json["items"]] == [placed.json["id"]], listed.text
    history = invoke(orders, "GET", f"/api/v1/orders/{placed.json['id']}/history", token=customer.token)
    assert [entry["to"] for entry in history.json["items"]] == ["pending", "confirmed", "cancelled"], history.text
