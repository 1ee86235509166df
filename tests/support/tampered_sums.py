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
from oms.reports import stock_sums, sum_keys
from oms.reports.sum_keys import SHARDS, SumKey
from tests.support.database import table
from tests.support.invocation import Person
from tests.support.open_order_counts import aggregate, set_count
from tests.support.past_orders import Past
from tests.support.past_sales import events_of_orders, store, widen
from tests.support.shop import Shop
from tests.support.streams import record, run_bookkeeper

DAYS = 3
DAY = timedelta(days=1)


@dataclass
class PastSums:
    """The sums of a past of some days, of two users and of products, of which `low` is low and `sold_out` is out."""

    orders: list[Order]
    low: str
    sold_out: str
    customer: Person
    first: date
    last: date

    def rebuild(self, *, fix: bool = False, only: date | None = None) -> list[str]:
        """Returns the command's output, for one day or for all."""
        said: list[str] = []
        done = rebuild.rebuild(only, only, shards=1, fix=fix, say=said.append)
        assert done == (said[-1] == f"{'The compared sums' if only else 'All sums'} are right.")
        return said[:-1]

    def order(self, *statuses: str, lines: int = 1) -> Order:
        return next(it for it in self.orders if it.status in statuses and len(it.lines) >= lines)


def make(customer: Person, manager: Person) -> PastSums:
    last = clock.now().date() - 14 * DAY  # the last of them moved at most 12 days later
    past = Past(number=36, days=DAYS, last=last, customers=[customer.id])
    orders = list(past.orders())
    widen([it for it in orders if it.status == "confirmed"][-1])
    store(orders)
    events = events_of_orders(orders)
    for who in (customer, manager):
        user = {"id": who.id, "role": who.role, "status": "active"}
        events.append({"type": "user.registered", "sequence": 1, "data": user})
    random.Random(1).shuffle(events)
    for batch in batched(events, 50, strict=False):
        assert aggregate(batch) == []
    shop = Shop(customer, manager)
    low, sold_out = shop.product(5), shop.product(0)
    shop.product(70)
    table("inventory").change(*StockItem.key(low), low_stock_threshold={"N": "6"})
    run_bookkeeper([record(None, it) for it in table("inventory").items() if it["sk"]["S"] == "stock"])
    return PastSums(orders, low, sold_out, customer, last - (DAYS - 1) * DAY, last)


