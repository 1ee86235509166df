"""F2: a crash at any AWS call of an operation on several shards, and the request again, or not."""

from itertools import count
from typing import Any

import pytest

from oms.core import pseudonyms
from oms.orders import service
from oms.orders.schemas import CreateOrderRequest
from tests.support.aws_calls import Call, intercepted
from tests.support.faults import conflicted, crashes, lose_answer, refuse
from tests.support.ledger_shop import LedgerShop
from tests.support.open_order_counts import user_of
from tests.support.shop import Shop, new_process, shards_of, stock_of
from tests.support.streams import run_bookkeeper, streamed

pytestmark = [
    pytest.mark.usefixtures("no_sleep"),
    pytest.mark.filterwarnings("ignore:No application metrics to publish"),
]

UNITS = 22
numbers = count(1)


def sharded(shop: Shop, shards: int) -> str:
    """Returns a product of which two units are reserved."""
    new_process()
    product = shop.product(UNITS)
    assert shop.reshard(product, shards).status == 200
    assert shop.buy({product: 2}).status == 201
    return product


@pytest.mark.parametrize(("before", "after"), [(1, 2), (1, 5), (3, 6), (5, 2), (4, 1)])
def test_f02_a_change_of_shards_that_crashes_loses_no_unit_and_can_be_continued(
    shop: Shop, before: int, after: int
) -> None:
    points = 0
    for name, product in crashes(lambda: sharded(shop, before), lambda it: shop.reshard(it, after)):
        points += 1
        new_process()
        shop.check_stock()

        again = shop.reshard(product, after)

        assert (again.status, again.json["shards"], again.json["available"]) == (200, after, UNITS - 2), name
        units = [shard.available for shard in shards_of(product)]
        assert sum(units[:after]) == UNITS - 2, f"{name}: the other shards are empty"
        assert max(units[:after]) - min(units[:after]) <= 2, f"{name}: the units are spread evenly"
        shop.check_stock()
    assert points > 12


def test_f02_all_units_can_be_sold_after_a_crash_without_another_request(shop: Shop) -> None:
    for before, after in ((1, 4), (4, 2)):
        for name, product in crashes(lambda n=before: sharded(shop, n), lambda it, n=after: shop.reshard(it, n)):
            new_process()

            answers = [shop.buy({product: quantity}) for quantity in (7, 5, 7, 2)]

            assert [answer.status for answer in answers] == [201, 201, 201, 409], name
            assert answers[-1].json["shortfalls"] == [{"product_id": product, "requested": 2, "available": 1}], name
            shop.check_stock()


def test_f02_the_ledger_explains_a_change_of_shards_that_crashed(ledger_shop: LedgerShop) -> None:
    def begin() -> str:
        new_process()
        return ledger_shop.create(UNITS)

    for _, product in crashes(begin, lambda it: ledger_shop.shop.reshard(it, 3)):
        ledger_shop.order(**{product: 9})
    ledger_shop.run_bookkeeper()

    for full in (False, True):
        run = ledger_shop.check(full=full)
        assert (run.drifted, run.unsettled) == (0, 0)


@pytest.mark.parametrize("units", [-18, 18])
def test_f02_an_adjustment_of_shards_with_a_key_is_made_once(shop: Shop, units: int) -> None:
    def act(product: str) -> Any:
        body = {"adjustment": units, "reason": "counted"}
        return shop.manage("PATCH", f"products/{product}/stock", body, key="count")

    for name, product in crashes(lambda: sharded(shop, 4), act):
        shop.units.pop(product)  # its units change, so `check_stock` cannot cover it
        again = act(product)

        assert (again.status, again.json["available"]) == (200, UNITS - 2 + units), name
        assert stock_of(product).available == UNITS - 2 + units, name


@pytest.mark.parametrize("counted", [3, 40])
def test_f02_a_count_of_shards_with_a_key_is_made_once(shop: Shop, counted: int) -> None:
    def act(product: str) -> Any:
        body = {"on_hand": counted, "reason": "counted"}
        return shop.manage("PUT", f"products/{product}/stock", body, key="count")

    for name, product in crashes(lambda: sharded(shop, 4), act):
        shop.units.pop(product)  # its units change, so `check_stock` cannot cover it
        again = act(product)

        assert (again.status, again.json["on_hand"], again.json["reserved"]) == (200, counted, 2), name
        assert stock_of(product).available == counted - 2, name


def test_f02_an_order_from_several_shards_with_a_key_is_placed_once(shop: Shop) -> None:
    def act(product: str) -> Any:
        return shop.buy({product: 15}, key=f"key-{product}")

    for name, product in crashes(lambda: sharded(shop, 4), act):
        new_process()
        shop.check_stock()
        again = act(product)

        assert again.status == 201, name
        assert stock_of(product).available == UNITS - 2 - 15, name
        shop.check_stock()


def test_f02_the_bookkeeper_completes_an_edit_that_crashed(shop: Shop) -> None:
    """All shards have the new offer or all have the old one."""

    def act(product: str) -> None:
        with streamed() as records:
            streams.append(records)
            shop.reprice(product, "12.00")

    streams: list[Any] = []
    pseudonyms.KEYS.get()  # so that no crash gets this call, as `_keys_are_loaded` does
    for name, product in crashes(lambda: sharded(shop, 4), act):
        run_bookkeeper(streams[-1])

        assert len({(shard.offer, shard.price) for shard in shards_of(product)}) == 1, name


@pytest.mark.parametrize("operation", ["TransactWriteItems", "UpdateItem", "PutItem"])
def test_f03_a_change_of_shards_whose_answers_are_lost_is_made_once(shop: Shop, operation: str) -> None:
    product = sharded(shop, 2)

    with intercepted(lose_answer(operation)):
        answer = shop.reshard(product, 4)

    assert (answer.status, answer.json["available"]) == (200, UNITS - 2)
    shop.check_stock()


def test_f10_a_change_of_shards_in_conflict_with_orders_gets_through(shop: Shop) -> None:
    product = sharded(shop, 2)

    with intercepted(refuse("TransactWriteItems", conflicted, times=4)):
        answer = shop.reshard(product, 4)

    assert (answer.status, answer.json["shards"]) == (200, 4)
    shop.check_stock()


def test_f01_a_move_between_shards_takes_no_unit_that_was_sold_meanwhile(shop: Shop) -> None:
    """An order is placed just before the transaction that moves the units."""
    new_process()
    product = shop.product(UNITS)
    request = CreateOrderRequest.model_validate({"items": [{"product_id": product, "quantity": UNITS - 1}]})
    buyer, moves, least = user_of(shop.manager), 0, [0]

    def plan(call: Call) -> Any:
        nonlocal moves
        if call.operation == "TransactWriteItems" and len(call.parameters["TransactItems"]) > 2:
            moves += 1
            if moves == 1:
                service.place_order(request, actor=buyer, account=buyer, key=None)
        try:
            return call.send()
        finally:
            least.append(min(shard.available for shard in shards_of(product)))

    with intercepted(plan):
        assert shop.reshard(product, 2).status == 200

    assert moves > 0
    assert min(least) == 0
    shop.check_stock()
