"""A catalogue of 100,000 products, and every combination of filters and orders of its lists."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from unicodedata import normalize

from oms.core import clock
from oms.core.actors import System
from oms.core.pages import LOWEST
from oms.inventory.models import Product, StockItem, category_listing, name_prefix, price_prefix
from oms.inventory.schemas import CreateProductRequest, ListProductsQuery
from oms.inventory.service import StockedProduct, new_product
from tests.support.big_table import BigTable, RawItem

MAX_PRODUCTS = 100_000
START = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = ("Hammer", "hammer", "Saw", "saw blade", "Hämmer", "Ｎail", "Drill", "Pliers", "Zange", "Éclair")


@dataclass(frozen=True)
class ListedProduct:
    """The attributes of a product that lists use. `price` in minor units."""

    number: int
    name: str
    category: str
    price: int
    status: str = "active"
    available: int = 5
    threshold: int | None = None

    @property
    def id(self) -> str:
        return f"{self.number:020d}"

    @property
    def sku(self) -> str:
        return f"Sku-{self.number % 1000:03d}-{self.number}"

    @property
    def created_at(self) -> str:
        return clock.timestamp(START + timedelta(seconds=self.number // 10))

    @property
    def is_low(self) -> bool:
        return self.threshold is not None and self.available <= self.threshold

    def raw(self) -> tuple[RawItem, RawItem]:
        """Returns product and stock item, from patterns: creating a model of each would take minutes."""
        product_pattern, stock_pattern = PATTERNS
        shown = {"id": self.id, "sku": self.sku, "name": self.name, "category": self.category, "status": self.status}
        (pk, sk), (stock_pk, stock_sk) = Product.key(self.id), StockItem.key(self.id)
        keys = {
            "listing": self.status,
            "listing_category": category_listing(self.status, self.category),
            "name_key": f"{name_prefix(self.name)}{LOWEST}{self.id}",
            "sku_key": f"{self.sku.casefold()}{LOWEST}{self.id}",
            "price_key": f"{price_prefix(self.price)}#{self.id}",
            "created_key": f"{self.created_at}#{self.id}",
        }
        texts = shown | keys | {"pk": pk, "sk": sk, "created_at": self.created_at}
        raw = {name: {"S": text} for name, text in texts.items()} | {"price": {"N": str(self.price)}}
        offer = {name: raw[name] for name in ("sku", "name", "category", "price", "status")}
        threshold = {} if self.threshold is None else {"low_stock_threshold": {"N": str(self.threshold)}}
        stock = {"pk": {"S": stock_pk}, "sk": {"S": stock_sk}, "product_id": raw["id"]}
        units = {name: {"N": str(self.available)} for name in ("available", "opening")}
        return {**product_pattern, **raw}, {**stock_pattern, **offer, **stock, **units, **threshold}


def modelled(product: ListedProduct) -> StockedProduct:
    """Returns the same items, created by the code under test."""
    text = CreateProductRequest(
        sku=product.sku,
        name=product.name,
        category=product.category,
        price=f"{product.price / 100:.2f}",
        stock=product.available,
        low_stock_threshold=product.threshold,
    )
    made, stock = new_product(product.id, text, actor=System(), fingerprint="seed")
    made.status = stock.status = product.status
    made.created_at = product.created_at
    return StockedProduct(made.place(), stock)


PATTERNS = tuple(item.serialize() for item in modelled(ListedProduct(0, "Pattern", "Tools", 0)))


def a_product(number: int, random: Random) -> ListedProduct:
    """Returns one of many with equal names and prices; a tenth is archived, a third out of stock. In `Rare` nearly all
    are out.
    """
    category = "Rare" if number % 50 == 0 else random.choice(("Tools", "Garden", "Kitchen, Bath", "Toys"))
    in_stock = random.random() < 0.67 if category != "Rare" else number % 30_000 == 0
    return ListedProduct(
        number,
        f"{random.choice(WORDS)} {random.randint(0, 99)}",
        category,
        random.randint(0, 1_000) * 10,
        "archived" if random.random() < 0.1 else "active",
        random.randint(1, 9) if in_stock else 0,
        random.choice((None, 4)),
    )


# ---- combinations ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Filter:
    """A value of a query parameter, a test for the products that it keeps, and the order that it implies."""

    value: str
    keeps: Callable[[ListedProduct], bool]
    order: str | None = None


def _folded(name: str) -> str:
    return normalize("NFKC", name).casefold()


FILTERS: dict[str, list[Filter]] = {
    "category": [
        Filter("Rare", lambda it: it.category == "Rare"),
        Filter("Rare,Kitchen, Bath", lambda it: it.category == "Rare"),
        Filter("Kitchen, Bath", lambda it: it.category == "Kitchen, Bath"),
        Filter("Tools,Rare", lambda it: it.category in ("Tools", "Rare")),
    ],
    "q": [Filter("HAMMER 7", lambda it: _folded(it.name).startswith("hammer 7"), "name")],
    "sku": [Filter("sKU-07", lambda it: it.sku.startswith("Sku-07"), "sku")],
    "min_price": [Filter("20.10", lambda it: it.price >= 2010, "price")],
    "max_price": [Filter("90", lambda it: it.price <= 9000, "price")],
    "in_stock": [Filter("true", lambda it: it.available > 0), Filter("false", lambda it: it.available == 0)],
    "low_stock": [Filter("true", lambda it: it.is_low), Filter("false", lambda it: not it.is_low)],
    "status": [
        Filter("archived", lambda it: it.status == "archived"),
        Filter("active,archived", lambda _: True),
    ],
}
# Any index can serve them: they filter after the read, or choose the partitions.
FREE = ("in_stock", "low_stock", "status")
SORTS = ("name", "-name", "price", "-price", "created_at", "-created_at")
ORDERS: dict[str, Callable[[ListedProduct], Any]] = {
    "name": lambda it: (_folded(it.name), it.id),
    "price": lambda it: (it.price, it.id),
    "created_at": lambda it: (it.created_at, it.id),
    "sku": lambda it: (it.sku.casefold(), it.id),
}


@dataclass(frozen=True)
class Combination:
    filters: Mapping[str, Filter]
    sort: str | None

    @property
    def query(self) -> dict[str, str]:
        values = {name: it.value for name, it in self.filters.items()}
        return values | ({"sort": self.sort} if self.sort else {})

    def parsed(self, *, limit: int) -> ListProductsQuery:
        return ListProductsQuery.model_validate({**self.query, "limit": limit})

    @property
    def fields(self) -> set[str]:
        """The sort orders that are requested or implied."""
        asked = {self.sort.removeprefix("-")} if self.sort else set()
        return asked | {it.order for it in self.filters.values() if it.order}

    @property
    def is_served(self) -> bool:
        return len(self.fields) <= 1 and not (self.fields == {"sku"} and "category" in self.filters)

    @property
    def field(self) -> str:
        return next(iter(self.fields), "name")

    @property
    def descends(self) -> bool:
        return (self.sort or "").startswith("-")

    def keeps(self, product: ListedProduct) -> bool:
        status = "status" in self.filters or product.status == "active"
        return status and all(it.keeps(product) for it in self.filters.values())

    @property
    def partitions(self) -> int:
        """Returns one for each status, and for each category that the text may mean: its parts, and the whole.

        A part with a blank before it is searched with the blank and without.
        """
        statuses = self.filters["status"].value.count(",") + 1 if "status" in self.filters else 1
        text = self.filters["category"].value if "category" in self.filters else ""
        categories = text.count(",") + 2 + text.count(", ") if "," in text else 1
        return statuses * categories


def combinations(names: Iterable[str], *, served: bool) -> list[Combination]:
    """Yields every combination of these filters, each present (with its first value) or absent, and of the order."""
    chosen = []
    for present in itertools.product([False, True], repeat=len(tuple(names))):
        filters = {name: FILTERS[name][0] for name, is_set in zip(names, present, strict=True) if is_set}
        chosen += [Combination(filters, sort) for sort in (None, *SORTS)]
    return [it for it in chosen if it.is_served == served]


BINDING = [name for name in FILTERS if name not in FREE]
FREE_CHOICES = [
    {name: it for name, it in zip(FREE, chosen, strict=True) if it is not None}
    for chosen in itertools.product(*([None, *FILTERS[name]] for name in FREE))
]


# ---- the catalogue --------------------------------------------------------------------------------------------------


class Catalogue:
    """The products as clients know them, and the table that has them."""

    def __init__(self) -> None:
        random = Random(7)
        self.products = [a_product(number, random) for number in range(MAX_PRODUCTS)]
        self.table = BigTable("inventory", (item for product in self.products for item in product.raw()))
        self.touched: set[str] = set()
        self._ordered: dict[str, list[ListedProduct]] = {}

    def __getitem__(self, product_id: str) -> ListedProduct:
        return self.products[int(product_id)]

    def write(self, product: ListedProduct) -> None:
        """Adds the product, or replaces the one with its number."""
        self.products[product.number : product.number + 1] = [product]
        self.touched.add(product.id)
        for item in product.raw():
            self.table.put(item)

    def untouched(self, asked: Combination) -> Iterator[ListedProduct]:
        """Returns the products that a walk must find, the last first, without those added or edited since its start."""
        if asked.field not in self._ordered:
            first = (it for it in self.products[:MAX_PRODUCTS] if it.id not in self.touched)
            self._ordered[asked.field] = sorted(first, key=ORDERS[asked.field])
        ordered = self._ordered[asked.field]
        for product in ordered if asked.descends else reversed(ordered):
            if asked.keeps(product) and product.id not in self.touched:
                yield product
