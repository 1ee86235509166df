"""The kinds of imports, by name."""

from oms.imports.orders import Orders
from oms.imports.products import Products
from oms.imports.rows import CREATE, Kind
from oms.imports.stock import Stock

UPSERT = "upsert"
_FURTHER = ("name", "description", "category", "price", "low_stock_threshold", "attributes", "status", "stock")
KINDS: dict[str, Kind] = {
    "products": Products(("sku",), _FURTHER, creates=True),
    "prices": Products(("sku", "price"), creates=False),
    "stock": Stock(),
    "orders": Orders(),
}
# The kinds whose rows can create something.
CREATING = frozenset(("products", "orders"))
# The kinds whose rows are not flat, so that no CSV file can have them.
NESTED = frozenset(("orders",))
MODES = (UPSERT, CREATE)
