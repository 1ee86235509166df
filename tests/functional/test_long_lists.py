"""Lists: the right items in the right order over all their pages, at a cost that does not grow with their length."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from operator import attrgetter
from random import Random
from typing import Any
from unicodedata import normalize

import pytest

from oms.core.actors import System
from oms.core.dynamodb import StoredItem
from oms.core.settings import settings
from oms.inventory.models import Product, StockItem
from oms.inventory.schemas import CreateProductRequest
from oms.inventory.service import new_product
from oms.orders import service as order_service
from oms.orders.models import Order, created_shard, status_keys
from oms.orders.states import OPEN, OrderStatus
from tests.support.audit_addresses import known_readers
from tests.support.aws_calls import Call, intercepted
from tests.support.big_table import BigTable, RawItem
from tests.support.gateway import call
from tests.support.invocation import Person

SHARDS = 3
PRODUCTS, ORDERS = "/api/v1/inventory/products", "/api/v1/orders"


@pytest.fixture(autouse=True)
def _three_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_service, "settings", lambda: replace(settings(), order_shards=SHARDS))


def an_order(number: int, at: str, status: str, customer_id: str) -> Order:
    order_id = f"{number:020d}"
    shard = number % SHARDS
    return Order(
        id=order_id,
        number=order_id,
        customer_id=customer_id,
        status=status,
        lines=[],
        subtotal=0,
        shipping_cost=0,
        total=0,
        currency="EUR",
        created_at=at,
        updated_at=at,
        expires_at=at if status == "pending" else None,
        version=1,
        history=[],
        request_hash="none",
        created_key=f"{at}#{order_id}",
        shard=created_shard(shard),
        **status_keys(customer_id=customer_id, status=status, shard=shard),
    )


def a_product(number: int, **fields: Any) -> tuple[Product, StockItem]:
    status = fields.pop("status", "active")
    created_at = fields.pop("created_at", f"2026-01-01T00:00:{number % 60:02d}.000Z")
    text = CreateProductRequest(
        **{"sku": f"SKU-{number}", "name": f"Product {number}", "category": "Tools", "price": number} | fields
    )
    product, stock = new_product(f"{number:020d}", text, actor=System(), fingerprint="seed")
    product.status = stock.status = status
    product.created_at = created_at
    return product.place(), stock


def raw(items: Iterable[StoredItem]) -> list[RawItem]:
    return [item.serialize() for item in items]


def all_pages(path: str, who: Person, *, limit: int) -> list[str]:
    """Returns the ids of a list, read page by page. No page is longer than its limit."""
    found: list[str] = []
    cursor = ""
    for _ in range(1000):
        page = call("GET", f"{path}{'&' if '?' in path else '?'}limit={limit}{cursor}", token=who.token)
        assert page.status == 200, page.text
        assert len(page.json["items"]) <= limit
        found += [item["id"] for item in page.json["items"]]
        if page.json["next_cursor"] is None:
            return found
        cursor = f"&cursor={page.json['next_cursor']}"
    raise AssertionError("the list does not end")


# ---- orders ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def orders(customer: Person) -> list[Order]:
    """90 orders over the shards, many of the same millisecond; half of them are the customer's."""
    random = Random(7)
    made = []
    for number in range(90):
        at = f"2026-01-{random.randint(1, 9):02d}T{random.choice(('00', '12', '23'))}:00:00.{random.randint(0, 2):03d}Z"
        buyer = customer.id if random.random() < 0.5 else random.choice(("someone", "someone-else"))
        made.append(an_order(number, at, random.choice(list(OrderStatus)), buyer))
    return made


