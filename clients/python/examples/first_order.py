"""The first steps of a shop: a catalogue from a file, an order of its web shop, its shipment and its event.

    OMS_URL=http://localhost:5000 OMS_KEY=oms_… python first_order.py products.csv 1001

The file has the columns sku, name, category, price and stock; 1001 is the order's number in the web shop. The key needs
the scopes catalogue:read, catalogue:write, orders:create, orders:read, orders:manage and events:read.
The program can be run again, also after an interruption: each product, the order and the shipment are made once.
"""

import csv
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

from oms_client import OmsClient
from oms_client.models import (
    ExternalRefRequest,
    GuestOrderResponse,
    ManagedOrderResponse,
    OrderCustomer,
    OrderItem,
    OrderResponse,
)
from oms_client.problems import SkuTakenError

Order: TypeAlias = ManagedOrderResponse | GuestOrderResponse | OrderResponse
EMAIL = "grace@example.org"


def main(file: Path, number: str) -> None:
    with OmsClient() as oms:
        skus = create_products(oms, file)
        print("catalogue", len(skus), "products")
        order = place_order(oms, skus[0], number)
        print("ordered", order.number, order.total, order.currency)
        print("found", find_by_email(oms, order).number)
        print("shipped", ship(oms, order).number)
        event = next(it for it in oms.events.follow(type="order.shipped") if it.data["id"] == order.id)
        print("followed", event.type, event.occurred_at.isoformat())


def create_products(oms: OmsClient, file: Path) -> list[str]:
    """Creates the products of a CSV file, and returns their SKUs."""
    with file.open(newline="", encoding="utf-8") as text:
        rows = list(csv.DictReader(text))
    for row in rows:
        try:
            oms.inventory.create_product(
                sku=row["sku"],
                name=row["name"],
                category=row["category"],
                price=Decimal(row["price"]),
                stock=int(row["stock"]),
                idempotency_key=f"catalogue-{row['sku']}",
            )
        except SkuTakenError:
            print("exists", row["sku"])
    return [row["sku"] for row in rows]


def place_order(oms: OmsClient, sku: str, number: str) -> Order:
    """Places an order of the web shop. The reference to its number there makes it one order, also if sent twice."""
    # The list of products is a moment behind.
    while (product := next(oms.inventory.iter_products(sku=sku), None)) is None:
        time.sleep(0.5)
    return oms.orders.create_order(
        items=[OrderItem(product_id=product.id, quantity=2)],
        shipping_cost=Decimal("4.90"),
        customer=OrderCustomer(email=EMAIL, name="Grace Hopper"),
        external_ref=ExternalRefRequest(channel="web", id=number),
    )


def find_by_email(oms: OmsClient, order: Order) -> Order:
    """Finds the order as a support desk does. Searches are seconds behind."""
    while True:
        for found in oms.orders.iter_orders(q=EMAIL):
            if found.id == order.id:
                return found
        time.sleep(0.5)


def ship(oms: OmsClient, order: Order) -> Order:
    """Confirms and ships the order. Keys of its own make both safe to repeat, also in another run."""
    oms.orders.confirm_order(order.id, idempotency_key=f"confirm-{order.id}")
    return oms.orders.ship_order(
        order.id, carrier="DHL", tracking_number="JVGL0612", idempotency_key=f"ship-{order.id}"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
