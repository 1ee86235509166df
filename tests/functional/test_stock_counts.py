"""Counts of stock, and requests that adjust or count many products."""

from collections.abc import Callable
from typing import Any

import pytest

from oms.inventory.models import Adjustment
from tests.support.aws_calls import Call, intercepted
from tests.support.database import table
from tests.support.event_bus import published
from tests.support.faults import failing, timed_out
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Answer, Person
from tests.support.ledger_shop import LedgerShop
from tests.support.shop import shards_of, stock_of
from tests.support.streams import streamed

INVENTORY = "/api/v1/inventory"


def count(ledger_shop: LedgerShop, product: str, on_hand: Any, *, key: str | None = None, **fields: Any) -> Answer:
    body = {"on_hand": on_hand, "reason": "counted"} | fields
    return ledger_shop.shop.manage("PUT", f"products/{product}/stock", body, key=key)


def change(ledger_shop: LedgerShop, *rows: dict[str, Any], key: str | None = None) -> list[Any]:
    items = [{"reason": "counted"} | row for row in rows]
    answer = ledger_shop.shop.manage("PATCH", "stock", {"items": items}, key=key)
    assert answer.status == 200, answer.text
    assert [it["product_id"] for it in answer.json["items"]] == [row["product_id"] for row in rows]
    return list(answer.json["items"])


def checked(ledger_shop: LedgerShop) -> tuple[int, int]:
    ledger_shop.run_bookkeeper()
    run = ledger_shop.check(full=True)
    return run.drifted, run.unsettled


def version_of(product: str) -> int:
    return sum(shard.version for shard in shards_of(product))


# ---- one product ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("on_hand", [2, 7, 20, 45])
def test_a_count_sets_the_units_on_hand_and_leaves_those_of_orders(
    ledger_shop: LedgerShop, shards: int, on_hand: int
) -> None:
    product = ledger_shop.create(20)
    assert ledger_shop.shop.reshard(product, shards).status == 200
    ledger_shop.order(**{product: 2})

    counted = count(ledger_shop, product, on_hand)

    stock = stock_of(product)
    assert counted.json == {
        "product_id": product,
        "on_hand": on_hand,
        "available": on_hand - 2,
        "reserved": 2,
        "stock_version": version_of(product),
        "adjustment": on_hand - 20,
    }
    assert (stock.available, stock.reserved) == (on_hand - 2, 2)
    assert checked(ledger_shop) == (0, 0)


@pytest.mark.parametrize("shards", [1, 3])
def test_fewer_units_than_orders_reserve_are_refused(ledger_shop: LedgerShop, shards: int) -> None:
    product = ledger_shop.create(20)
    ledger_shop.shop.reshard(product, shards)
    ledger_shop.order(**{product: 5})
    before = version_of(product)

    refused = assert_problem(count(ledger_shop, product, 4), 409, "stock-reserved")

    figures = {"on_hand": 20, "available": 15, "reserved": 5, "stock_version": before}
    assert refused | figures == refused
    assert version_of(product) == before


@pytest.mark.parametrize("shards", [1, 3])
def test_a_count_can_require_the_version_that_products_show(ledger_shop: LedgerShop, shards: int) -> None:
    product = ledger_shop.create(20)
    ledger_shop.shop.reshard(product, shards)
    path = f"{INVENTORY}/products/{product}"
    seen = call("GET", path, token=ledger_shop.shop.manager.token).json["stock_version"]
    ledger_shop.order(**{product: 1})

    refused = assert_problem(count(ledger_shop, product, 9, if_version=seen), 409, "stock-changed")

    assert (refused["on_hand"], refused["available"], refused["reserved"]) == (20, 19, 1)
    counted = count(ledger_shop, product, 9, if_version=refused["stock_version"])
    assert (counted.status, counted.json["on_hand"]) == (200, 9)
    assert counted.json["stock_version"] > refused["stock_version"]


def test_an_unknown_product_cannot_be_counted(ledger_shop: LedgerShop) -> None:
    assert_problem(count(ledger_shop, "none", 1), 404, "not-found")


@pytest.mark.parametrize("wrong", [-1, 10**9 + 1, "5", None, 1.5])
def test_a_count_is_a_number_of_units(ledger_shop: LedgerShop, wrong: Any) -> None:
    assert places(count(ledger_shop, ledger_shop.create(), wrong)) == {"#/on_hand"}


def test_a_count_with_a_key_is_made_once_though_the_stock_moves_on(ledger_shop: LedgerShop) -> None:
    product = ledger_shop.create(20)
    first = count(ledger_shop, product, 10, key="k")
    ledger_shop.order("confirm", "ship", **{product: 3})

    again = count(ledger_shop, product, 10, key="k")

    assert "Idempotency-Replayed" not in first.headers
    assert "Idempotency-Replayed" in again.headers
    assert again.json["on_hand"] == stock_of(product).available == 7
    assert_problem(count(ledger_shop, product, 11, key="k"), 422, "idempotency-key-reused")


