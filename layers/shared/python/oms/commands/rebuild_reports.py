"""Compares the reports' sums with the orders, the stock and the users themselves, names what differs, and mends it on
request: `python -m oms.commands.rebuild_reports --stage S [--from DAY] [--to DAY] [--fix]`.

A day of orders is looked at when it is over for longer than the index of orders lags behind.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from itertools import batched
from typing import Self

from oms.commands import stacks
from oms.commands.closed_pipe import run_until_unread
from oms.core import clock
from oms.core.dynamodb import (
    Key,
    StoredItem,
    batch_get,
    batch_get_raw,
    in_parallel,
    query_raw,
    scan_keys_with_prefix,
    table_name,
)
from oms.core.pages import HIGHEST, LOWEST, Entry, Index, Range, merged_page
from oms.core.settings import adopt, settings
from oms.identity.models import USERS, IdentityItem, User, user_key
from oms.inventory.models import BY_CREATED as PRODUCTS
from oms.inventory.models import InventoryItem, StockItem
from oms.orders.models import BY_CREATED as ORDERS
from oms.orders.models import BY_CUSTOMER, Order, created_shard
from oms.orders.states import OrderStatus
from oms.reports import order_sums, stock_sums, user_sums
from oms.reports.checking import (
    Applications,
    Findings,
    Look,
    Part,
    StoredSum,
    Sums,
    Thing,
    compare,
    parts_of,
    read_applied,
)
from oms.reports.models import AppliedContribution, ReportItem, Sum
from oms.reports.order_sums import (
    DAY_PREFIXES,
    MAX_CHUNKS,
    SHARDS,
    CountedOrder,
    categories_of,
    category_of_day,
    day_of,
    days_of,
    products_of,
)
from oms.reports.sums import Chunk, SumKey, amounts_in
from oms.reports.user_sums import CountedUser

_PAGE = 1000
_AT_ONCE = 100
MODELS: dict[type[StoredItem], str] = {
    Order: "Orders",
    ReportItem: "Reports",
    InventoryItem: "Inventory",
    IdentityItem: "Identity",
}
"""What is read, and the domain of its table."""


type Check = tuple[str, Callable[[], Findings]]
"""What there is to look at, by name, and how to."""


@dataclass(frozen=True)
class Span:
    """The days of which orders are looked at, from the first to the last. They are the `whole` where no order is older,
    and none is newer whose day is over.
    """

    start: date
    end: date
    whole: bool

    @classmethod
    def of(cls, first: date | None, last: date | None, *, shards: int) -> Self:
        """By default the whole."""
        newest = clock.day_of(clock.now() - settings().settle) - timedelta(days=1)
        oldest = _oldest_day(shards) or newest
        start, end = first or oldest, min(last or newest, newest)
        return cls(start, end, whole=start <= oldest and end == newest)


def checks_of_days(span: Span, *, shards: int) -> Iterator[Check]:
    """The sums of these days; and if they are the whole, those of days on which no order can be."""
    for day in clock.days(span.start, span.end):
        yield f"orders of {day}", partial(check_day, day, shards=shards)
    if span.whole:
        # Clocks may differ: as the last days are left alone for a while, the next one is before it begins.
        known = frozenset(clock.days(span.start, clock.day_of(clock.now() + settings().settle)))
        stored = (SumKey(*key) for key in scan_keys_with_prefix(Sum, DAY_PREFIXES))
        for some in batched((key for key in stored if day_of(key) not in known), _AT_ONCE, strict=False):
            yield "days without orders", partial(check_stray, some)


def checks_of_others() -> Iterator[Check]:
    for shard in range(SHARDS):
        yield "stock", partial(check_stock, shard)
    yield "users", check_users


def checks_by_days() -> Iterator[Check]:
    """What is compared with what the days hold and what is applied of orders: right only where these are."""
    for shard in range(SHARDS):
        yield "totals of orders", partial(check_totals, shard)
    for some in batched(_entries(USERS, IdentityItem, ["user"]), _AT_ONCE, strict=False):
        yield "open orders", partial(check_open_orders, [_id(entry) for entry in some])


# ---- orders ---------------------------------------------------------------------------------------------------------


def check_day(day: str, *, shards: int) -> Findings:
    """All sums of a day, and what is applied of its orders."""
    # Sort keys of orders begin with their time, so those of `end` itself come after it.
    start, end = (clock.timestamp(clock.start_of(date.fromisoformat(day) + timedelta(days=n))) for n in (0, 1))

    def look() -> Look:
        entries = _entries(ORDERS, Order, _partitions(shards), low=start, high=end)
        ids = [entry["id"] for entry in entries]
        before, applied, after = _sums_of(day), _applied(map(order_sums.contributor, ids), MAX_CHUNKS), _sums_of(day)
        return Look(before, after, _parts(Order, ids, _order, applied))

    def concerns(key: SumKey) -> bool:
        of_category = key.pk == categories_of(day[:7]) and key.sk.startswith(category_of_day(day, ""))
        return key.sk == day or key.pk == products_of(day) or of_category

    return compare(look, concerns=concerns)


def _sums_of(day: str) -> Sums:
    asked = [
        *((days_of(shard), day, day) for shard in range(SHARDS)),
        (products_of(day), LOWEST, HIGHEST),
        (categories_of(day[:7]), category_of_day(day, ""), category_of_day(day, HIGHEST)),
    ]
    found = in_parallel(lambda it: list(query_raw(Sum, *it)), asked)
    return {SumKey(raw["pk"]["S"], raw["sk"]["S"]): StoredSum.of(raw) for items in found for raw in items}


def _order(order: Order) -> Thing:
    def at(version: int) -> list[Chunk] | None:
        known = 1 <= version <= len(order.history)
        return order_sums.contribution(CountedOrder.of(order, version=version)) if known else None

    return Thing(order_sums.contribution(CountedOrder.of(order)), at, settled=_is_settled(order.updated_at))


def _is_settled(at: str) -> bool:
    return clock.instant(at) < clock.now() - settings().settle


def _oldest_day(shards: int) -> date | None:
    first = next(_entries(ORDERS, Order, _partitions(shards)), None)
    return clock.day_of(clock.instant(first[ORDERS.sort_key].partition("#")[0])) if first else None


def _partitions(shards: int) -> list[str]:
    return [created_shard(number) for number in range(shards)]


def check_stray(keys: Sequence[SumKey]) -> Findings:
    """Nothing is to be in these."""
    return compare(lambda: Look(_read(keys), _read(keys), ()))


def check_totals(shard: int) -> Findings:
    """How many orders there are of each status, against the sums of all days."""
    key, statuses = order_sums.totals_of(shard), frozenset(OrderStatus)

    def look() -> Look:
        before, days, after = _read([key]), list(query_raw(Sum, days_of(shard), LOWEST, HIGHEST)), _read([key])
        counts = [{name: n for name, n in amounts_in(raw).items() if name in statuses} for raw in days]
        return Look(before, after, [([], {key: it}) for it in counts])

    return compare(look)


# ---- stock and users ------------------------------------------------------------------------------------------------


def check_stock(shard: int) -> Findings:
    """The sums of the stock, and what is applied of each stock item and places it in the list of its band."""

    def look() -> Look:
        ids = [_id(entry) for entry in _entries(PRODUCTS, InventoryItem, ["active", "archived"])]
        keys = [StockItem.key(it) for it in ids if order_sums.shard_of(it) == shard]
        sums = [stock_sums.totals_of(shard)]
        before, applied, after = _read(sums), _applied(pk for pk, _ in keys), _read(sums)
        return Look(before, after, _parts(StockItem, keys, _stock, applied))

    return compare(look)


def _stock(stock: StockItem) -> Thing:
    touched = max(stock.last.at, stock.edited.at if stock.edited else "")
    return Thing(stock_sums.contribution(stock), _forgotten, settled=_is_settled(touched))


def check_users() -> Findings:
    """How many users there are of each role."""

    def look() -> Look:
        ids = [_id(entry) for entry in _entries(USERS, IdentityItem, ["user"])]
        sums = [user_sums.USERS]
        before, applied, after = _read(sums), _applied(map(user_sums.contributor, ids)), _read(sums)
        return Look(before, after, _parts(User, map(user_key, ids), _user, applied))

    return compare(look)


def _user(user: User) -> Thing:
    touched = user.changed.at if user.changed else user.created_at
    return Thing(user_sums.contribution(CountedUser.of(user)), _forgotten, settled=_is_settled(touched))


def _forgotten(_version: int) -> None:
    """Only what it is now is known of a stock item or a user."""


def check_open_orders(users: Sequence[str]) -> Findings:
    """Of each of these users how many orders are open, against what is applied of them."""

    def look() -> Look:
        found = in_parallel(lambda it: [entry["id"] for entry in _entries(BY_CUSTOMER, Order, [it])], users)
        things = [order_sums.contributor(it) for ids in found for it in ids]
        before, applied, after = _open_orders(users), _applied(things), _open_orders(users)
        return Look(before, after, [([], read_applied(raw)[1]) for raw in applied.values()])

    return compare(look, concerns=lambda _: False)


def _open_orders(users: Sequence[str]) -> Sums:
    """As sums, of which each number is as good as a count of changes. Where it is gone, there is none."""
    name = User.open_orders.attr_name
    found = batch_get_raw(User, map(user_key, users), only=("pk", "sk", name)).items()
    return {SumKey(*key): _open_orders_in(raw.get(name)) for key, raw in found}


def _open_orders_in(number: Mapping[str, str] | None) -> StoredSum:
    if number is None:
        return StoredSum()
    return StoredSum({User.open_orders.attr_name: int(number["N"])}, int(number["N"]))


# ---- reading --------------------------------------------------------------------------------------------------------


def _applied(things: Iterable[str], chunks: int = 1) -> Applications:
    """What is applied of them, all at once: the less time it takes, the more sums stand still meanwhile."""
    keys = [AppliedContribution.key(it, number) for it in things for number in range(chunks)]
    found = in_parallel(
        lambda some: batch_get_raw(AppliedContribution, some), list(batched(keys, _AT_ONCE, strict=False))
    )
    return {key: raw for some in found for key, raw in some.items()}


def _parts[T: StoredItem](
    model: type[T], keys: Iterable[Key], thing: Callable[[T], Thing], applied: Applications
) -> Iterator[Part]:
    for some in batched(keys, _AT_ONCE, strict=False):
        for it in batch_get(model, some).values():
            yield from parts_of(thing(it), applied)


def _read(keys: Iterable[SumKey]) -> Sums:
    found = batch_get_raw(Sum, keys)
    return {SumKey(*key): StoredSum.of(raw) for key, raw in found.items()}


def _entries(
    index: Index, model: type[StoredItem], partitions: Sequence[str], *, low: str = LOWEST, high: str = HIGHEST
) -> Iterator[Entry]:
    """What an index has between two sort keys. It is of the model's table, whose name is found out when all is read."""
    position: str | None = None
    while True:
        part = Range(_PAGE, low=low, high=high, after=position)
        page = merged_page(replace(index, table=table_name(model)), partitions, part)
        yield from page.items
        position = page.position
        if position is None:
            return


