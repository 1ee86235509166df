"""The sums of the reports are compared with what they are of: each difference is found, named and mended."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import batched
from typing import Any

import pytest
from moto.dynamodb.models.dynamo_type import DynamoType

from local.past_orders import Past
from oms import clock, rebuild, stacks
from oms.identity.models import User, user_key
from oms.orders.models import HistoryEntry, Order
from oms.reports.order_sums import days_of, shard_of
from tests.faults.direct import past_the_protocol
from tests.faults.injector import Call, faults
from tests.faults.shop import Shop, table
from tests.functional.counting import aggregate, set_count
from tests.functional.harness import Person
from tests.functional.past import store, told_of
from tests.functional.stream import keep_books, record

DAYS = 3


@dataclass
class Shown:
    """The sums of a past of some days, of two users and of a product."""

    orders: list[Order]
    customer: Person
    first: date
    last: date

    def rebuild(self, *, fix: bool = False) -> list[str]:
        """What the command says."""
        said: list[str] = []
        with faults(past_the_protocol):
            done = rebuild.rebuild(self.first, self.last, shards=1, fix=fix, say=said.append)
        assert done == (said[-1] == "All is as it should be.")
        return said[:-1]

    def order(self, *statuses: str, lines: int = 1) -> Order:
        return next(it for it in self.orders if it.status in statuses and len(it.lines) >= lines)


@pytest.fixture
def shown(customer: Person, manager: Person, time_machine: Callable[[timedelta], None]) -> Shown:
    last = clock.now().date() - timedelta(days=30)
    past = Past(number=36, days=DAYS, last=last, customers=[customer.id])
    orders = list(past.orders())
    store(orders)
    events = told_of(orders)
    for who in (customer, manager):
        user = {"id": who.id, "role": who.role, "status": "active"}
        events.append({"type": "user.registered", "sequence": 1, "data": user})
    random.Random(1).shuffle(events)
    with faults(past_the_protocol):
        for batch in batched(events, 50, strict=False):
            assert aggregate(batch) == []
    Shop(customer, manager).product(5)
    keep_books([record(None, it.to_json()["Attributes"]) for it in table("inventory").all_items() if is_stock(it)])
    time_machine(timedelta(hours=1))  # what the users and the product tell would have come
    return Shown(orders, customer, last - timedelta(days=DAYS - 1), last)


def is_stock(item: Any) -> bool:
    return bool(item.to_json()["Attributes"]["sk"]["S"] == "stock")


def items() -> dict[tuple[str, str], dict[str, Any]]:
    """What is in the reports table, but for how often sums were changed."""
    found = (it.to_json()["Attributes"] for it in table("reports").all_items())
    return {
        (it["pk"]["S"], it["sk"]["S"]): {name: value for name, value in it.items() if name != "changes"} for it in found
    }


def without_zeros(found: dict[tuple[str, str], dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    kept = {
        key: {name: value for name, value in it.items() if value != {"N": "0"} and name != "kind"}
        for key, it in found.items()
    }
    return {key: it for key, it in kept.items() if it.keys() - {"pk", "sk"}}


def stored(pk: str, sk: str) -> Any:
    return table("reports").items[DynamoType({"S": pk})][DynamoType({"S": sk})]


def change(pk: str, sk: str, name: str, by: int) -> str:
    """Somebody changes an attribute of a sum, and does not count it as a change; where."""
    attributes = stored(pk, sk).attrs
    was = int(attributes[name].value) if name in attributes else 0
    attributes[name] = DynamoType({"N": str(was + by)})
    return f"{pk}/{sk}"


def remove(pk: str, sk: str) -> str:
    del table("reports").items[DynamoType({"S": pk})][DynamoType({"S": sk})]
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


def applied(order: Order, chunk: int = 0) -> tuple[str, str]:
    return f"order#{order.id}", f"applied#{chunk}"


def rewrite_applied(order: Order, **attributes: Any) -> str:
    pk, sk = applied(order)
    stored(pk, sk).attrs.update({name: DynamoType(value) for name, value in attributes.items()})
    return f"{pk}/{sk}"


def put_bogus(pk: str, sk: str) -> str:
    table("reports").put_item(
        {"pk": {"S": pk}, "sk": {"S": sk}, "kind": {"S": "sum"}, "changes": {"N": "1"}, "revenue": {"N": "5"}}
    )
    return f"{pk}/{sk}"


def miscount(shown: Shown) -> str:
    set_count(shown.customer, 77)
    return f"user#{shown.customer.id}"


TAMPERING: dict[str, Callable[[Shown], str]] = {
    "a day changed": lambda it: change(*day_of(it), "revenue", 1),
    "a status of a day changed": lambda it: change(*day_of(it), "pending", 1),
    "a day removed": lambda it: remove(*day_of(it)),
    "a product's day changed": lambda _: change(*a_sum("products#"), "units", -1),
    "a product's day removed": lambda _: remove(*a_sum("products#")),
    "a product's day too many": lambda it: put_bogus(f"products#{it.last}", "never-sold"),
    "a category's day changed": lambda _: change(*a_sum("categories#"), "orders", 3),
    "a category's day too many": lambda it: put_bogus(f"categories#{it.last:%Y-%m}", f"{it.last:%d}#Never"),
    "a total changed": lambda _: change("totals#1", "orders", "pending", 2),
    "a total removed": lambda _: remove("totals#1", "orders"),
    "what is applied of an order changed": lambda it: rewrite_applied(it.order("confirmed"), amounts={"S": "{}"}),
    "what is applied of an order is newer than it": lambda it: rewrite_applied(it.order("pending"), version={"N": "9"}),
    "what is applied of an order removed": lambda it: remove(*applied(it.order("shipped", "delivered"))),
    "the users of a role changed": lambda _: change("totals#0", "users", "admin", 1),
    "the users removed": lambda _: remove("totals#0", "users"),
    "the stock changed": lambda _: change(*next(key for key in items() if key[1] == "stock"), "on_hand", 1),
    "what is applied of a stock item removed": lambda _: remove(*next(key for key in items() if "stock#" in key[0])),
    "what is applied of a user removed": lambda it: remove(f"user#{it.customer.id}", "applied#0"),
    "the open orders of a user changed": miscount,
}


def test_what_nobody_touched_is_as_it_should_be(shown: Shown) -> None:
    before = items()

    assert shown.rebuild() == []
    assert shown.rebuild(fix=True) == []

    assert items() == before


@pytest.mark.parametrize("tamper", TAMPERING.values(), ids=TAMPERING)
def test_what_was_tampered_with_is_named_and_mended(shown: Shown, tamper: Callable[[Shown], str]) -> None:
    before, open_orders = items(), count_of(shown)
    where = tamper(shown)
    tampered = items(), count_of(shown)

    said = shown.rebuild()
    assert (items(), count_of(shown)) == tampered, "looking changes nothing"
    mended = shown.rebuild(fix=True)

    assert any(f": {where} " in it for it in said), said
    assert all(it.endswith("; mended") for it in mended), mended
    assert shown.rebuild() == []
    assert (without_zeros(items()), count_of(shown)) == (without_zeros(before), open_orders)


def count_of(shown: Shown) -> int:
    pk, sk = user_key(shown.customer.id)
    item = table("identity").items[DynamoType({"S": pk})][DynamoType({"S": sk})]
    return User.from_raw_data(item.to_json()["Attributes"]).open_orders


# ---- while orders go on ---------------------------------------------------------------------------------------------


def moved(order: Order, status: str, at: str) -> Order:
    """The order after one more move, in the tables."""
    order = Order.from_raw_data(order.serialize())
    entry = HistoryEntry(
        from_=order.status, to=status, at=at, actor_id="m", actor_role="manager", key=clock.random_id(), request_hash=""
    )
    order.history.append(entry)
    order.status, order.updated_at, order.version = status, at, order.version + 1
    store([order])
    return order


def test_an_event_that_is_on_its_way_is_no_difference(shown: Shown) -> None:
    moved(shown.order("confirmed"), "cancelled", clock.timestamp(clock.now()))

    assert shown.rebuild() == []


def test_an_event_that_never_came_is_named_and_counted(shown: Shown) -> None:
    order = moved(shown.order("confirmed"), "cancelled", clock.timestamp(clock.now() - timedelta(hours=1)))
    expected = f": {'/'.join(applied(order))} is behind: version {order.version - 1} is counted, not {order.version}"

    (said,) = shown.rebuild()
    (mended,) = shown.rebuild(fix=True)

    assert said.endswith(expected)
    assert mended == f"{said}; mended"
    assert aggregate(told_of([order])) == [], "and should it come after all, it changes nothing"
    assert shown.rebuild() == []


def test_an_order_that_moves_while_it_is_looked_at_is_no_difference(shown: Shown) -> None:
    waiting = [it for it in shown.orders if it.status == "confirmed"][:3]

    def plan(call: Call) -> Any:
        """Before each of the first reads of what is applied, another order moves and is counted."""
        if waiting and call.operation == "BatchGetItem" and "reports" in call.parameters["RequestItems"]:
            order = moved(waiting.pop(), "cancelled", clock.timestamp(clock.now()))
            assert aggregate(told_of([order])) == []
        return past_the_protocol(call)

    said: list[str] = []
    with faults(plan):
        rebuild.rebuild(shown.first, shown.last, shards=1, fix=True, say=said.append)

    assert said == ["All is as it should be."]
    assert not waiting


def test_what_moved_since_it_was_looked_at_is_left_alone_and_said(shown: Shown) -> None:
    order = shown.order("confirmed")
    where = change(days_of(shard_of(order.id)), order.created_at[:10], "revenue", 1)
    waiting = [order]

    def plan(call: Call) -> Any:
        if call.operation == "UpdateItem" and waiting:
            assert aggregate(told_of([moved(waiting.pop(), "cancelled", clock.timestamp(clock.now()))])) == []
        return past_the_protocol(call)

    said: list[str] = []
    with faults(plan):
        rebuild.rebuild(shown.first, shown.last, shards=1, fix=True, say=said.append)

    assert any(where in it and it.endswith("; it has moved since, so look again") for it in said), said
    assert said[-1] == "1 findings are left."
    assert [it.endswith("; mended") for it in shown.rebuild(fix=True)] == [True]
    assert shown.rebuild() == []


def test_what_moves_at_each_look_is_said(shown: Shown) -> None:
    pk, sk = day_of(shown)

    def plan(call: Call) -> Any:
        if call.operation == "Query" and call.parameters["TableName"] == "reports":
            attributes = stored(pk, sk).attrs
            attributes["changes"] = DynamoType({"N": str(int(attributes["changes"].value) + 1)})
        return past_the_protocol(call)

    said: list[str] = []
    with faults(plan):
        rebuild.rebuild(shown.first, shown.last, shards=1, fix=True, say=said.append)

    assert said == [f"orders of {sk}: {pk}/{sk} changed at each look, and was not compared", "1 findings are left."]


# ---- the command ----------------------------------------------------------------------------------------------------


def test_the_command_looks_from_the_oldest_order_on_and_not_at_days_that_are_not_over(shown: Shown) -> None:
    names = [name for name, _ in rebuild.checks(None, date(9999, 1, 1), shards=1)]

    days = [name.removeprefix("orders of ") for name in names if name.startswith("orders of ")]
    yesterday = clock.now().date() - timedelta(days=1)
    assert days[0] == shown.first.isoformat()
    assert days[-1] in (yesterday.isoformat(), (yesterday - timedelta(days=1)).isoformat())
    assert len(names) == len(days) + 4


def test_the_command_finds_its_tables_by_the_stack_and_fails_while_something_is_left(
    shown: Shown, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    where = change(*day_of(shown), "units", 1)
    monkeypatch.setattr(stacks, "table_of", lambda stage, domain: {"dev": domain.lower()}[stage])
    monkeypatch.setattr(stacks, "outputs_of", lambda stage: {"dev": {"OrderShards": "1"}}[stage])
    command = ["rebuild", "--stage", "dev", "--from", str(shown.first), "--to", str(shown.last)]

    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as ended:
        rebuild.main()
    assert ended.value.code == 1
    assert where in capsys.readouterr().out

    monkeypatch.setattr("sys.argv", [*command, "--fix"])
    rebuild.main()
    assert capsys.readouterr().out.endswith("All is as it should be.\n")
