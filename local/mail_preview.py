"""`make mail-preview`: renders each mail with sample data, as text and as HTML, in build/mails/."""

from pathlib import Path
from typing import Any

from oms.commands.closed_pipe import run_until_unread
from oms.mail.rendering import RenderedText, render
from oms.orders.schemas import OrderEventData

FOLDER = Path(__file__).resolve().parents[1] / "build" / "mails"
ABOUT = {"name": "Alice", "shop": "shop.example", "public_url": "https://shop.example"}
TOKEN = "0123456789ABCDEFGHJK.a-token-of-43-characters-stands-in-the-fragment"  # noqa: S105 - a sample
ORDER_LINES: list[dict[str, Any]] = [
    {
        "product_id": "1",
        "sku": "COF-ESP-1000",
        "name": "Espresso Beans Monte Chiaro, 1 kg",
        "category": "Coffee",
        "quantity": 2,
        "unit_price": "24.90",
        "line_total": "49.80",
    },
    {
        "product_id": "16",
        "sku": "KIT-BRD-OAK1",
        "name": "Oak Cutting Board, 40 × 28 cm",
        "category": "Kitchen",
        "quantity": 1,
        "unit_price": "54.90",
        "line_total": "54.90",
    },
    {
        "product_id": "28",
        "sku": "OFF-CLP-BRAS",
        "name": "Brass Paper Clips, Box of 50",
        "category": "Office",
        "quantity": 100,
        "unit_price": "8.40",
        "line_total": "840.00",
    },
]
ORDER: dict[str, Any] = {
    "id": "01K9ZQ3V7T5M8N2R4X6Y",
    "number": "20261122-01K9ZQ3V7T",
    "status": "pending",
    "customer_id": "01J0000000000000ALCE",
    "items": ORDER_LINES,
    "subtotal": "944.70",
    "shipping_cost": "10.00",
    "total": "954.70",
    "currency": "EUR",
    "shipping_address": {
        "name": "Alice Moreau",
        "company": "Moreau & Fils SARL",
        "line1": "14 Rue des Lilas",
        "line2": "3rd floor",
        "city": "Lyon",
        "postal_code": "69003",
        "region": None,
        "country": "FR",
        "phone": "+33 4 72 00 00 00",
    },
    "note": None,
    "purchase_order": None,
    "metadata": {},
    "tags": [],
    "channel": None,
    "external_ref": None,
    "locale": None,
    "created_at": "2026-11-22T09:41:07.120Z",
    "updated_at": "2026-11-22T09:41:07.120Z",
    "expires_at": None,
    "version": 1,
    "shipment": None,
    "cancel_reason": None,
}
SHIPMENT = {
    "carrier": "DHL",
    "tracking_number": "00340434161094000001",
    "tracking_url": "https://track.example/00340434161094000001",
    "shipped_at": "2026-11-24T14:02:00.000Z",
}
WEBHOOK = {
    "id": "01K9ZQ3V7T5M8N2R4X6Y",
    "url": "https://erp.example/hooks/orders",
    "description": "Orders into the ERP",
    "disabled_reason": "failing",
    "failing_since": "2026-11-17T03:12:40.000Z",
}

EXPORT = {
    "id": "6ASQZ1Y2KSAAE0CESPPX",
    "report": "orders",
    "from_": "2026-11-21T00:00:00.000Z",
    "to": "2026-11-22T00:00:00.000Z",
    "created_at": "2026-11-22T00:45:07.120Z",
    "rows": 1284,
    "schedule_id": "01K9ZQ3V7T5M8N2R4X6Y",
}


def sample_order(**changes: Any) -> OrderEventData:
    return OrderEventData.model_validate(ORDER | changes, strict=False)


def samples() -> dict[str, dict[str, Any]]:
    """Returns the values of each purpose's templates."""
    return {
        "verify": {"link": f"https://shop.example/verify-email#token={TOKEN}"},
        "reset": {"link": f"https://shop.example/reset-password#token={TOKEN}"},
        "locked": {"locked_until": "2026-11-22T10:00:00.000Z"},
        "password.changed": {"at": "2026-11-22T09:41:07.000Z"},
        "email.change": {"link": f"https://shop.example/verify-email#token={TOKEN}"},
        "email.take-back": {"link": f"https://shop.example/take-back-email#token={TOKEN}"},
        "role.changed": {"role": "manager", "has_password": False},
        "order.created": {
            "order": sample_order(expires_at="2026-11-22T10:11:07.120Z"),
            "reserved_until": "2026-11-22T10:11:07.120Z",
        },
        "order.confirmed": {"order": sample_order(status="confirmed", purchase_order="PO-2026-0117")},
        "order.shipped": {"order": sample_order(status="shipped", shipment=SHIPMENT)},
        "order.cancelled": {"order": sample_order(status="cancelled", cancel_reason="Ordered by mistake")},
        "order.expired": {"order": sample_order(status="expired", shipping_address=None)},
        "webhook.disabled": {"webhook": WEBHOOK},
        "report.ready": {"export": EXPORT, "expires": "2026-12-22T00:45:12.000Z"},
    }


def preview(purpose: str, **values: Any) -> RenderedText:
    return render(purpose, ABOUT | samples()[purpose] | values)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for purpose in samples():
        rendered = preview(purpose)
        (FOLDER / f"{purpose}.txt").write_text(f"{rendered.subject}\n\n{rendered.text}")
        (FOLDER / f"{purpose}.html").write_text(rendered.html)
        print(FOLDER / f"{purpose}.html")


if __name__ == "__main__":
    run_until_unread(main, status=0)