def _id(entry: Mapping[str, str]) -> str:
    return entry["pk"].partition("#")[2]


# ---- the command ----------------------------------------------------------------------------------------------------


def rebuild(first: date | None, last: date | None, *, shards: int, fix: bool, say: Callable[[str], None]) -> bool:
    """Says what differs, and mends it if asked to. Whether nothing is left to be done of what was looked at."""
    span = Span.of(first, last, shards=shards)
    left = _left(checks_of_days(span, shards=shards), fix=fix, say=say)
    all_days_are_right = span.whole and not left
    left += _left(checks_of_others(), fix=fix, say=say)
    if all_days_are_right:
        left += _left(checks_by_days(), fix=fix, say=say)
    else:
        say("totals of orders, open orders: not compared, since not all days were looked at and are right")
    what = "All" if span.whole else "What was looked at"
    say(f"{left} findings are left." if left else f"{what} is as it should be.")
    return not left


def _left(checks: Iterable[Check], *, fix: bool, say: Callable[[str], None]) -> int:
    """How many findings of these are left. What comes later is compared with what comes before, as it was mended."""
    left = 0
    for name, look in checks:
        found = look()
        for it in sorted(found.differences, key=lambda it: it.counts):
            mended = fix and it.mend()
            left += not mended
            moved = "; it has moved since, so look again" if fix and not mended else ""
            say(f"{name}: {it.where} {it.what}{'; mended' if mended else moved}")
        for where in found.moving:
            left += 1
            say(f"{name}: {where} was not the same at two looks, and was not compared")
    return left


def main() -> None:
    parser = stacks.stage_parser("Compares the reports' sums with orders, stock and users.", stages=stacks.ALL_STAGES)
    parser.add_argument("--fix", action="store_true")
    arguments = stacks.parse_with_days(parser)
    stage: str = arguments.stage
    with stacks.acting_on(stage, MODELS):
        outputs = stacks.outputs_of(stage)
        shards = int(outputs["OrderShards"])
        # A stage that was deployed by an older version has days of UTC.
        adopt(OMS_TIME_ZONE=outputs.get("TimeZone", "UTC"))
        done = rebuild(arguments.first, arguments.last, shards=shards, fix=arguments.fix, say=print)
    if not done:
        raise SystemExit(1)


if __name__ == "__main__":
    run_until_unread(main)
