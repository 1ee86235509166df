"""The ledger, the events, the sums and the checks of a product with several shards."""

from collections.abc import Callable
from typing import Any

import pytest

from oms.commands import rebuild_reports
from oms.core.dynamodb import table_name, tables_named
from tests.support.aws_calls import Call, intercepted
from tests.support.database import table
from tests.support.event_bus import published
from tests.support.exports import exported
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Person
from tests.support.ledger_shop import LedgerShop, difference, repair_stock
from tests.support.shop import shards_of, stock_of
from tests.support.stock_sums import assert_summed_up, totals_kept
from tests.support.streams import Record, streamed

pytestmark = pytest.mark.usefixtures("no_sleep")

PRODUCTS = "/api/v1/inventory/products"


def sharded(ledger_shop: LedgerShop, stock: int, shards: int, *, threshold: int | None = None) -> str:
    product = ledger_shop.create(stock)
    if threshold is not None:
        edit(ledger_shop, product, low_stock_threshold=threshold)
    assert ledger_shop.shop.reshard(product, shards).status == 200
    return product


def edit(ledger_shop: LedgerShop, product: str, **fields: Any) -> None:
    text = {"sku": "SKU-0", "name": "Saw", "category": "Tools", "price": 5, "status": "active"}
    answer = ledger_shop.shop.manage("PUT", f"products/{product}", text | fields)
    assert answer.status == 200, answer.text


def adjusted(ledger_shop: LedgerShop, product: str, units: int, key: str | None = None) -> Any:
    body = {"adjustment": units, "reason": "counted"}
    return ledger_shop.shop.manage("PATCH", f"products/{product}/stock", body, key=key)


# ---- adjustments ----------------------------------------------------------------------------------------------------


def test_added_units_are_spread_over_the_shards(ledger_shop: LedgerShop) -> None:
    product = sharded(ledger_shop, 0, 4)

    answer = adjusted(ledger_shop, product, 40)

    assert (answer.status, answer.json["available"]) == (200, 40)
    assert min(shard.available for shard in shards_of(product)) >= 8


def test_units_are_removed_from_several_shards(ledger_shop: LedgerShop) -> None:
    product = sharded(ledger_shop, 40, 4)

    answer = adjusted(ledger_shop, product, -35)

    assert (answer.status, answer.json["available"]) == (200, 5)
    refused = assert_problem(adjusted(ledger_shop, product, -6), 409, "insufficient-stock")
    assert "only 5 units are available" in refused["detail"]
    assert stock_of(product).available == 5


def test_units_are_removed_from_more_shards_than_one_transaction_changes(ledger_shop: LedgerShop) -> None:
    product = sharded(ledger_shop, 80, 40)

    assert adjusted(ledger_shop, product, -79).json["available"] == 1
    assert stock_of(product).available == 1


def test_an_adjustment_of_shards_with_a_key_is_made_once(ledger_shop: LedgerShop) -> None:
    product = sharded(ledger_shop, 10, 3)

    first, again = (adjusted(ledger_shop, product, 6, key="once") for _ in range(2))

    assert (first.json, again.json["available"]) == (again.json, 16)
    assert "Idempotency-Replayed" in again.headers
    assert_problem(adjusted(ledger_shop, product, 7, key="once"), 422, "idempotency-key-reused")
    assert stock_of(product).available == 16


# ---- movements ------------------------------------------------------------------------------------------------------


def movements(ledger_shop: LedgerShop, product: str, limit: int) -> list[Any]:
    """Returns all movements, newest first, from pages of this size."""
    found: list[Any] = []
    path = f"{PRODUCTS}/{product}/movements?limit={limit}"
    cursor = ""
    while True:
        page = call("GET", path + cursor, token=ledger_shop.shop.manager.token)
        assert page.status == 200, page.text
        found += page.json["items"]
        if page.json["next_cursor"] is None:
            return found
        cursor = f"&cursor={page.json['next_cursor']}"


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_the_movements_of_all_shards_are_listed_by_time_each_once(ledger_shop: LedgerShop, limit: int) -> None:
    product = ledger_shop.create(20)
    ledger_shop.adjust(product, 5)
    ledger_shop.order("cancel", **{product: 3})
    assert ledger_shop.shop.reshard(product, 3).status == 200
    for _ in range(4):
        ledger_shop.order(**{product: 1})
    ledger_shop.adjust(product, -15)
    ledger_shop.run_bookkeeper()

    listed = movements(ledger_shop, product, limit)

    assert len({(it["shard"], it["version"]) for it in listed}) == len(listed)
    assert len(listed) == sum(shard.version for shard in shards_of(product))
    assert [it["at"] for it in listed] == sorted((it["at"] for it in listed), reverse=True)
    assert [it["cause"] for it in listed[-4:]] == ["order-cancelled", "order-created", "adjusted", "product-created"]
    assert {it["cause"] for it in listed[:-4]} == {
        "shard-created",
        "resharded",
        "moved",
        "order-created",
        "adjusted",
    }
    for shard in shards_of(product):
        mine = [it for it in listed if it["shard"] == shard.shard]
        assert sum(it["available"]["after"] - it["available"]["before"] for it in mine) == shard.available