ORDER_FILTERS: dict[str, Callable[[Order], bool]] = {
    "": lambda _: True,
    "status=pending": lambda it: it.status == "pending",
    "status=confirmed": lambda it: it.status == "confirmed",
    "status=pending,confirmed": lambda it: it.status in OPEN,
    "status=cancelled": lambda it: it.status == "cancelled",
    "status=cancelled,pending,expired": lambda it: it.status in ("cancelled", "pending", "expired"),
    "from=2026-01-03&to=2026-01-06": lambda it: "2026-01-03" <= it.created_at[:10] <= "2026-01-06",
    "from=2026-01-03T12:00:00.001Z": lambda it: it.created_at >= "2026-01-03T12:00:00.001Z",
    "to=2026-01-03T12:00:00.001Z": lambda it: it.created_at < "2026-01-03T12:00:00.001Z",
    "status=pending&from=2026-01-02": lambda it: it.status == "pending" and it.created_at >= "2026-01-02",
    "status=expired&to=2026-01-05": lambda it: it.status == "expired" and it.created_at[:10] <= "2026-01-05",
}

# A page's limit, and the number of items at which a Query ends (1 MB on AWS, far less here).
PAGES = [(7, 1000), (100, 1000), (30, 9)]


def newest_first(orders: Iterable[Order]) -> list[str]:
    return [order.id for order in sorted(orders, key=attrgetter("created_at", "id"), reverse=True)]


@pytest.mark.parametrize("filters", ORDER_FILTERS)
def test_all_orders_come_newest_first_over_all_shards(orders: list[Order], manager: Person, filters: str) -> None:
    for limit, most in PAGES:
        with intercepted(BigTable("orders", raw(orders), most=most).plan):
            found = all_pages(f"{ORDERS}?{filters}", manager, limit=limit)

        assert found == newest_first(filter(ORDER_FILTERS[filters], orders))


@pytest.mark.parametrize("filters", ORDER_FILTERS)
def test_the_orders_of_a_customer_come_newest_first(
    orders: list[Order], customer: Person, manager: Person, filters: str
) -> None:
    wanted = [it for it in filter(ORDER_FILTERS[filters], orders) if it.customer_id == customer.id]
    own = f"{ORDERS}?{filters}"
    for limit, most in PAGES:
        with intercepted(BigTable("orders", raw(orders), most=most).plan):
            assert all_pages(own, customer, limit=limit) == newest_first(wanted)
            found = all_pages(f"{own}{'&' if filters else ''}customer_id={customer.id}", manager, limit=limit)

        assert found == newest_first(wanted)


# ---- products -------------------------------------------------------------------------------------------------------

type Stocked = tuple[Product, StockItem]

NAMES = ("Hammer", "hammer", "Hammer 2", "Hammer Pro", "Hammer!", "Hämmer", "Saw", "saw blade", "Ｓａｗ", "Zange")
CATEGORIES = ("Tools", "Garden", "Toys, Games")


@pytest.fixture
def products() -> list[Stocked]:
    """90 products with many equal names, prices and times; some SKUs and names begin with others."""
    random = Random(7)
    made = []
    for number in range(90):
        stock = random.randint(0, 4)
        product = a_product(
            number,
            sku=f"{random.choice(('ab', 'AB', 'ab!', 'cd'))}{number or ''}",
            name=random.choice(NAMES),
            category=random.choice(CATEGORIES),
            price=random.randint(0, 9),
            stock=stock,
            low_stock_threshold=random.choice((None, 2)),
            status=random.choice(("active", "active", "archived")),
            created_at=f"2026-01-0{random.randint(1, 9)}T00:00:00.000Z",
        )
        made.append(product)
    return made


def stored(products: Iterable[Stocked]) -> list[RawItem]:
    return raw(item for stocked in products for item in stocked)


def folded(name: str) -> str:
    return normalize("NFKC", name).casefold()


SORTS: dict[str, Callable[[Stocked], Any]] = {
    "name": lambda it: (folded(it[0].name), it[0].id),
    "price": lambda it: (it[0].price, it[0].id),
    "created_at": lambda it: (it[0].created_at, it[0].id),
    "sku": lambda it: (it[0].sku.casefold(), it[0].id),
}


