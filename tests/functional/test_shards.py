"""The stock of a product with several shards: its route, its sums, and orders from its shards."""

from collections.abc import Callable
from itertools import batched, count
from typing import Any

import pytest

from inventory import handler as inventory
from oms.core.actors import System
from oms.inventory import shards
from oms.orders import service as order_service
from tests.support.aws_calls import Call, intercepted
from tests.support.database import table
from tests.support.faults import reason_at
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Person, invoke
from tests.support.shop import Shop, new_process, shards_of, stock_of

pytestmark = pytest.mark.usefixtures("no_sleep")

PRODUCTS = "/api/v1/inventory/products"


@pytest.fixture
def shop(customer: Person, manager: Person) -> Shop:
    new_process()
    return Shop(customer, manager)


def shown(shop: Shop, product: str) -> Any:
    return invoke(inventory, "GET", f"{PRODUCTS}/{product}", token=shop.manager.token).json


def sharded(shop: Shop, units: int, shards: int, **options: Any) -> str:
    product = shop.product(units, **options)
    answer = shop.reshard(product, shards)
    assert answer.status == 200, answer.text
    return product


def available(product: str) -> list[int]:
    return [shard.available for shard in shards_of(product)]


def put(product: str, *units: int) -> None:
    """Sets the available units of the shards."""
    for shard, number in zip(shards_of(product), units, strict=True):
        table("inventory").change(shard.pk, shard.sk, available={"N": str(number)})


def reads_shards(call: Call) -> bool:
    """Returns whether the call reads several stock items at once."""
    return (
        call.operation == "BatchGetItem"
        and len(call.parameters["RequestItems"].get("inventory", {"Keys": []})["Keys"]) > 1
    )