# ---- events ---------------------------------------------------------------------------------------------------------


def stock_events(records: list[Record]) -> list[tuple[str, int]]:
    events = [it for it in published(records) if it["type"].startswith("stock.")]
    assert len({it["id"] for it in events}) == len(events)
    return [(it["type"], it["data"]["available"]) for it in events]


def test_an_adjustment_of_several_shards_is_one_event_and_a_move_is_none(ledger_shop: LedgerShop) -> None:
    with streamed("inventory") as records:
        product = sharded(ledger_shop, 40, 4)
        adjusted(ledger_shop, product, -35)

    (event,) = [it for it in published(records) if it["type"].startswith("stock.")]

    assert (event["type"], event["actor"]["role"]) == ("stock.adjusted", "manager")
    data = event["data"]
    assert (data["adjustment"], data["available"], data["on_hand"], data["cause"]) == (-35, 5, 5, "adjusted")


def test_crossings_are_those_of_the_sum_each_once(ledger_shop: LedgerShop) -> None:
    """Each shard is at or below the threshold all the time."""
    product = sharded(ledger_shop, 12, 4, threshold=5)
    ledger_shop.run_bookkeeper()
    with streamed("inventory") as records:
        for _ in range(12):
            ledger_shop.order(**{product: 1})
            ledger_shop.run_bookkeeper()
        for units in (3, 9):
            adjusted(ledger_shop, product, units)
            ledger_shop.run_bookkeeper()

    assert [it for it in stock_events(records) if it[0] != "stock.adjusted"] == [
        ("stock.low", 5),
        ("stock.out", 0),
        ("stock.low", 3),
        ("stock.replenished", 12),
    ]


def test_a_batch_that_is_repeated_causes_no_second_crossing(ledger_shop: LedgerShop) -> None:
    product = sharded(ledger_shop, 8, 4, threshold=5)
    with streamed("inventory") as records:
        ledger_shop.order(**{product: 4})
        for _ in range(3):
            ledger_shop.processed = 0
            ledger_shop.run_bookkeeper()

    assert stock_events(records) == [("stock.low", 4)]


def test_a_product_that_gets_shards_while_it_is_low_is_not_low_again(ledger_shop: LedgerShop) -> None:
    with streamed("inventory") as records:
        product = ledger_shop.create(8)
        edit(ledger_shop, product, low_stock_threshold=5)
        ledger_shop.order(**{product: 4})
        ledger_shop.shop.reshard(product, 3)
        ledger_shop.order(**{product: 2})
        ledger_shop.run_bookkeeper()
        adjusted(ledger_shop, product, 10)
        ledger_shop.run_bookkeeper()

    assert [name for name, _ in stock_events(records)] == ["stock.low", "stock.adjusted", "stock.replenished"]


def test_an_edit_of_the_threshold_crosses_it_over_the_sum(ledger_shop: LedgerShop) -> None:
    product = sharded(ledger_shop, 12, 4, threshold=5)
    ledger_shop.run_bookkeeper()
    with streamed("inventory") as records:
        for threshold in (20, 3):
            edit(ledger_shop, product, low_stock_threshold=threshold)
            ledger_shop.run_bookkeeper()

    assert stock_events(records) == [("stock.low", 12), ("stock.replenished", 12)]


def test_f14_a_level_is_not_found_while_units_move(ledger_shop: LedgerShop) -> None:
    """Units move from a shard that is not read yet to one that was read: a single read would find none."""
    product = sharded(ledger_shop, 2, 2)
    ledger_shop.run_bookkeeper()
    reads = 0

    def plan(made: Call) -> Any:
        nonlocal reads
        answer = made.send()
        if made.operation == "BatchGetItem" and "inventory" in made.parameters["RequestItems"]:
            reads += 1
            if reads == 3:  # shard 0, all shards, all shards again
                for item in answer["Responses"]["inventory"]:
                    item["available"] = {"N": "0"}
                    item["moves"] = {"N": "77"}
        return answer

    ledger_shop.order(**{product: 1})
    with streamed("inventory") as records, intercepted(plan):
        ledger_shop.run_bookkeeper()

    assert reads > 3
    assert stock_events(records) == []


# ---- sums, reports, exports -----------------------------------------------------------------------------------------


def test_sums_and_report_count_a_product_once_with_all_its_units(ledger_shop: LedgerShop) -> None:
    product = sharded(ledger_shop, 12, 4, threshold=5)
    ledger_shop.create(3)
    ledger_shop.run_bookkeeper()
    assert_summed_up()
    ledger_shop.order(**{product: 9})
    ledger_shop.run_bookkeeper()
    assert_summed_up()
    assert totals_kept() == {"products": 2, "on_hand": 15, "reserved": 9, "value": 7500, "low": 1, "out": 0}

    shown = call("GET", "/api/v1/reports/inventory", token=ledger_shop.shop.manager.token).json

    assert [(it["product_id"], it["available"]) for it in shown["low"]] == [(product, 3)]
    assert shown["totals"]["on_hand"] == 15


