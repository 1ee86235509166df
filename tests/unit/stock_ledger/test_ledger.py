"""The ledger item of a change of a stock item; the threshold crossings of one stock item alternate."""

from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms.core.settings import settings
from oms.events.streams import Change
from oms.inventory.models import Cause, StockItem
from oms.inventory.stock_levels import StockLevel, stock_level, threshold_crossing
from oms.stock_ledger import ledger
from oms.stock_ledger.models import Crossing, Movement

ENTERED = {"low": StockLevel.LOW, "out": StockLevel.OUT, "replenished": StockLevel.OK}
sequences = count(1)


def stock(available: int, threshold: int | None = None, *, reserved: int = 0, version: int = 1) -> StockItem:
    cause = Cause(
        cause="adjusted", actor="ada", actor_role="manager", ref="ADJ", ref_version=1, at="2026-01-31T09:30:00.000Z"
    )
    return StockItem(
        *StockItem.key("P"),
        product_id="P",
        sku="SKU",
        name="Hammer",
        price=100,
        status="active",
        offer=1,
        available=available,
        reserved=reserved,
        opening=0,
        low_stock_threshold=threshold,
        version=version,
        last=cause,
    )


def change(old: StockItem | None, new: StockItem | None) -> Change:
    keys: dict[str, Any] = {"pk": {"S": "stock#P#0"}, "sk": {"S": "stock"}}
    return Change(
        table=settings().inventory_table,
        keys=keys,
        old=old.serialize() if old else None,
        new=new.serialize() if new else None,
        sequence=str(next(sequences)),
        at=1769851800.0,
    )


def test_a_change_of_version_is_a_movement_with_its_cause_and_what_it_did() -> None:
    written = ledger.item_from_change(change(stock(10, reserved=1, version=4), stock(7, reserved=4, version=5)))

    assert isinstance(written, Movement)
    assert (written.pk, written.sk, written.version) == ("stock#P#0", "movement#000000000005", 5)
    assert (written.available_before, written.available_after) == (10, 7)
    assert (written.reserved_before, written.reserved_after) == (1, 4)
    assert (written.cause, written.actor, written.ref, written.ref_version) == ("adjusted", "ada", "ADJ", 1)
    assert written.at == "2026-01-31T09:30:00.000Z"


@pytest.mark.parametrize("available", [0, 3, 10])
def test_a_new_product_moves_from_nothing_and_crosses_nothing(available: int) -> None:
    written = ledger.item_from_change(change(None, stock(available, 5)))

    assert isinstance(written, Movement)
    assert (written.available_before, written.available_after) == (0, available)
    assert written.crossing is None


def test_another_price_is_no_movement() -> None:
    assert ledger.item_from_change(change(stock(10), stock(10))) is None


def test_an_item_that_is_no_stock_writes_nothing() -> None:
    keys = {"pk": {"S": "product#P"}, "sk": {"S": "product"}}

    assert ledger.item_from_change(Change("inventory", keys, None, {"anything": {"S": "at all"}}, "1", 0.0)) is None


def test_a_stock_item_that_was_removed_cannot_be_decoded() -> None:
    with pytest.raises(ValueError, match="removed"):
        ledger.item_from_change(change(stock(10), None))


def test_a_threshold_edited_past_the_available_units_is_a_crossing_of_its_own() -> None:
    edited = change(stock(10, 5), stock(10, 20))

    written = ledger.item_from_change(edited)

    assert isinstance(written, Crossing)
    assert written.sk == f"crossing#{edited.sequence.zfill(40)}"
    assert (written.crossing, written.at) == ("low", "2026-01-31T09:30:00.000Z")
    assert ledger.item_from_change(change(stock(10, 5), stock(10, 6))) is None


@pytest.mark.parametrize(
    ("available", "threshold", "expected"),
    [(0, None, "out"), (0, 0, "out"), (0, 5, "out"), (1, None, "ok"), (1, 0, "ok"), (5, 5, "low"), (6, 5, "ok")],
)
def test_stock_levels(available: int, threshold: int | None, expected: str) -> None:
    assert stock_level(available, threshold) == expected


units = st.integers(0, 6)
thresholds = st.none() | units
edits = st.lists(st.tuples(st.sampled_from(["move", "threshold"]), units, thresholds), max_size=40)


@given(units, thresholds, edits)
def test_each_crossing_leaves_the_level_that_the_last_one_entered(
    available: int, threshold: int | None, edited: list[tuple[str, int, int | None]]
) -> None:
    now = stock(available, threshold)
    levels, crossings = [stock_level(available, threshold)], []
    for what, next_available, next_threshold in edited:
        before = now
        if what == "move":
            now = stock(next_available, before.low_stock_threshold, version=before.version + 1)
        else:
            now = stock(before.available, next_threshold, version=before.version)
        levels.append(stock_level(now.available, now.low_stock_threshold))
        written = ledger.item_from_change(change(before, now))
        assert isinstance(written, Movement) == (what == "move")
        if written is not None and written.crossing:
            crossings.append(written.crossing)

    entered = [levels[0], *(ENTERED[crossing] for crossing in crossings)]
    assert all(left != into for left, into in pairwise(entered))
    assert entered[-1] == levels[-1], "the crossings lead to the current stock level"


def test_no_crossing_within_a_level() -> None:
    assert threshold_crossing(StockLevel.LOW, StockLevel.LOW) is None
