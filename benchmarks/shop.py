"""The data of the benchmark of requests, the same for all variants."""

from typing import Any

CUSTOMERS = 8
ORDERS_OF_EACH = 25
PRODUCTS = 60
# Each may be refreshed 30 times a minute, and a profile of two seconds has up to 2,500 refreshes.
SESSIONS = 120
PAGE = 20
SHIPPING_ADDRESS = {
    "name": "Alice Moreau",
    "line1": "12 Rue des Lilas",
    "line2": "Bâtiment B",
    "city": "Lyon",
    "postal_code": "69003",
    "region": "Auvergne-Rhône-Alpes",
    "country": "FR",
}
NOTE = "Please call before the delivery."


def product(number: int) -> dict[str, Any]:
    """Returns the fields of a product. The price is in minor units, and the stock is never sold out."""
    return {
        "sku": f"SKU-{number:04d}",
        "name": f"Garden chair, model {number:04d}",
        "description": "A chair of oiled acacia wood that folds flat. Delivered in one box, with a cover.",
        "category": f"Category {number % 6}",
        "price": 1999 + 50 * number,
        "stock": 1_000_000,
    }