def test_an_archived_product_leaves_all_sums_and_comes_back(ledger_shop: LedgerShop) -> None:
    product = sharded(ledger_shop, 12, 4, threshold=50)
    ledger_shop.run_bookkeeper()
    for status, products in (("archived", 0), ("active", 1)):
        edit(ledger_shop, product, low_stock_threshold=50, status=status)
        ledger_shop.run_bookkeeper()

        assert_summed_up()
        assert (totals_kept()["products"], totals_kept()["low"]) == (products, products)


def test_rebuilt_sums_are_those_of_all_shards(ledger_shop: LedgerShop, settle: Any) -> None:
    product = sharded(ledger_shop, 12, 4, threshold=50)
    ledger_shop.order(**{product: 2})
    ledger_shop.run_bookkeeper()
    assert list(rebuild_reports.check_stock().differences) == []

    for item in table("reports").items():
        if item["sk"]["S"] == "stock":
            table("reports").change(item["pk"]["S"], "stock", on_hand={"N": "99"}, low={"N": "7"})

    assert rebuild_reports.check_stock().differences


def test_the_command_names_the_table_of_each_item_of_a_product_with_shards(ledger_shop: LedgerShop) -> None:
    sharded(ledger_shop, 12, 4)
    ledger_shop.run_bookkeeper()

    with tables_named({model: table_name(model) for model in rebuild_reports.MODELS}):
        assert list(rebuild_reports.check_stock().differences) == []


def test_an_export_has_one_row_with_all_units(ledger_shop: LedgerShop) -> None:
    product = sharded(ledger_shop, 12, 4)
    ledger_shop.order(**{product: 5})

    rows = exported(ledger_shop.shop.manager, report="inventory")

    assert [(it["product_id"], it["available"], it["reserved"]) for it in rows] == [(product, "7", "5")]


# ---- check and repair -----------------------------------------------------------------------------------------------


def traded(ledger_shop: LedgerShop) -> str:
    """Returns a product that was sold, cancelled, shipped, returned and adjusted before and after it got shards."""
    product = ledger_shop.create(30)
    ledger_shop.order("cancel", **{product: 3})
    ledger_shop.order(**{product: 2})
    assert ledger_shop.shop.reshard(product, 4).status == 200
    ledger_shop.order("cancel", **{product: 20})
    ledger_shop.order("confirm", "ship", "deliver", "return", **{product: 4})
    ledger_shop.adjust(product, -9)
    ledger_shop.adjust(product, 6)
    assert ledger_shop.shop.reshard(product, 2).status == 200
    ledger_shop.order("confirm", "ship", **{product: 1})
    ledger_shop.run_bookkeeper()
    return product


@pytest.mark.parametrize("full", [False, True])
def test_a_check_of_shards_finds_nothing_and_counts_the_product_once(ledger_shop: LedgerShop, full: bool) -> None:
    traded(ledger_shop)

    for _ in range(2):
        run = ledger_shop.check(full=full)
        assert (run.status, run.products, run.drifted, run.unsettled) == ("done", 1, 0, 0)


def test_f24_a_tampered_shard_is_found_and_repaired(ledger_shop: LedgerShop) -> None:
    product = traded(ledger_shop)
    before = stock_of(product).available
    ledger_shop.tamper_stock(product, 1, available=7)

    assert ledger_shop.check().drifted == 1
    drift = ledger_shop.drifts()[product]
    assert (drift.shard, difference(drift)) == (1, (7, 0))
    made = repair_stock(ledger_shop, product, 1)

    assert (made.shard, made.change.available) == (1, -7)
    assert stock_of(product).available == before
    ledger_shop.run_bookkeeper()
    for full in (False, True):
        assert ledger_shop.check(full=full).drifted == 0


def test_f24_units_that_appear_in_two_shards_are_two_drifts(
    ledger_shop: LedgerShop, person: Callable[..., Person]
) -> None:
    product = traded(ledger_shop)
    for shard in (0, 3):
        ledger_shop.tamper_stock(product, shard, available=5)

    assert ledger_shop.check().drifted == 2
    body = {"product_id": product, "shard": 3, "dry_run": True}
    planned = call("POST", "/api/v1/admin/stock-check/repair", body, token=person("admin").token)
    assert (planned.status, planned.json["shard"]) == (200, 3)
    assert planned.json["available"]["before"] - planned.json["available"]["after"] == 5


def test_a_forged_move_is_found(ledger_shop: LedgerShop) -> None:
    """An adjustment whose parts do not add up explains no movement."""
    product = traded(ledger_shop)
    (forged, *_) = [
        item
        for item in table("inventory").items()
        if item["kind"]["S"] == "adjustment" and item.get("cause", {}).get("S") == "moved"
    ]
    part = forged["parts"]["L"][0]["M"]
    part["units"] = {"N": str(int(part["units"]["N"]) + 1)}
    table("inventory").put(forged)

    assert ledger_shop.check(full=True).drifted >= 1
    assert product in ledger_shop.drifts()
