"""Compares what finds stored orders with the orders, and prints the differences:
`python -m oms.commands.index_orders --stage S [--from DAY] [--to DAY] [--fix]`; with `--fix` it repairs them.

These are the partitions of the lists by status, and the search terms. Orders of earlier versions lack both. Before a
stage has the search table, its lists alone are compared.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import batched

from oms.commands import stacks
from oms.commands.closed_pipe import run_until_unread
from oms.core import clock
from oms.core.dynamodb import batch_get, in_parallel, is_written, table_name, tables_named, update_item
from oms.core.pages import HIGHEST, LOWEST, all_entries
from oms.core.settings import adopt, settings
from oms.orders.models import BY_CREATED, Order, created_shard, shard_number, status_keys
from oms.search.indexing import missing_terms, store_terms_of
from oms.search.models import Term

_PAGE_SIZE = 1000
_BATCH_SIZE = 100

type Say = Callable[[str], None]


def index_orders(
    first: date | None, last: date | None, *, shards: int, fix: bool, say: Say, terms: bool = True
) -> bool:
    """Compares the orders of these days, and repairs the differences if `fix`. Returns whether none is left."""
    seen = left = 0
    for ids in batched(_orders_of(first, last, shards=shards), _BATCH_SIZE, strict=False):
        orders = list(batch_get(Order, ids).values())
        seen += len(orders)
        left += _check_lists(orders, fix=fix, say=say)
        if terms:
            left += _check_terms(orders, fix=fix, say=say)
    say(f"{left} differences are left in {seen} orders." if left else f"All {seen} orders are found.")
    return not left


def _orders_of(first: date | None, last: date | None, *, shards: int) -> Iterator[str]:
    """Yields the ids of the orders of these days, oldest first."""
    # The sort key of an order begins with its time and is longer, so orders at the end of a day sort after it.
    low = clock.timestamp(clock.start_of(first)) if first else LOWEST
    high = clock.timestamp(clock.start_of(last + timedelta(days=1))) if last else HIGHEST
    index = replace(BY_CREATED, table=table_name(Order))
    partitions: Sequence[str] = [created_shard(number) for number in range(shards)]
    for entry in all_entries(index, partitions, page_size=_PAGE_SIZE, low=low, high=high):
        yield entry["id"]


def _check_lists(orders: Sequence[Order], *, fix: bool, say: Say) -> int:
    """Compares the partitions of these orders in the lists by status. Returns the number of differences left."""
    wrong = [order for order in orders if _missing_keys(order)]
    repaired = in_parallel(_repair_keys, wrong) if fix else [False] * len(wrong)
    for order, is_repaired in zip(wrong, repaired, strict=True):
        say(f"order {order.id}: not in the list of its status{'; repaired' if is_repaired else ''}")
    return repaired.count(False)


def _check_terms(orders: Sequence[Order], *, fix: bool, say: Say) -> int:
    """Compares the search terms of those of the orders whose changes the finder must have processed by now.

    Returns the number of orders that still lack some.
    """
    settled = clock.timestamp(clock.now() - settings().consistency_grace)
    missing = missing_terms([order for order in orders if order.updated_at < settled])
    wrong = [order for order in orders if order.id in missing]
    if fix:
        store_terms_of(wrong)
    for order in wrong:
        kinds = sorted({term.kind for term in missing[order.id]})
        say(f"order {order.id}: not found by {', '.join(kinds)}{'; repaired' if fix else ''}")
    return 0 if fix else len(wrong)


def _missing_keys(order: Order) -> dict[str, str]:
    """Returns the attributes of the order's partitions in the lists by status that are missing or wrong."""
    wanted = status_keys(customer_id=order.customer_id, status=order.status, shard=shard_number(order))
    return {name: value for name, value in wanted.items() if getattr(order, name) != value}


def _repair_keys(order: Order) -> bool:
    """Sets the missing attributes. Returns whether the order has not moved meanwhile, which sets them too."""
    actions = [getattr(Order, name).set(value) for name, value in _missing_keys(order).items()]
    customer = order.customer_id
    same_customer = Order.customer_id.does_not_exist() if customer is None else Order.customer_id == customer
    unchanged = (Order.status == order.status) & same_customer
    return is_written(lambda: update_item(Order(order.id), actions, unchanged))


def main() -> None:
    parser = stacks.stage_parser("Compares what finds stored orders with the orders.", stages=stacks.ALL_STAGES)
    parser.add_argument("--fix", action="store_true")
    arguments = stacks.parse_with_days(parser)
    stage: str = arguments.stage
    with stacks.acting_on(stage, {Order: "Orders"}):
        search = stacks.find_table(stage, "Search")
        outputs = stacks.outputs_of(stage)
        adopt(OMS_TIME_ZONE=outputs.get("TimeZone", "UTC"))
        shards = int(outputs["OrderShards"])
        with tables_named({Term: search} if search else {}):
            done = index_orders(
                arguments.first, arguments.last, shards=shards, fix=arguments.fix, say=print, terms=search is not None
            )
    if not done:
        raise SystemExit(1)


if __name__ == "__main__":
    run_until_unread(main)
