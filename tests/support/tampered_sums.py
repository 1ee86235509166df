"""Sums of the reports over a past, as they should be; and every way to tamper with them."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import batched
from typing import Any

from oms.commands import rebuild_reports as rebuild
from oms.core import clock
from oms.identity.models import User, user_key
from oms.inventory.models import StockItem
from oms.orders.models import Order
from oms.reports import stock_sums
from oms.reports.order_sums import SHARDS, days_of, shard_of
from tests.support.database import table
from tests.support.invocation import Person
from tests.support.open_order_counts import aggregate, set_count
from tests.support.past_orders import Past
from tests.support.past_sales import store, told_of, widen
from tests.support.shop import Shop
from tests.support.streams import record, run_bookkeeper

DAYS = 3
DAY = timedelta(days=1)


@dataclass
class Shown:
    """The sums of a past of some days, of two users and of products, of which `low` is low and `sold_out` is out."""

    orders: list[Order]
    low: str
    sold_out: str
    customer: Person
    first: date
    last: date

    def rebuild(self, *, fix: bool = False, only: date | None = None) -> list[str]:
        """The command's output, for one day or for all."""
        said: list[str] = []
        done = rebuild.rebuild(only, only, shards=1, fix=fix, say=said.append)
        assert done == (said[-1] == f"{'The compared sums' if only else 'All sums'} are right.")
        return said[:-1]

    def order(self, *statuses: str, lines: int = 1) -> Order:
        return next(it for it in self.orders if it.status in statuses and len(it.lines) >= lines)


def make(customer: Person, manager: Person) -> Shown:
    last = clock.now().date() - 14 * DAY  # the last of them moved at most 12 days later
    past = Past(number=36, days=DAYS, last=last, customers=[customer.id])
    orders = list(past.orders())
    widen([it for it in orders if it.status == "confirmed"][-1])
    store(orders)
    events = told_of(orders)
    for who in (customer, manager):
        user = {"id": who.id, "role": who.role, "status": "active"}
        events.append({"type": "user.registered", "sequence": 1, "data": user})
    random.Random(1).shuffle(events)
    for batch in batched(events, 50, strict=False):
        assert aggregate(batch) == []
    shop = Shop(customer, manager)
    low, sold_out = shop.product(5), shop.product(0)
    while len({shard_of(it) for it in shop.units}) < SHARDS:
        shop.product(70)
    table("inventory").change(*StockItem.key(low), low_stock_threshold={"N": "6"})
    run_bookkeeper([record(None, it) for it in table("inventory").items() if it["sk"]["S"] == "stock"])
    return Shown(orders, low, sold_out, customer, last - (DAYS - 1) * DAY, last)


def items() -> dict[tuple[str, str], dict[str, Any]]:
    """The items of the reports table, without their counts of changes."""
    found = table("reports").items()
    return {
        (it["pk"]["S"], it["sk"]["S"]): {name: value for name, value in it.items() if name != "changes"} for it in found
    }


