"""F30: an import crashes at any call, is killed ten times, has two workers, meets orders, or is cancelled: each of its
rows has one effect, and its result is the same.
"""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from oms.core.errors import ImportFinishedError
from oms.imports import service, worker
from oms.imports.models import Import
from oms.inventory import service as products
from oms.inventory import skus
from oms.inventory.schemas import CreateProductRequest
from oms.inventory.service import StockedProduct
from tests.support.aws_calls import intercepted
from tests.support.faults import Crash, between, crash_after, crash_before
from tests.support.imports import (
    ADDRESS,
    counts,
    handed_on,
    now,
    objects,
    process_once,
    process_until_finished,
    result,
    started,
)
from tests.support.invocation import Person
from tests.support.shop import Shop

pytestmark = [
    pytest.mark.usefixtures("uploads"),
    pytest.mark.filterwarnings("ignore:No application metrics to publish"),
]
_numbers = count(1)

# Sections have three rows, and end before a row whose product is in them already.
STOCK = """\
sku,on_hand
{0}-1,4
{0}-2,10
{0}-2,12
{0}-3,0
{0}-NONE,5
{0}-1,12
{0}-4,x
{0}-4,11
"""
CATALOGUE = """\
sku,name,category,price
{0}-1,Saw,Tools {0},5
{0}-NEW,Axe,Tools {0},7
{0}-2,Product,Tools,19.99
{0}-BAD,Axe,Tools {0},x
{0}-NEW,Big axe,Garden {0},7
{0}-3,Product,Garden {0},1
"""


def _create(sku: str, *, by: Person) -> str:
    fields = {"sku": sku, "name": "Product", "category": "Tools", "price": "19.99", "stock": 10}
    request = CreateProductRequest.model_validate(fields)
    return products.create_product(request, actor=by, key=None).value.product.id


@dataclass(frozen=True)
class Run:
    """An import with products of its own."""

    item: Import
    prefix: str

    def state(self) -> tuple[Any, ...]:
        """Returns the import's result, and its products. Their versions count the changes."""
        it, ids = now(self.item), skus.ids_of([f"{self.prefix}-{name}" for name in ("1", "2", "3", "4", "NEW")])
        found = products.read_products(ids.values())
        return it.status, counts(it), it.rows, result(it), [_shown(found[ids[sku]]) for sku in sorted(ids)]

    def left(self) -> list[str]:
        return [key for key in objects() if self.item.id in key and not key.startswith("results/")]


def _shown(stocked: StockedProduct) -> tuple[Any, ...]:
    product, stock = stocked
    return product.name, product.price, product.version, stock.available, stock.version, stock.edits, stock.price


@dataclass
class World:
    """Imports of the same rows, so that each must have the same state and result."""

    by: Person
    kind: str
    rows: str
    expected: tuple[Any, ...] = ()

    def new(self) -> Run:
        prefix = f"P{next(_numbers)}"
        for number in range(1, 5):
            _create(f"{prefix}-{number}", by=self.by)
        return Run(started(self.by, self.kind, self.rows.format(prefix)), prefix)

    def assert_done(self, run: Run, where: str) -> None:
        assert run.state() == self.expected, where
        assert run.left() == [], where


@pytest.fixture(params=["stock", "products"])
def world(request: pytest.FixtureRequest, manager: Person) -> World:
    played = World(manager, request.param, {"stock": STOCK, "products": CATALOGUE}[request.param])
    whole = played.new()
    process_until_finished(whole.item)
    played.expected = whole.state()
    assert whole.state()[:2] == ("done", {"stock": (0, 5, 1, 2), "products": (1, 3, 1, 1)}[request.param])
    return played


def moments_of(world: World) -> range:
    run = world.new()
    with intercepted(lambda call: call.send()) as made:
        process_once(run.item)
    return range(1, len(made) + 1)


def test_f30_cut_off_before_or_after_any_call_each_row_has_one_effect(world: World) -> None:
    for moment in moments_of(world):
        for plan in (crash_before, crash_after):
            run = world.new()
            with intercepted(plan(moment)), suppress(Crash):
                process_once(run.item)
            process_until_finished(run.item)

            world.assert_done(run, f"{plan.__name__} {moment}")


def test_f30_killed_ten_times_each_row_has_one_effect(world: World) -> None:
    """Each crash is at a random call, of a run that continues: a failure shows the seed."""
    seed = random.randrange(10**6)
    draw = random.Random(seed)
    for _ in range(10):
        run = world.new()
        for _ in range(10):
            plan = draw.choice((crash_before, crash_after))
            with intercepted(plan(draw.randint(1, 14))), suppress(Crash):
                process_once(run.item)
        handed_on()
        process_until_finished(run.item)

        world.assert_done(run, f"seed {seed}")


def test_f30_with_time_for_one_section_at_once_each_row_has_one_effect(world: World) -> None:
    run = world.new()
    for _ in range(20):
        left = iter([True])
        assert process_once(run.item, has_time=lambda left=left: next(left, False))
        if now(run.item).status == "done":
            break

    world.assert_done(run, "")


def test_f30_a_second_worker_comes_at_any_moment_and_each_row_has_one_effect(world: World) -> None:
    """It works to the end, or dies after its first section, and the first one continues as if it were alone."""
    for moment in moments_of(world):
        run, sections = world.new(), (1, 100)[moment % 2]

        def interfere(run: Run = run, sections: int = sections) -> None:
            left = iter(range(sections))
            with suppress(worker.OutOfTimeError):
                worker.work(run.item.id, has_time=lambda: next(left, None) is not None)

        with intercepted(between(moment, interfere, after=False)) as made:
            process_once(run.item)
            if len(made) < moment:
                interfere()
        handed_on()
        process_until_finished(run.item)

        world.assert_done(run, f"before call {moment}, {sections} sections")


def test_f30_cancelled_at_any_moment_it_is_done_or_no_file_is_left(world: World) -> None:
    ends = set()
    for moment in moments_of(world):
        run = world.new()

        def cancel(run: Run = run) -> None:
            """Cancels the import; the resulting message is delivered at once, while the worker continues."""
            with suppress(ImportFinishedError):
                service.cancel(run.item.id, by=world.by, address=ADDRESS)
            assert process_once(run.item)

        with intercepted(between(moment, cancel, after=False)):
            process_once(run.item)

        ends.add(now(run.item).status)
        if now(run.item).status == "done":
            world.assert_done(run, f"before call {moment}")
        else:
            assert run.left() == [], f"before call {moment}"
    assert ends == {"done", "cancelled"}


@pytest.mark.parametrize("plan", [crash_before, crash_after])
def test_f30_units_that_orders_move_at_any_moment_are_counted_once(
    shop: Shop, manager: Person, plan: Callable[[int], Any]
) -> None:
    """The worker dies at the moment at which two of ten units are shipped. So twelve are counted before it or after."""
    ends = set()
    for moment in range(1, 30):
        sku = f"Q{next(_numbers)}"
        product_id = _create(sku, by=manager)
        path = shop.ready_for("ship", {product_id: 2})
        it = started(manager, "stock", f"sku,on_hand\n{sku},12\n")

        with intercepted(plan(moment)) as made, suppress(Crash):
            process_once(it)
        if len(made) < moment:
            break
        assert shop.move(path, "ship").status == 200
        process_until_finished(it)

        stock = products.get_product(product_id, include_archived=True).stock
        ends.add(stock.available + stock.reserved)
        assert counts(now(it)) == (0, 1, 0, 0)
    assert ends == {10, 12}