def test_a_count_that_agrees_changes_nothing_and_is_made_once(ledger_shop: LedgerShop) -> None:
    product = ledger_shop.create(20)

    counted = count(ledger_shop, product, 20, key="k")
    ledger_shop.order("confirm", "ship", **{product: 3})
    again = count(ledger_shop, product, 20, key="k")

    assert (counted.json["on_hand"], counted.json["stock_version"]) == (20, 1)
    assert (again.json["on_hand"], "Idempotency-Replayed" in again.headers) == (17, True)
    assert checked(ledger_shop) == (0, 0)


def test_a_count_with_a_version_whose_answer_was_lost_is_not_refused(ledger_shop: LedgerShop) -> None:
    product = ledger_shop.create(20)
    lost: list[Call] = []

    def lose_first(sent: Call) -> Any:
        answer = sent.send()
        if sent.operation == "TransactWriteItems" and not lost:
            lost.append(sent)
            raise timed_out(sent)
        return answer

    with intercepted(lose_first):
        counted = count(ledger_shop, product, 12, if_version=1)

    assert (counted.status, counted.json["on_hand"], version_of(product)) == (200, 12, 2)


@pytest.mark.parametrize("shards", [1, 3])
def test_a_count_has_a_movement_and_an_event_of_its_cause(ledger_shop: LedgerShop, shards: int) -> None:
    product = ledger_shop.create(20)
    ledger_shop.shop.reshard(product, shards)
    ledger_shop.run_bookkeeper()
    with streamed("inventory") as records:
        count(ledger_shop, product, 5)
        count(ledger_shop, product, 5)
    ledger_shop.run_bookkeeper()

    path = f"{INVENTORY}/products/{product}/movements"
    listed = call("GET", path, token=ledger_shop.shop.manager.token).json["items"]
    counted = [it for it in listed if it["cause"] == "counted"]
    assert sum(it["available"]["after"] - it["available"]["before"] for it in counted) == -15
    (event,) = [it for it in published(records) if it["type"] == "stock.adjusted"]
    assert (event["data"]["cause"], event["data"]["adjustment"], event["data"]["on_hand"]) == ("counted", -15, 5)


# ---- many products --------------------------------------------------------------------------------------------------


def test_each_row_has_an_outcome_of_its_own(ledger_shop: LedgerShop) -> None:
    counted, right, adjusted, reserved, short, spread = (ledger_shop.create(20) for _ in range(6))
    ledger_shop.order(**{reserved: 5})
    ledger_shop.shop.reshard(spread, 3)

    outcomes = change(
        ledger_shop,
        {"product_id": counted, "on_hand": 12},
        {"product_id": right, "on_hand": 20},
        {"product_id": adjusted, "adjustment": -3},
        {"product_id": reserved, "on_hand": 4},
        {"product_id": short, "adjustment": -21},
        {"product_id": spread, "on_hand": 31},
        {"product_id": "none", "on_hand": 1},
        {"product_id": "none either", "adjustment": 1},
    )

    assert [(it["status"], it["code"], it["adjustment"], it["on_hand"]) for it in outcomes] == [
        ("changed", None, -8, 12),
        ("unchanged", None, 0, 20),
        ("changed", None, -3, 17),
        ("failed", "stock-reserved", None, 20),
        ("failed", "insufficient-stock", None, 20),
        ("changed", None, 11, 31),
        ("failed", "not-found", None, None),
        ("failed", "not-found", None, None),
    ]
    assert {(it["detail"] is None) == (it["status"] != "failed") for it in outcomes} == {True}
    for product, outcome in zip(ledger_shop.products, outcomes, strict=False):
        stock = stock_of(product)
        assert (outcome["available"], outcome["reserved"]) == (stock.available, stock.reserved)
        assert outcome["stock_version"] == version_of(product)
    assert checked(ledger_shop) == (0, 0)


def test_a_repeated_request_replays_the_rows_that_were_made(ledger_shop: LedgerShop) -> None:
    first, second, third = (ledger_shop.create(20) for _ in range(3))
    rows: list[dict[str, Any]] = [
        {"product_id": first, "on_hand": 12},
        {"product_id": second, "adjustment": -21},
        {"product_id": third, "adjustment": 4},
    ]
    change(ledger_shop, *rows, key="k")
    ledger_shop.order("confirm", "ship", **{first: 2})
    ledger_shop.adjust(second, 5)

    again = change(ledger_shop, *rows, key="k")
    same = change(ledger_shop, {**rows[0], "if_version": None, "adjustment": None}, key="k")
    other = change(ledger_shop, {"product_id": first, "on_hand": 13}, {"product_id": third, "adjustment": 4}, key="k")

    assert [(it["status"], it["replayed"], it["on_hand"]) for it in again] == [
        ("changed", True, 10),
        ("changed", False, 4),
        ("changed", True, 24),
    ]
    assert same == again[:1]
    assert [(it["code"], it["replayed"], it["on_hand"]) for it in other] == [
        ("idempotency-key-reused", False, 10),
        (None, True, 24),
    ]