# ---- the number of shards -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("units", "shards"), [(16, 4), (10, 4), (0, 3), (1000, 7), (5, 1), (3, 16)])
def test_units_are_spread_evenly(shop: Shop, units: int, shards: int) -> None:
    product = shop.product(units)

    answer = shop.reshard(product, shards)

    assert (answer.status, answer.json["shards"], answer.json["available"]) == (200, shards, units)
    assert len(available(product)) == shards
    assert sum(available(product)) == units
    assert max(available(product)) - min(available(product)) <= max(2, units // shards // 4)
    assert shown(shop, product)["available"] == units


def test_fewer_shards_leave_no_unit_behind(shop: Shop) -> None:
    product = sharded(shop, 100, 40)

    answer = shop.reshard(product, 2)

    assert (answer.json["shards"], answer.json["available"]) == (2, 100)
    assert available(product)[2:] == [0] * 38


def test_the_same_number_changes_nothing(shop: Shop) -> None:
    product = sharded(shop, 12, 3)
    before = [shard.serialize() for shard in shards_of(product)]

    assert shop.reshard(product, 3).status == 200

    assert [shard.serialize() for shard in shards_of(product)] == before


@pytest.mark.parametrize("shards", [0, -1, 257, "4", 1.5, None])
def test_an_impossible_number_is_refused(shop: Shop, shards: Any) -> None:
    product = shop.product(5)

    assert shop.manage("PUT", f"products/{product}/shards", {"shards": shards}).status == 422
    assert len(shards_of(product)) == 1


def test_an_unknown_product_and_another_version_are_refused(shop: Shop) -> None:
    product = shop.product(5)

    assert shop.reshard("unknown", 4).status == 404
    stale = invoke(
        inventory,
        "PUT",
        f"{PRODUCTS}/{product}/shards",
        {"shards": 4},
        token=shop.manager.token,
        headers={"If-Match": '"7"'},
    )
    assert stale.status == 412
    assert len(shards_of(product)) == 1


def test_a_customer_may_not_set_shards(shop: Shop) -> None:
    product = shop.product(5)

    answer = invoke(inventory, "PUT", f"{PRODUCTS}/{product}/shards", {"shards": 2}, token=shop.customer.token)

    assert answer.status == 403


# ---- sums -----------------------------------------------------------------------------------------------------------


def test_lists_and_quotes_add_up_the_shards(shop: Shop) -> None:
    product = sharded(shop, 5, 4)

    listed = call("GET", f"{PRODUCTS}?in_stock=true", token=shop.manager.token).json["items"]
    quote = shop.post("/api/v1/orders/quote", {"items": [{"product_id": product, "quantity": 6}]}).json

    assert [(it["id"], it["available"], it["on_hand"], it["shards"]) for it in listed] == [(product, 5, 5, 4)]
    assert quote["shortfalls"] == [{"product_id": product, "requested": 6, "available": 5}]


def test_a_product_without_units_in_shard_zero_is_in_stock(shop: Shop) -> None:
    product = sharded(shop, 3, 3)
    put(product, 0, 0, 3)

    for query, expected in (("in_stock=true", [product]), ("in_stock=false", [])):
        listed = call("GET", f"{PRODUCTS}?{query}", token=shop.manager.token).json["items"]
        assert [it["id"] for it in listed] == expected


# ---- orders ---------------------------------------------------------------------------------------------------------


def test_every_unit_of_every_shard_is_sold_and_none_twice(shop: Shop) -> None:
    product = sharded(shop, 23, 5)

    answers = [shop.buy({product: 1}) for _ in range(25)]

    assert [answer.status for answer in answers] == [201] * 23 + [409] * 2
    assert answers[-1].json["shortfalls"] == [{"product_id": product, "requested": 1, "available": 0}]
    shop.check_stock()
    assert (stock_of(product).available, stock_of(product).reserved) == (0, 23)


def test_an_order_takes_units_from_several_shards(shop: Shop) -> None:
    product = sharded(shop, 10, 4)
    put(product, 1, 2, 3, 4)

    placed = shop.buy({product: 9})

    assert placed.status == 201
    assert sum(available(product)) == 1
    (order,) = shop.check_stock()
    assert sum(it.quantity for it in order.lines[0].drawn) == 9
    assert shop.move(f"/api/v1/orders/{placed.json['id']}", "cancel").status == 200
    assert available(product) == [1, 2, 3, 4]


def test_units_in_more_shards_than_an_order_can_draw_from_are_gathered(shop: Shop) -> None:
    product = sharded(shop, 40, 40)
    put(product, *[1] * 40)

    placed = shop.buy({product: 39})

    assert placed.status == 201
    shop.check_stock()
    assert sum(available(product)) == 1


def test_ninety_lines_from_many_shards_fit_into_one_transaction(shop: Shop) -> None:
    products = [sharded(shop, 4, 2) for _ in range(3)] + [shop.product(4) for _ in range(87)]
    for product in products[:3]:
        put(product, 2, 2)

    assert shop.buy(dict.fromkeys(products, 3)).status == 201
    shop.check_stock()


def test_units_of_a_shard_beyond_the_number_are_sold(shop: Shop) -> None:
    product = sharded(shop, 6, 3)
    path = f"/api/v1/orders/{shop.buy({product: 6}).json['id']}"
    assert shop.reshard(product, 1).status == 200
    assert available(product) == [0, 0, 0]

    assert shop.move(path, "cancel").status == 200

    assert sum(available(product)) == 6
    assert available(product)[0] < 6
    assert shop.buy({product: 6}).status == 201
    shop.check_stock()


def test_a_process_that_does_not_know_the_shards_learns_them_by_its_next_order(shop: Shop) -> None:
    product = shop.product(8)
    assert shop.buy({product: 1}).status == 201
    offers = order_service.OFFERS
    shop.reshard(product, 4)

    assert shop.buy({product: 1}).status == 201

    assert order_service.OFFERS is offers
    assert offers.of([product])[product].shards == 4


def test_a_conflict_on_one_shard_leads_to_another(shop: Shop) -> None:
    product = sharded(shop, 8, 2)
    tried = []

    def plan(call: Call) -> Any:
        if call.operation == "TransactWriteItems":
            tried.append(call.parameters["TransactItems"][1]["Update"]["Key"]["pk"]["S"])
            if len(tried) % 2:
                raise reason_at(1, "TransactionConflict")(call)
        return call.send()

    with intercepted(plan):
        for _ in range(4):
            assert shop.buy({product: 1}).status == 201

    assert all(first != second for first, second in batched(tried, 2, strict=True))


def test_a25_the_share_of_an_unverified_buyer_is_of_all_shards(shop: Shop, person: Callable[..., Person]) -> None:
    """A quarter of 40 units is more than each of the shards has."""
    product = sharded(shop, 40, 8)
    stranger = person("customer", email_verified=False)

    refused = assert_problem(shop.buy({product: 11}, by=stranger), 409, "order-limit-exceeded")

    assert refused["limits"] == [{"product_id": product, "requested": 11, "allowed": 10}]
    assert shop.buy({product: 10}, by=stranger).status == 201


@pytest.mark.parametrize("disturbed", [1, 2])
def test_a25_units_that_move_between_shards_during_a_read_count_once_for_the_share(
    shop: Shop, person: Callable[..., Person], disturbed: int
) -> None:
    """One shard is read before a move of 40 units and the other one after it, so the read shows 80."""
    product = sharded(shop, 40, 2)
    put(product, 40, 0)
    reads = count(1)

    def plan(call: Call) -> Any:
        if not reads_shards(call) or next(reads) != disturbed:
            return call.send()
        before = call.send()["Responses"]["inventory"]
        assert shards.move_units(product, {0: -40, 1: 40}, actor=System())
        after = call.send()["Responses"]["inventory"]
        mixed = [max(pair, key=lambda item: int(item["available"]["N"])) for pair in zip(before, after, strict=True)]
        return {"Responses": {"inventory": mixed}}

    with intercepted(plan):
        answer = shop.buy({product: 11}, by=person("customer", email_verified=False))

    refused = assert_problem(answer, 409, "order-limit-exceeded")
    assert refused["limits"] == [{"product_id": product, "requested": 11, "allowed": 10}]


def test_shards_that_change_during_the_reads_do_not_keep_a_share_that_the_others_prove(
    shop: Shop, person: Callable[..., Person]
) -> None:
    """A share of 30 units needs 120. Three of the shards have 300, and the fourth changes at each read."""
    product = sharded(shop, 400, 4)
    reads = 0

    def plan(call: Call) -> Any:
        nonlocal reads
        if reads_shards(call):
            reads += 1
            shard = shards_of(product)[3]
            table("inventory").change(shard.pk, shard.sk, version={"N": str(shard.version + 1)})
        return call.send()

    with intercepted(plan):
        answer = shop.buy({product: 30}, by=person("customer", email_verified=False))

    assert answer.status == 201
    assert reads == 2


def test_f01_a_read_that_other_orders_disturb_is_no_refusal(shop: Shop) -> None:
    """A unit moves back and forth between the reads of two shards: at each moment there is one."""
    product = sharded(shop, 1, 2)
    shards = iter([(0, 1), (1, 0)] * 20)

    def plan(call: Call) -> Any:
        if call.operation == "BatchGetItem" and "inventory" in call.parameters["RequestItems"]:
            answer = call.send()
            for item in answer["Responses"]["inventory"]:
                item["available"] = {"N": "0"}
                item["version"] = {"N": str(int(item["version"]["N"]) + next(versions))}
            return answer
        return call.send()

    versions = count()
    put(product, *next(shards))
    with intercepted(plan):
        answers = [shop.buy({product: 2}) for _ in range(2)]

    assert {answer.status for answer in answers} == {503}


def test_f12_an_order_at_the_old_offer_of_a_shard_is_not_placed_after_the_edit(shop: Shop) -> None:
    product = sharded(shop, 20, 5, price="10.00")
    assert shop.buy({product: 1}).status == 201

    shop.reprice(product, "12.00")

    assert {shard.price for shard in shards_of(product)} == {1200}
    for _ in range(10):
        assert shop.buy({product: 1}).json["total"] == "12.00"


def test_an_order_that_meets_a_shard_with_an_older_offer_makes_it_current(shop: Shop) -> None:
    product = sharded(shop, 20, 3, price="10.00")
    old = [shard.serialize() for shard in shards_of(product)]
    shop.reprice(product, "12.00")
    for item in old[1:]:
        table("inventory").put(item)
    new_process()

    answers = [shop.buy({product: 1}) for _ in range(12)]

    assert {answer.json["total"] for answer in answers} == {"12.00"}
    assert {shard.price for shard in shards_of(product)} == {1200}
    shop.check_stock()


def test_an_archived_product_is_sold_from_no_shard(shop: Shop) -> None:
    product = sharded(shop, 20, 4)
    assert shop.buy({product: 1}).status == 201

    shop.reprice(product, "19.99", status="archived")

    assert {shop.buy({product: 1}).status for _ in range(8)} == {422}