def _is_low(stocked: Stocked) -> bool:
    threshold = stocked[1].low_stock_threshold
    return threshold is not None and stocked[1].available <= threshold


# Query without `sort` and `status` → the order that it implies, a test for the active products that it keeps.
PRODUCT_FILTERS: dict[str, tuple[str, Callable[[Stocked], bool]]] = {
    "": ("name", lambda _: True),
    "category=Tools": ("name", lambda it: it[0].category == "Tools"),
    "category=Tools,Garden": ("name", lambda it: it[0].category in ("Tools", "Garden")),
    "category=Toys, Games": ("name", lambda it: it[0].category == "Toys, Games"),
    "q=HAM": ("name", lambda it: folded(it[0].name).startswith("ham")),
    "q=hammer&category=Garden,Tools": (
        "name",
        lambda it: folded(it[0].name).startswith("hammer") and it[0].category in ("Garden", "Tools"),
    ),
    "sku=aB": ("sku", lambda it: it[0].sku.casefold().startswith("ab")),
    "min_price=3": ("price", lambda it: it[0].price >= 300),
    "max_price=3": ("price", lambda it: it[0].price <= 300),
    "min_price=2&max_price=5": ("price", lambda it: 200 <= it[0].price <= 500),
    "min_price=2&category=Tools": ("price", lambda it: it[0].price >= 200 and it[0].category == "Tools"),
    "in_stock=true": ("name", lambda it: it[1].available > 0),
    "in_stock=false&category=Tools": ("name", lambda it: it[1].available == 0 and it[0].category == "Tools"),
    "low_stock=true": ("name", _is_low),
    "low_stock=false&in_stock=true": ("name", lambda it: not _is_low(it) and it[1].available > 0),
}
STATUSES: dict[str, tuple[str, ...]] = {
    "": ("active",),
    "status=archived": ("archived",),
    "status=active,archived": ("active", "archived"),
}


def _requested_orders(filters: str) -> list[str]:
    """Returns the order that the filters imply, in both directions, or every order if they imply none."""
    implied, _ = PRODUCT_FILTERS[filters]
    fields = [implied] if filters.startswith(("q=", "min_", "max_")) else ["name", "price", "created_at"]
    return [sign + field for field in fields for sign in ("", "-")]


@pytest.mark.parametrize("filters", PRODUCT_FILTERS)
def test_products_come_in_the_order_that_the_filters_imply(
    products: list[Stocked], manager: Person, filters: str
) -> None:
    field, keep = PRODUCT_FILTERS[filters]
    for (statuses, allowed), (limit, most) in zip(STATUSES.items(), PAGES, strict=True):
        with intercepted(BigTable("inventory", stored(products), most=most).plan):
            found = all_pages(f"{PRODUCTS}?{'&'.join(filter(None, (filters, statuses)))}", manager, limit=limit)

        wanted = [it for it in products if it[0].status in allowed and keep(it)]
        assert found == [it[0].id for it in sorted(wanted, key=SORTS[field])], statuses


@pytest.mark.parametrize("filters", [filters for filters in PRODUCT_FILTERS if not filters.startswith("sku=")])
def test_products_come_in_the_requested_order(products: list[Stocked], manager: Person, filters: str) -> None:
    _, keep = PRODUCT_FILTERS[filters]
    for order in _requested_orders(filters):
        with intercepted(BigTable("inventory", stored(products)).plan):
            found = all_pages(
                f"{PRODUCTS}?{filters}{'&' if filters else ''}sort={order}&status=active,archived", manager, limit=29
            )

        sort = SORTS[order.removeprefix("-")]
        ordered = sorted(filter(keep, products), key=sort, reverse=order.startswith("-"))
        assert found == [it[0].id for it in ordered], order


# ---- length ---------------------------------------------------------------------------------------------------------

MAX_ORDERS = 20_000


