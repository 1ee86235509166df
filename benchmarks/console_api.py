"""An API for the benchmark of the back office: fixed responses for one page, and orders without an end."""

import gzip
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

# A warm function answers these requests in 20 to 60 ms: see docs/operate/performance.md.
RESPONSE_SECONDS = 0.05
STATUSES = ("pending", "confirmed", "shipped", "delivered", "returned", "cancelled", "expired")
NAMES = ("Noor Haddad", "Jonas Weber", "Camille Lefèvre", "Inês Carvalho", "Oskar Nyström", "Giulia Ferri")
MOMENT = "2026-11-30T09:15:42.123456Z"
USER = {
    "id": "YVT65M7QNAW9TXAQ7PHA",
    "email": "manager@demo.example",
    "email_verified": True,
    "first_name": "Max",
    "last_name": "Example",
    "role": "manager",
    "status": "active",
    "created_at": MOMENT,
    "updated_at": MOMENT,
}
FIXED: dict[str, object] = {
    "/api/v1/auth/refresh": {"access_token": "token", "token_type": "Bearer", "expires_in": 900},
    "/api/v1/auth/me": USER,
    "/api/v1/shop": {"name": "shop.example", "currency": "EUR", "time_zone": "Europe/Berlin"},
}
EMPTY_PAGE: dict[str, object] = {"items": [], "next_cursor": None, "resume_cursor": None}


def order(place: int) -> dict[str, object]:
    """Returns an order as a manager sees it. Few digits repeat in its ids, as in real ones, so that gzip finds few."""
    spread = place * 2654435761 % 2**32
    name = NAMES[place % len(NAMES)]
    first, last = name.split()
    identifier = f"0C{spread:010d}{place:08d}"
    line = {"product_id": str(spread % 97), "sku": f"SKU-{spread % 997}", "name": "Hand coffee grinder", "quantity": 2}
    return {
        "id": identifier,
        "number": f"20261130-{identifier[:10]}",
        "status": STATUSES[place % len(STATUSES)],
        "customer_id": f"C{spread:019d}",
        "customer": {"email": f"{first}.{last}{place}@example.com", "first_name": first, "last_name": last},
        "items": [line | {"unit_price": f"{spread % 90 + 9}.90", "line_total": f"{2 * (spread % 90 + 9) + 1}.80"}],
        "subtotal": f"{2 * (spread % 90 + 9) + 1}.80",
        "shipping_cost": "4.90",
        "total": f"{2 * (spread % 90 + 9) + 6}.70",
        "currency": "EUR",
        "shipping_address": {"name": name, "line1": f"Keizersgracht {place}", "city": "Amsterdam", "country": "NL"},
        "note": None,
        "tracking_number": None,
        "carrier": None,
        "version": 1,
        "created_at": MOMENT,
        "updated_at": MOMENT,
    }


def orders(query: dict[str, list[str]]) -> dict[str, object]:
    """Returns the page of a cursor, which is the number of its first order."""
    first, limit = int(query.get("cursor", ["0"])[0]), int(query.get("limit", ["50"])[0])
    return {"items": [order(place) for place in range(first, first + limit)], "next_cursor": str(first + limit)}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        # The front door sends the path of the gateway before that of the API.
        url = urlsplit(self.path)
        path = url.path
        content = orders(parse_qs(url.query)) if path == "/api/v1/orders" else FIXED.get(path, EMPTY_PAGE)
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = gzip.compress(json.dumps(content).encode(), 6)
        time.sleep(RESPONSE_SECONDS)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815  `http.server` gives the name

    def log_message(self, format: str, *args: Any) -> None:
        """Does nothing."""


@contextmanager
def served() -> Iterator[str]:
    """Serves the API until the end of the context, and yields its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()
