"""F30: eight importers race with the same orders and are cut off at random: each order is placed once."""

import json
import random
from contextlib import suppress
from typing import Any

import pytest

from oms.imports import sections
from oms.imports.models import Import
from tests.support.aws_calls import Call, intercepted
from tests.support.examples import first_seed
from tests.support.faults import Crash, crash_after, crash_before
from tests.support.imports import (
    counts,
    handed_on,
    imported,
    now,
    process_once,
    process_until_finished,
    result,
    started,
)
from tests.support.invocation import Person
from tests.support.shop import Shop, new_process, orders_stored

pytestmark = [
    pytest.mark.usefixtures("uploads"),
    pytest.mark.filterwarnings("ignore:No application metrics to publish"),
]
ORDERS, IMPORTERS = 40, 8


def row(number: int, product_id: str, **fields: Any) -> str:
    order = {
        "items": [{"product_id": product_id, "quantity": 1}],
        "customer": {"email": f"buyer{number}@example.org"},
        "external_ref": {"channel": "till", "id": f"T-{number}"},
    }
    return json.dumps(order | fields)


def file_of(shop: Shop, number: int) -> str:
    """Returns a file of orders, of which one in ten has an unknown product."""
    products = [shop.product(number) for _ in range(3)]
    rows = [row(each, products[each % 3] if each % 10 else "NONE") for each in range(number)]
    return "\n".join(rows)


def test_f30_racing_importers_that_are_cut_off_place_each_order_once(
    shop: Shop, manager: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = first_seed("IMPORTS_SEED")
    draw = random.Random(seed)
    monkeypatch.setattr(sections, "MAX_ROWS", max(5, ORDERS // 20))
    content = file_of(shop, ORDERS)
    imports = [started(manager, "orders", content, format="jsonl") for _ in range(IMPORTERS)]

    for _ in range(IMPORTERS * 12):
        it = draw.choice(imports)
        plan = draw.choice((crash_before, crash_after))(draw.randint(1, ORDERS))
        with intercepted(_beside(plan, draw, imports)), suppress(Crash):
            process_once(it)
        new_process()
    handed_on()
    finished = [process_until_finished(it) for it in imports]

    placed = ORDERS - ORDERS // 10
    assert [it.status for it in finished] == ["done"] * IMPORTERS, f"seed {seed}"
    assert len(orders_stored()) == placed, f"seed {seed}"
    assert sum(it.created for it in finished) == placed, f"seed {seed}"
    assert {it.created + it.unchanged for it in finished} == {placed}, f"seed {seed}"
    assert len({result(it) for it in finished}) == 1, f"seed {seed}"
    shop.check_stock()


def _beside(plan: Any, draw: random.Random, imports: list[Import]) -> Any:
    """Returns the plan, at one call of which another importer does some of its work."""
    moment = draw.randint(1, 10)

    def beside(call: Call) -> Any:
        if call.number == moment:
            left = iter(range(draw.randint(1, 3)))
            other = draw.choice(imports)
            if now(other).status in ("queued", "running"):
                process_once(other, has_time=lambda: next(left, None) is not None)
        return plan(call)

    return beside


def test_an_order_takes_two_calls(shop: Shop, manager: Person, customer: Person) -> None:
    product_id = shop.product(100)
    rows = [row(number, product_id, customer={"id": customer.id}) for number in range(3)]
    imported(manager, "orders", row(99, product_id), format="jsonl")  # learns the offer
    it = started(manager, "orders", "\n".join(rows), format="jsonl")

    with intercepted() as made:
        process_once(it)

    # Before and after each section: its read of 100 orders, of the claim, and a checkpoint; five for the whole import.
    writes = [call for call in made if call.operation == "TransactWriteItems"]
    reads = [call for call in made if call.operation == "BatchGetItem"]
    assert (len(writes), len(reads)) == (3, 3 + 1)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"customer": None}, ("validation-failed", "#/customer")),
        ({"external_ref": None}, ("validation-failed", "#/external_ref")),
        ({"customer": {"email": "no"}}, ("validation-failed", "#/customer/email")),
        ({"customer": {"id": "NOBODY"}}, ("unknown-customer", "#/customer/id")),
        ({"items": []}, ("validation-failed", "#/items")),
        ({"items": [{"product_id": "NONE", "quantity": 1}]}, ("unknown-product", "#/items/0/product_id")),
        ({"expected_total": "0.01"}, ("price-changed", "#")),
    ],
)
def test_an_order_that_is_refused_fails_alone(
    shop: Shop, manager: Person, fields: dict[str, Any], error: tuple[str, str]
) -> None:
    product_id = shop.product(5)
    rows = "\n".join([row(1, product_id, **fields), row(2, product_id)])

    it = imported(manager, "orders", rows, format="jsonl")

    lines = [json.loads(line) for line in result(it).splitlines()]
    assert [(line["row"], line["code"], line["pointer"]) for line in lines] == [(1, *error)]
    assert (counts(it), len(orders_stored())) == ((1, 0, 0, 1), 1)


def test_an_order_with_the_same_reference_and_other_content_is_refused(shop: Shop, manager: Person) -> None:
    product_id = shop.product(5)
    imported(manager, "orders", row(1, product_id), format="jsonl")

    same, other = (imported(manager, "orders", row(1, product_id, **it), format="jsonl") for it in ({}, {"note": "Hi"}))
    only_new = imported(manager, "orders", row(1, product_id), format="jsonl", mode="create")

    assert [counts(it) for it in (same, other, only_new)] == [(0, 0, 1, 0), (0, 0, 0, 1), (0, 0, 0, 1)]
    assert b"external-ref-taken" in result(other)
    assert result(only_new)


def test_a_dry_run_of_orders_places_none_and_finds_what_is_short(shop: Shop, manager: Person) -> None:
    product_id = shop.product(2)
    rows = [row(1, product_id), row(2, product_id, items=[{"product_id": product_id, "quantity": 3}])]

    it = imported(manager, "orders", "\n".join(rows), format="jsonl", dry_run=True)

    assert (counts(it), orders_stored()) == ((1, 0, 0, 1), [])
    assert json.loads(result(it))["code"] == "insufficient-stock"