def calls_of(path: str, who: Person, big: BigTable) -> list[str]:
    """Returns the operations of a list's first page, and of the next page if there is one."""
    with intercepted(big.plan) as made:
        page = call("GET", path, token=who.token)
        assert page.status == 200, page.text
        first = [it.operation for it in made]
        assert all(it.parameters["Limit"] <= 250 for it in made if it.operation == "Query"), (
            "reads no more than a page needs"
        )
        if page.json["next_cursor"] is not None:
            call("GET", f"{path}{'&' if '?' in path else '?'}cursor={page.json['next_cursor']}", token=who.token)
            assert [it.operation for it in made] == first * 2, "each page costs the same"
    return sorted(first)


def changed(item: RawItem, **attributes: str) -> RawItem:
    return {**item, **{name: {"S": value} for name, value in attributes.items()}}


@pytest.fixture(scope="module")
def many_orders() -> list[RawItem]:
    """Orders of two customers: half of them pending, a hundredth confirmed, none returned."""
    status = {0: "confirmed"} | dict.fromkeys(range(1, 51), "pending")
    models = [
        an_order(number, "2026-01-01T00:00:00.000Z", status.get(number % 100, "cancelled"), f"customer-{number % 2}")
        for number in range(300)  # until the pattern of shard, status and customer repeats
    ]
    patterns = raw(models)
    made = []
    for number in range(MAX_ORDERS):
        order_id = f"{number:020d}"
        at = f"2026-01-01T{number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}.000Z"
        made.append(changed(patterns[number % 300], id=order_id, created_at=at, created_key=f"{at}#{order_id}"))
    return made


@pytest.fixture(scope="module")
def long_orders(many_orders: list[RawItem]) -> BigTable:
    return BigTable("orders", many_orders)


@pytest.mark.parametrize("limit", ["", "limit=100"])
@pytest.mark.parametrize(
    ("filters", "queries"),
    [
        ("", SHARDS),
        ("status=pending", SHARDS),
        ("status=confirmed", SHARDS),
        ("status=cancelled", SHARDS),
        ("from=2026-01-01T01:00:00Z&to=2026-01-01T04:00:00Z", SHARDS),
        ("customer_id=customer-0", 1),
        ("customer_id=customer-0&status=confirmed", 1),
    ],
)
def test_an_order_list_costs_the_same_however_long(
    many_orders: list[RawItem], long_orders: BigTable, manager: Person, filters: str, queries: int, limit: str
) -> None:
    path = f"{ORDERS}?{'&'.join(filter(None, (filters, limit)))}"
    known_readers(manager)

    short = calls_of(path, manager, BigTable("orders", many_orders[3690:3710]))
    long = calls_of(path, manager, long_orders)

    # The caller, the orders, and the customers.
    assert short == long == [*["BatchGetItem"] * 3, *["Query"] * queries]


@pytest.mark.parametrize("customer_id", ["", "customer-0"])
@pytest.mark.parametrize("status", ["returned", "confirmed", "cancelled,confirmed", "cancelled,pending,expired"])
def test_a_status_filter_reads_no_entry_of_another_status(
    many_orders: list[RawItem], long_orders: BigTable, manager: Person, status: str, customer_id: str
) -> None:
    by_id = {raw["id"]["S"]: raw for raw in many_orders}
    read: list[RawItem] = []

    def plan(made: Call) -> Any:
        answer = long_orders.plan(made)
        if made.operation == "Query":
            read.extend(by_id[entry["id"]["S"]] for entry in answer["Items"])
        return answer

    with intercepted(plan):
        path = f"{ORDERS}?status={status}" + (f"&customer_id={customer_id}" if customer_id else "")
        page = call("GET", path, token=manager.token)

    assert {raw["status"]["S"] for raw in read} == set(status.split(",")) & {"cancelled", "confirmed", "pending"}
    assert {raw["customer_id"]["S"] for raw in read} <= {customer_id or raw["customer_id"]["S"] for raw in read}
    assert len(page.json["items"]) == min(20, len(read))