def items() -> dict[tuple[str, str], dict[str, Any]]:
    """Returns the items of the reports table, with all shards of a sum as one item, without counts of changes."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for item in table("reports").items():
        key = SumKey(item["pk"]["S"], item["sk"]["S"]).whole
        into = found.setdefault(key, {"pk": {"S": key.pk}, "sk": {"S": key.sk}})
        for name, value in item.items():
            if name not in ("pk", "sk", "changes"):
                into[name] = _plus(into.get(name), value) if item["kind"]["S"] == "sum" else value
    return found


def _plus(one: Any, other: Any) -> Any:
    return {"N": str(int(one["N"]) + int(other["N"]))} if one and "N" in one and "N" in other else other


def shards(pk: str, sk: str) -> list[SumKey]:
    """Returns the keys of the stored items of a sum, or this key itself of another item."""
    keys = {SumKey(it["pk"]["S"], it["sk"]["S"]) for it in table("reports").items()}
    return sorted(key for key in keys if key.whole == (pk, sk))


def without_zeros(found: dict[tuple[str, str], dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    kept = {
        key: {name: value for name, value in it.items() if value != {"N": "0"} and name != "kind"}
        for key, it in found.items()
    }
    return {key: it for key, it in kept.items() if it.keys() - {"pk", "sk"}}


def change(pk: str, sk: str, name: str, by: int) -> str:
    """Somebody changes an attribute of a sum, in one shard, and does not count it as a change; where."""
    shard = shards(pk, sk)[-1]
    item = table("reports").get(*shard)
    assert item
    table("reports").change(*shard, **{name: {"N": str(int(item.get(name, {"N": "0"})["N"]) + by)}})
    return f"{pk}/{sk}"


def remove(pk: str, sk: str) -> str:
    for shard in shards(pk, sk):
        table("reports").delete(*shard)
    return f"{pk}/{sk}"


def spread(pk: str, sk: str) -> str:
    """Gives a sum another shard, with an amount that the sum does not have."""
    put_bogus(*SumKey(pk, sk).in_shard(SHARDS - 1))
    return f"{pk}/{sk}"


def a_sum(prefix: str) -> tuple[str, str]:
    """Returns the key of a sum that is not zero."""
    return next(
        key
        for key, it in sorted(items().items())
        if key[0].startswith(prefix) and it.get("orders", {"N": "0"}) != {"N": "0"}
    )


def day_of(sums: PastSums) -> tuple[str, str]:
    order = sums.order("confirmed", "shipped", "delivered")
    return sum_keys.DAYS, order.created_at[:10]


def applied(source: Order | str, chunk: int = 0) -> tuple[str, str]:
    """Of an order, or of a product."""
    pk = StockItem.key(source)[0] if isinstance(source, str) else f"order#{source.id}"
    return pk, f"applied#{chunk}"


def rewrite(pk: str, sk: str, **attributes: Any) -> str:
    table("reports").change(*shards(pk, sk)[-1], **attributes)
    return f"{pk}/{sk}"


def unlist(product_id: str) -> str:
    pk, sk = applied(product_id)
    table("reports").change(pk, sk, listing=None)
    return f"{pk}/{sk}"


def put_bogus(pk: str, sk: str) -> str:
    numbers = {name: {"N": str(number)} for name, number in {"changes": 1, "revenue": 5, "pending": 50}.items()}
    table("reports").put({"pk": {"S": pk}, "sk": {"S": sk}, "kind": {"S": "sum"}} | numbers)
    return "/".join(SumKey(pk, sk).whole)


def miscount(sums: PastSums) -> str:
    set_count(sums.customer, 77)
    return "/".join(user_key(sums.customer.id))


def forget_count(sums: PastSums) -> str:
    table("identity").change(*user_key(sums.customer.id), **{User.open_orders.attr_name: None})
    return "/".join(user_key(sums.customer.id))


TAMPERING: dict[str, Callable[[PastSums], str]] = {
    "a day changed": lambda it: change(*day_of(it), "revenue", 1),
    "a status of a day changed": lambda it: change(*day_of(it), "pending", 1),
    "a day removed": lambda it: remove(*day_of(it)),
    "a product's day changed": lambda _: change(*a_sum("products#"), "units", -1),
    "a product's day removed": lambda _: remove(*a_sum("products#")),
    "a product's day too many": lambda it: put_bogus(f"products#{it.last}", "never-sold"),
    "a category's day changed": lambda _: change(*a_sum("categories#"), "orders", 3),
    "a category's day too many": lambda it: put_bogus(f"categories#{it.last:%Y-%m}", f"{it.last:%d}#Never"),
    "a day too many, before the oldest order": lambda it: put_bogus(sum_keys.DAYS, str(it.first - 5 * DAY)),
    "a day too many, of the future": lambda it: put_bogus("sales#1", str(it.last + 130 * DAY)),
    "a product's day too many, before the oldest order": lambda it: put_bogus(f"products#{it.first - DAY}", "1"),
    "a category's day too many, of the future": lambda it: put_bogus(f"categories#{it.last.year + 1}-01", "31#Tea"),
    "a sum of no day": lambda it: put_bogus(f"categories#{it.last:%Y-%m}", f"{it.last:%d}"),
    "a total changed": lambda _: change("totals#0", "orders", "pending", 2),
    "a total removed": lambda _: remove("totals#0", "orders"),
    "a shard of a day too many": lambda it: spread(*day_of(it)),
    "a shard of a product's day too many": lambda _: spread(*a_sum("products#")),
    "a shard of a category's day too many": lambda _: spread(*a_sum("categories#")),
    "a shard of a total too many": lambda _: spread("totals#0", "orders"),
    "a day is not a number": lambda it: rewrite(*day_of(it), revenue={"S": "much"}),
    "what is applied of an order changed": lambda it: rewrite(*applied(it.order("confirmed")), amounts={"S": "{}"}),
    "what is applied of an order is newer": lambda it: rewrite(*applied(it.order("pending")), version={"N": "9"}),
    "what is applied of an order is not JSON": lambda it: rewrite(*applied(it.order("shipped")), amounts={"S": "{"}),
    "what is applied of a wide order removed": lambda it: remove(*applied(it.order("confirmed", lines=90), 1)),
    "what is applied of an order removed": lambda it: remove(*applied(it.order("shipped", "delivered"))),
    "the users of a role changed": lambda _: change("totals#0", "users", "admin", 1),
    "the users removed": lambda _: remove("totals#0", "users"),
    "the stock changed": lambda _: change(*stock_sums.STOCK, "on_hand", 1),
    "the stock removed": lambda _: remove(*stock_sums.STOCK),
    "what is applied of a stock item changed": lambda it: rewrite(*applied(it.low), amounts={"S": "{}"}),
    "what is applied of a stock item removed": lambda it: remove(*applied(it.sold_out)),
    "a product that is low is not listed": lambda it: unlist(it.low),
    "a product that is out is listed as low": lambda it: rewrite(*applied(it.sold_out), listing={"S": "band#low"}),
    "what is applied of a user removed": lambda it: remove(f"user#{it.customer.id}", "applied#0"),
    "the open orders of a user changed": miscount,
    "the open orders of a user removed": forget_count,
}


def count_of(sums: PastSums) -> int:
    item = table("identity").get(*user_key(sums.customer.id))
    assert item
    return User.from_raw_data(item).open_orders
