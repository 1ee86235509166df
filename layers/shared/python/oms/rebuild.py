"""Compares the reports' sums with the orders, the stock and the users themselves, names what differs, and mends it on
request: `python -m oms.rebuild --stage S [--from DAY] [--to DAY] [--fix]`.

A day of orders is looked at when it is over for longer than the index of orders lags behind.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from oms import clock, stacks
from oms.dynamodb import (
    Key,
    StoredItem,
    batch_get,
    batch_get_raw,
    get_item,
    in_parallel,
    query_raw,
    update_item,
)
from oms.errors import OmsError
from oms.identity.models import USERS, IdentityItem, User, user_key
from oms.inventory.models import BY_CREATED as PRODUCTS
from oms.inventory.models import InventoryItem, StockItem
from oms.orders.models import BY_CREATED as ORDERS
from oms.orders.models import BY_CUSTOMER, Order, created_shard
from oms.orders.past import versions
from oms.orders.states import Status
from oms.pages import HIGHEST, LOWEST, Entry, Index, Range, merged_page
from oms.report_check import Difference, Findings, Part, StoredSum, Sums, Thing, compare, parts_of, still
from oms.reports import order_sums, stock_sums, user_sums
from oms.reports.models import Applied, ReportItem, Sum
from oms.reports.order_sums import SHARDS, OrderState, categories_of, category_of_day, days_of, products_of, totals_of
from oms.reports.sums import Chunk, SumKey, amounts_in, from_json
from oms.reports.user_sums import UserState
from oms.settings import settings

_AT_ONCE = 100
MODELS: dict[type[StoredItem], str] = {
    Order: "Orders",
    ReportItem: "Reports",
    InventoryItem: "Inventory",
    IdentityItem: "Identity",
}
"""What is read, and the domain of its table."""


def checks(first: date | None, last: date | None, *, shards: int) -> Iterator[tuple[str, Callable[[], Findings]]]:
    """What there is to look at, by name, and how to. Orders are looked at from the first to the last day, by default
    from the oldest order's to the last that can be; `shards` are those of their index.

    What comes later is compared with what comes before, as it was mended.
    """
    newest = (clock.now() - settings().settle).date() - timedelta(days=1)
    start, end = first or _oldest_day(shards) or newest, min(last or newest, newest)
    for number in range((end - start).days + 1):
        day = (start + timedelta(days=number)).isoformat()
        yield f"orders of {day}", partial(check_day, day, shards=shards)
    yield "totals of orders", check_totals
    yield "stock", check_stock
    yield "users", check_users
    yield "open orders", check_open_orders


# ---- orders ---------------------------------------------------------------------------------------------------------


def check_day(day: str, *, shards: int) -> Findings:
    """All sums of a day, and what is applied of its orders."""

    def concerns(key: SumKey) -> bool:
        month, of_month = day[:7], day[-2:]
        return (
            key.sk == day or key.pk == products_of(day) or (key.pk == categories_of(month) and key.sk[:2] == of_month)
        )

    return compare(lambda: _sums_of(day), lambda: _orders_of(day, shards), concerns=concerns)


def _sums_of(day: str) -> Sums:
    return _read(
        *((days_of(shard), day, day) for shard in range(SHARDS)),
        (products_of(day), LOWEST, HIGHEST),
        (categories_of(day[:7]), category_of_day(day, ""), category_of_day(day, HIGHEST)),
    )


def _orders_of(day: str, shards: int) -> Iterator[Part]:
    for entries in _entries(ORDERS, Order, _partitions(shards), low=f"{day}T", high=f"{day}T{HIGHEST}"):
        read = batch_get(Order, [entry["id"] for entry in entries]).values()
        applied = batch_get(Applied, [chunk.key for order in read for chunk in _contribution(order)])
        # Some may have moved before what is applied of them was read.
        again = [it.id for it in read if any(applied[key].version > it.version for key in _keys(it) if key in applied)]
        newer = batch_get(Order, again)
        for order in read:
            yield from parts_of(_order(newer.get(order.id, order)), applied)


def _order(order: Order) -> Thing:
    def at(version: int) -> list[Chunk] | None:
        return next((_contribution(it) for it in versions(order) if it.version == version), None)

    return Thing(_contribution(order), at, settled=_is_settled(order.updated_at))


def _contribution(order: Order) -> list[Chunk]:
    return order_sums.contribution(OrderState.of(order))


def _keys(order: Order) -> list[Key]:
    return [chunk.key for chunk in _contribution(order)]


def _is_settled(at: str) -> bool:
    return clock.instant(at) < clock.now() - settings().settle


def _oldest_day(shards: int) -> date | None:
    page = merged_page(_index(ORDERS, Order), _partitions(shards), Range(limit=1))
    return date.fromisoformat(page.placed[0][0][:10]) if page.placed else None


def _partitions(shards: int) -> list[str]:
    return [created_shard(number) for number in range(shards)]


def check_totals() -> Findings:
    """How many orders there are of each status, against the sums of all days."""
    statuses = frozenset(Status)

    def parts() -> Iterator[Part]:
        for shard in range(SHARDS):
            for raw in query_raw(Sum, days_of(shard), LOWEST, HIGHEST):
                yield [], {totals_of(shard): {name: n for name, n in amounts_in(raw).items() if name in statuses}}

    keys = [totals_of(shard) for shard in range(SHARDS)]
    return compare(lambda: _read_keys(keys), parts, concerns=lambda key: key in keys)


# ---- stock and users ------------------------------------------------------------------------------------------------


def check_stock() -> Findings:
    """The sums of all stock, and what is applied of each stock item. Where much is sold they move all the time."""
    keys = [stock_sums.totals_of(shard) for shard in range(SHARDS)]

    def parts() -> Iterator[Part]:
        for entries in _entries(PRODUCTS, InventoryItem, ["active", "archived"]):
            ids = [entry["pk"].removeprefix("product#") for entry in entries]
            applied = batch_get(Applied, [Applied.key(StockItem.key(it)[0], 0) for it in ids])
            for stock in batch_get(StockItem, [StockItem.key(it) for it in ids]).values():
                touched = max(stock.last.at, stock.edited.at if stock.edited else "")
                thing = Thing(stock_sums.contribution(stock), _forgotten, settled=_is_settled(touched))
                yield from parts_of(thing, applied)

    return compare(lambda: _read_keys(keys), parts, concerns=lambda key: key in keys)


def check_users() -> Findings:
    """How many users there are of each role."""

    def parts() -> Iterator[Part]:
        for entries in _entries(USERS, IdentityItem, ["user"]):
            ids = [entry["pk"].removeprefix("user#") for entry in entries]
            applied = batch_get(Applied, [Applied.key(user_sums.thing(it), 0) for it in ids])
            for user in batch_get(User, map(user_key, ids)).values():
                touched = user.changed.at if user.changed else user.created_at
                thing = Thing(user_sums.contribution(UserState.of(user)), _forgotten, settled=_is_settled(touched))
                yield from parts_of(thing, applied)

    return compare(lambda: _read_keys([user_sums.USERS]), parts, concerns=lambda key: key == user_sums.USERS)


def _forgotten(_version: int) -> None:
    """Only what it is now is known of a stock item or a user."""


def check_open_orders() -> Findings:
    """Of each user how many orders are open, against what is applied of them."""
    differences: list[Difference] = []
    for entries in _entries(USERS, IdentityItem, ["user"]):
        for entry in entries:
            user_id = entry["pk"].removeprefix("user#")
            counted, right = _open_orders(user_id)
            if counted != right:
                differences.append(_miscounted(user_id, counted, right))
    return Findings(differences)


def _open_orders(user_id: str) -> tuple[int, int]:
    """As counted, and as what is applied says; read until the count is the same before and after."""
    name, key = User.open_orders.attr_name, SumKey(*user_key(user_id))
    while True:
        before = get_item(User, user_key(user_id))
        right = 0
        for entries in _entries(BY_CUSTOMER, Order, [user_id]):
            applied = batch_get(Applied, [Applied.key(order_sums.thing(entry["id"]), 0) for entry in entries])
            right += sum(from_json(it.amounts).get(key, {}).get(name, 0) for it in applied.values())
        after = get_item(User, user_key(user_id))
        if before is None or after is None:
            return 0, 0
        if before.open_orders == after.open_orders:
            return after.open_orders, right


def _miscounted(user_id: str, counted: int, right: int) -> Difference:
    user = User(*user_key(user_id))
    change = partial(update_item, user, [User.open_orders.set(right)], User.open_orders == counted)
    return Difference(f"user#{user_id}", f"has: open_orders {counted}, not {right}", partial(still, change))


# ---- reading --------------------------------------------------------------------------------------------------------


def _read(*asked: tuple[str, str, str]) -> Sums:
    """The sums of partitions, each between two sort keys."""
    found = in_parallel(lambda it: list(query_raw(Sum, *it)), asked)
    return {SumKey(raw["pk"]["S"], raw["sk"]["S"]): StoredSum.of(raw) for items in found for raw in items}


def _read_keys(keys: Sequence[SumKey]) -> Sums:
    return {
        SumKey(*key): StoredSum.of(raw) for key, raw in batch_get_raw(Sum, keys).items() if not isinstance(key, str)
    }


def _entries(
    index: Index, model: type[StoredItem], partitions: Sequence[str], *, low: str = LOWEST, high: str = HIGHEST
) -> Iterator[list[Entry]]:
    """What an index has between two sort keys, page by page."""
    position: str | None = None
    while True:
        part = Range(_AT_ONCE, low=low, high=high, after=position)
        page = merged_page(_index(index, model), partitions, part)
        yield page.items
        position = page.position
        if position is None:
            return


def _index(index: Index, model: type[StoredItem]) -> Index:
    """By the name that the table has now: the command finds it out after this module was read."""
    return replace(index, table=model.Meta.table_name)


# ---- the command ----------------------------------------------------------------------------------------------------


def rebuild(first: date | None, last: date | None, *, shards: int, fix: bool, say: Callable[[str], None]) -> bool:
    """Says what differs, and mends it if asked to. Whether nothing is left to be done."""
    left = 0
    for name, look in checks(first, last, shards=shards):
        found = look()
        for it in sorted(found.differences, key=lambda it: it.counts):
            mended = fix and it.mend()
            left += not mended
            moved = "; it has moved since, so look again" if fix and not mended else ""
            say(f"{name}: {it.where} {it.what}{'; mended' if mended else moved}")
        for where in found.moving:
            left += 1
            say(f"{name}: {where} changed at each look, and was not compared")
    say("All is as it should be." if not left else f"{left} findings are left.")
    return not left


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares the reports' sums with orders, stock and users.")
    parser.add_argument("--stage", required=True, choices=("local", "dev", "prod"))
    parser.add_argument("--from", dest="first", type=date.fromisoformat)
    parser.add_argument("--to", dest="last", type=date.fromisoformat)
    parser.add_argument("--fix", action="store_true")
    arguments = parser.parse_args()
    stage: str = arguments.stage
    try:
        # Bound to the names that functions are told; here they are found, before the first call.
        for model, domain in MODELS.items():
            model.Meta.table_name = stacks.table_of(stage, domain)
        shards = int(stacks.outputs_of(stage)["OrderShards"])
        done = rebuild(arguments.first, arguments.last, shards=shards, fix=arguments.fix, say=print)
    except (BotoCoreError, ClientError, PynamoDBException, LookupError, OmsError) as error:
        why = getattr(error, "cause", None) or error  # PynamoDB's own message leaves it out
        raise SystemExit(f"Stage {stage!r} cannot be reached (is it deployed?): {why}") from error
    if not done:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