def without_zeros(found: dict[tuple[str, str], dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    kept = {
        key: {name: value for name, value in it.items() if value != {"N": "0"} and name != "kind"}
        for key, it in found.items()
    }
    return {key: it for key, it in kept.items() if it.keys() - {"pk", "sk"}}


def change(pk: str, sk: str, name: str, by: int) -> str:
    """Somebody changes an attribute of a sum, and does not count it as a change; where."""
    item = table("reports").get(pk, sk)
    assert item
    table("reports").change(pk, sk, **{name: {"N": str(int(item.get(name, {"N": "0"})["N"]) + by)}})
    return f"{pk}/{sk}"


def remove(pk: str, sk: str) -> str:
    table("reports").delete(pk, sk)
    return f"{pk}/{sk}"


def a_sum(prefix: str) -> tuple[str, str]:
    """The key of a sum that is not zero."""
    return next(
        key
        for key, it in sorted(items().items())
        if key[0].startswith(prefix) and it.get("orders", {"N": "0"}) != {"N": "0"}
    )


def day_of(shown: Shown) -> tuple[str, str]:
    order = shown.order("confirmed", "shipped", "delivered")
    return days_of(shard_of(order.id)), order.created_at[:10]


def applied(thing: Order | str, chunk: int = 0) -> tuple[str, str]:
    """Of an order, or of a product."""
    pk = StockItem.key(thing)[0] if isinstance(thing, str) else f"order#{thing.id}"
    return pk, f"applied#{chunk}"


def rewrite(pk: str, sk: str, **attributes: Any) -> str:
    table("reports").change(pk, sk, **attributes)
    return f"{pk}/{sk}"


def unlist(product_id: str) -> str:
    pk, sk = applied(product_id)
    table("reports").change(pk, sk, listing=None)
    return f"{pk}/{sk}"


def stock_sum(shown: Shown) -> tuple[str, str]:
    return stock_sums.totals_of(shard_of(shown.low))


def put_bogus(pk: str, sk: str) -> str:
    numbers = {name: {"N": str(number)} for name, number in {"changes": 1, "revenue": 5, "pending": 50}.items()}
    table("reports").put({"pk": {"S": pk}, "sk": {"S": sk}, "kind": {"S": "sum"}} | numbers)
    return f"{pk}/{sk}"


def miscount(shown: Shown) -> str:
    set_count(shown.customer, 77)
    return "/".join(user_key(shown.customer.id))


def forget_count(shown: Shown) -> str:
    table("identity").change(*user_key(shown.customer.id), **{User.open_orders.attr_name: None})
    return "/".join(user_key(shown.customer.id))


TAMPERING: dict[str, Callable[[Shown], str]] = {
    "a day changed": lambda it: change(*day_of(it), "revenue", 1),
    "a status of a day changed": lambda it: change(*day_of(it), "pending", 1),
    "a day removed": lambda it: remove(*day_of(it)),
    "a product's day changed": lambda _: change(*a_sum("products#"), "units", -1),
    "a product's day removed": lambda _: remove(*a_sum("products#")),
    "a product's day too many": lambda it: put_bogus(f"products#{it.last}", "never-sold"),
    "a category's day changed": lambda _: change(*a_sum("categories#"), "orders", 3),
    "a category's day too many": lambda it: put_bogus(f"categories#{it.last:%Y-%m}", f"{it.last:%d}#Never"),
    "a day too many, before the oldest order": lambda it: put_bogus(days_of(0), str(it.first - 5 * DAY)),
    "a day too many, of the future": lambda it: put_bogus(days_of(1), str(it.last + 130 * DAY)),
    "a product's day too many, before the oldest order": lambda it: put_bogus(f"products#{it.first - DAY}", "1"),
    "a category's day too many, of the future": lambda it: put_bogus(f"categories#{it.last.year + 1}-01", "31#Tea"),
    "a sum of no day": lambda it: put_bogus(f"categories#{it.last:%Y-%m}", f"{it.last:%d}"),
    "a total changed": lambda _: change("totals#1", "orders", "pending", 2),
    "a total removed": lambda _: remove("totals#1", "orders"),
    "a day is not a number": lambda it: rewrite(*day_of(it), revenue={"S": "much"}),
    "what is applied of an order changed": lambda it: rewrite(*applied(it.order("confirmed")), amounts={"S": "{}"}),
    "what is applied of an order is newer": lambda it: rewrite(*applied(it.order("pending")), version={"N": "9"}),
    "what is applied of an order is not JSON": lambda it: rewrite(*applied(it.order("shipped")), amounts={"S": "{"}),
    "what is applied of a wide order removed": lambda it: remove(*applied(it.order("confirmed", lines=90), 1)),
    "what is applied of an order removed": lambda it: remove(*applied(it.order("shipped", "delivered"))),
    "the users of a role changed": lambda _: change("totals#0", "users", "admin", 1),
    "the users removed": lambda _: remove("totals#0", "users"),
    "the stock changed": lambda it: change(*stock_sum(it), "on_hand", 1),
    "the stock removed": lambda it: remove(*stock_sum(it)),
    "what is applied of a stock item changed": lambda it: rewrite(*applied(it.low), amounts={"S": "{}"}),
    "what is applied of a stock item removed": lambda it: remove(*applied(it.sold_out)),
    "a product that is low is not listed": lambda it: unlist(it.low),
    "a product that is out is listed as low": lambda it: rewrite(*applied(it.sold_out), listing={"S": "band#low"}),
    "what is applied of a user removed": lambda it: remove(f"user#{it.customer.id}", "applied#0"),
    "the open orders of a user changed": miscount,
    "the open orders of a user removed": forget_count,
}


def count_of(shown: Shown) -> int:
    item = table("identity").get(*user_key(shown.customer.id))
    assert item
    return User.from_raw_data(item).open_orders