def test_a_request_has_up_to_a_hundred_rows(ledger_shop: LedgerShop) -> None:
    products = [ledger_shop.create(20) for _ in range(100)]

    outcomes = change(ledger_shop, *({"product_id": it, "on_hand": 7, "if_version": 1} for it in products))

    assert {(it["status"], it["on_hand"]) for it in outcomes} == {("changed", 7)}
    assert {stock_of(it).available for it in products} == {7}


def test_a_row_can_require_a_version(ledger_shop: LedgerShop) -> None:
    product = ledger_shop.create(20)
    ledger_shop.adjust(product, 1)

    (refused,) = change(ledger_shop, {"product_id": product, "on_hand": 5, "if_version": 1})
    (counted,) = change(ledger_shop, {"product_id": product, "on_hand": 5, "if_version": 2})

    assert (refused["code"], refused["on_hand"], refused["stock_version"]) == ("stock-changed", 21, 2)
    assert (counted["status"], counted["on_hand"], counted["stock_version"]) == ("changed", 5, 3)


WRONG: list[tuple[Callable[[str], list[dict[str, Any]]], str]] = [
    (lambda _: [], "#/items"),
    (lambda it: [{"product_id": f"{it}{number}", "on_hand": 1, "reason": "x"} for number in range(101)], "#/items"),
    (lambda it: [{"product_id": it, "on_hand": number, "reason": "x"} for number in range(2)], "#/items"),
    (lambda it: [{"product_id": it, "reason": "x"}], "#/items/0"),
    (lambda it: [{"product_id": it, "on_hand": 1, "adjustment": 1, "reason": "x"}], "#/items/0"),
    (lambda it: [{"product_id": it, "adjustment": 1, "if_version": 1, "reason": "x"}], "#/items/0"),
    (lambda it: [{"product_id": it, "adjustment": 0, "reason": "x"}], "#/items/0/adjustment"),
    (lambda it: [{"product_id": it, "on_hand": 1}], "#/items/0/reason"),
]


@pytest.mark.parametrize(("rows", "place"), WRONG)
def test_a_wrong_row_refuses_the_request(
    ledger_shop: LedgerShop, rows: Callable[[str], list[dict[str, Any]]], place: str
) -> None:
    product = ledger_shop.create(20)

    assert places(ledger_shop.shop.manage("PATCH", "stock", {"items": rows(product)})) == {place}

    assert version_of(product) == 1


def test_a_busy_product_fails_alone(ledger_shop: LedgerShop, no_sleep: list[float]) -> None:
    busy, other = ledger_shop.create(20), ledger_shop.create(20)

    def refuse_busy(sent: Call) -> Any:
        if sent.operation == "TransactWriteItems" and busy in str(sent.parameters):
            raise timed_out(sent)
        return sent.send()

    with intercepted(refuse_busy):
        outcomes = change(ledger_shop, *({"product_id": it, "on_hand": 3} for it in (busy, other)), key="k")

    assert [(it["status"], it["code"], it["on_hand"]) for it in outcomes] == [
        ("failed", "unavailable", 20),
        ("changed", None, 3),
    ]
    again = change(ledger_shop, *({"product_id": it, "on_hand": 3} for it in (busy, other)), key="k")
    assert [(it["status"], it["replayed"], it["on_hand"]) for it in again] == [
        ("changed", False, 3),
        ("changed", True, 3),
    ]


@pytest.mark.parametrize("reads", [1, 2])
def test_rows_that_were_made_have_outcomes_although_their_stock_cannot_be_read(
    ledger_shop: LedgerShop, no_sleep: list[float], reads: int
) -> None:
    """After the writes, the shards 0 cannot be read, or the other shards."""
    plain, spread = ledger_shop.create(20), ledger_shop.create(20)
    ledger_shop.shop.reshard(spread, 3)
    written = seen = 0

    def refuse_reads(sent: Call) -> Any:
        nonlocal written, seen
        if sent.operation == "BatchGetItem" and written == 2:
            seen += 1
            if seen >= reads:
                raise failing("ThrottlingException")(sent)
        answer = sent.send()
        written += sent.operation == "TransactWriteItems"
        return answer

    with intercepted(refuse_reads):
        outcomes = change(ledger_shop, *({"product_id": it, "adjustment": -3} for it in (plain, spread)))

    assert seen >= reads
    assert [(it["status"], it["code"], it["adjustment"]) for it in outcomes] == [("changed", None, -3)] * 2
    figures = ("on_hand", "available", "reserved", "stock_version")
    assert {outcomes[1][name] for name in figures} == {None}
    assert [sum(shard.available for shard in shards_of(it)) for it in (plain, spread)] == [17, 17]


def test_a_count_is_stored_with_its_reason(ledger_shop: LedgerShop, manager: Person) -> None:
    product = ledger_shop.create(20)

    count(ledger_shop, product, 12, reason="the shelf")

    (stored,) = [it for it in table("inventory").items() if it["kind"]["S"] == "adjustment"]
    record = Adjustment.from_raw_data(stored)
    assert (record.adjustment, record.cause, record.reason) == (-8, "counted", "the shelf")
    assert len(shards_of(product)) == 1
