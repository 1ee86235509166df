"""The kinds of imports, by name."""

from oms.imports.products import CREATE, Products
from oms.imports.rows import Kind
from oms.imports.stock import Stock

UPSERT = "upsert"
_FURTHER = ("name", "description", "category", "price", "low_stock_threshold", "attributes", "status", "stock")
KINDS: dict[str, Kind] = {
    "products": Products(("sku",), _FURTHER, creates=True),
    "prices": Products(("sku", "price"), creates=False),
    "stock": Stock(),
}
# The kinds whose rows can create something.
CREATING = frozenset(("products",))
MODES = (UPSERT, CREATE)
