"""The rules of the stock check: it reports everything that was tampered with, and nothing else."""

import copy
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from oms.stock_ledger.effects import NO_UNITS, ParsedMovement, RecordedEffect, Units
from oms.stock_ledger.reconciliation import (
    ZERO_BALANCE,
    Balance,
    Drift,
    ExcludedWindow,
    StoredStock,
    Verdict,
    closed_balance,
    reconcile,
    verify,
)
from tests.support.stock_history import NEVER, PRODUCTS, Shop, play, steps

ALL = ExcludedWindow(NEVER, NEVER)
"""Excludes nothing."""


def check(
    shop: Shop, bases: dict[str, Balance] | None = None, cut: str = NEVER, *, full: bool = False
) -> dict[str, Drift]:
    """Returns the drifts that a run reports, by product."""
    found = {}
    for product in PRODUCTS:
        window = ExcludedWindow(cut, NEVER)
        ledger = shop.ledger(product, (bases or {}).get(product, ZERO_BALANCE), full=full)
        verdict = verify(ledger, shop.order_digest(product, window), window)
        assert verdict is not Verdict.UNSETTLED, "the ledger is complete"
        if verdict is Verdict.SUSPECT:
            found[product] = reconcile(shop.ledger(product), shop.order_effects(product), window)
    return found


def close(shop: Shop, bases: dict[str, Balance], cut: str) -> dict[str, Balance]:
    closed = {
        product: closed_balance(shop.ledger(product, bases.get(product, ZERO_BALANCE)), ExcludedWindow(cut, NEVER))
        for product in PRODUCTS
    }
    return bases | {product: balance for product, balance in closed.items() if balance}


def moment(shop: Shop, fraction: float) -> str:
    return f"{int(shop.moment * fraction) + 1:06d}"


@given(st.lists(st.tuples(steps, st.floats(0, 1)), min_size=1, max_size=4))
def test_untouched_records_are_never_named_at_any_cut(parts: list[tuple[Any, float]]) -> None:
    shop, bases, cut = Shop.opened(), {}, ""
    for history, fraction in parts:
        play(shop, history)
        cut = max(cut, moment(shop, fraction))  # a run's cut is never older than the last run's

        assert check(shop, bases, cut) == {}
        assert check(shop, {}, cut, full=True) == {}
        bases = close(shop, bases, cut)


@given(steps, st.data())
def test_f24_a_stock_item_that_was_changed_is_named_with_the_difference(history: Any, data: st.DataObject) -> None:
    shop = play(Shop.opened(), history)
    bases = data.draw(st.sampled_from([{}, close(shop, {}, NEVER)]))
    product = data.draw(st.sampled_from(PRODUCTS))
    error = data.draw(st.tuples(st.integers(-3, 3), st.integers(-3, 3)).filter(any))
    was = shop.stored[product]
    shop.stored[product] = was._replace(units=was.units.plus(Units(*error)))

    found = check(shop, bases)

    assert set(found) == {product}
    assert found[product].difference == error
    assert [finding.code for finding in found[product].findings] == ["stock-differs"]


def tampered(movement: ParsedMovement, how: str) -> ParsedMovement:
    effect = movement.effect
    match how:
        case "units":
            after = movement.after.plus(Units(1, 0))
            return movement._replace(after=after, effect=effect._replace(available=effect.available + 1))
        case "both ends":
            shift = Units(2, 0)
            return movement._replace(before=movement.before.plus(shift), after=movement.after.plus(shift))
        case "cause":
            cause = "adjusted" if effect.cause != "adjusted" else "order-shipped"
            return movement._replace(effect=effect._replace(cause=cause))
        case "actor":
            return movement._replace(effect=effect._replace(actor="eve"))
        case "time":
            return movement._replace(effect=effect._replace(at="-"))
    return movement._replace(effect=effect._replace(ref="nothing"))


@given(steps, st.data())
def test_a_movement_that_was_changed_or_removed_is_named_and_the_stock_is_right(
    history: Any, data: st.DataObject
) -> None:
    shop = play(Shop.opened(), history)
    product = data.draw(st.sampled_from(PRODUCTS))
    movements = shop.movements[product]
    place = data.draw(st.integers(0, len(movements) - 1))
    how = data.draw(st.sampled_from(["units", "both ends", "cause", "actor", "time", "ref", "removed"]))
    # The stock item has neither the creator of the product nor the time of its creation.
    assume(not (place == 0 and how in ("actor", "time")))
    movement = movements[place]
    movements[place : place + 1] = [] if how == "removed" else [tampered(movement, how)]

    found = check(shop)

    assert set(found) == {product}
    assert found[product].difference == NO_UNITS
    named = {finding.version for finding in found[product].findings}
    assert named & {movement.version, movement.version + 1}


def test_f24_a_movement_whose_both_ends_were_changed_alike_breaks_the_chain_before_and_behind_it() -> None:
    shop = Shop.opened(20)
    shop.adjust("A", 5)
    shop.adjust("A", 2)
    shop.movements["A"][1] = tampered(shop.movements["A"][1], "both ends")

    drift = check(shop)["A"]

    assert drift.difference == NO_UNITS
    assert [(finding.code, finding.version) for finding in drift.findings] == [("broken-chain", 2), ("broken-chain", 3)]


@given(steps, st.data())
def test_an_order_that_was_changed_is_named_with_the_difference(history: Any, data: st.DataObject) -> None:
    shop = play(Shop.opened(), history)
    assume(shop.orders)
    bases = data.draw(st.sampled_from([{}, close(shop, {}, NEVER)]))
    order = data.draw(st.sampled_from(list(shop.orders.values())))
    before = {product: truth(shop, product) for product in PRODUCTS}
    how = data.draw(st.sampled_from(["quantity", "removed", "last entry"]))
    whole = copy.deepcopy(order)
    if how == "quantity":
        line = data.draw(st.sampled_from(order["lines"]["L"]))
        line["M"]["drawn"]["L"][0]["M"]["quantity"] = {"N": "7"}
    elif how == "removed":
        del shop.orders[order["id"]["S"]]
    else:
        assume(order["history"]["L"].pop()["M"]["to"]["S"] not in ("confirmed", "delivered"))
        assume("restocked" not in whole["history"]["L"][-1]["M"] or whole["history"]["L"][-1]["M"]["restocked"]["BOOL"])

    found = check(shop, bases)

    touched = {line["M"]["product_id"]["S"] for line in whole["lines"]["L"]}
    if how == "quantity":
        touched = {line["M"]["product_id"]["S"]}
    assert set(found) == touched
    for product in touched:
        assert found[product].difference == before[product].minus(truth(shop, product))


def truth(shop: Shop, product: str) -> Units:
    """Returns the stock that a product should have by its orders and adjustments."""
    units = Units(shop.opening[product], 0)
    for effect in [*shop.order_effects(product), *shop.ledger(product).adjustments.values()]:
        units = units.plus(effect.units)
    return units


@given(steps, st.data())
def test_an_adjustment_that_was_changed_or_removed_is_named_with_the_difference(
    history: Any, data: st.DataObject
) -> None:
    shop = play(Shop.opened(), history)
    assume(shop.adjustments)
    ref = data.draw(st.sampled_from(list(shop.adjustments)))
    effect = shop.adjustments.pop(ref)
    more = data.draw(st.none() | st.integers(1, 3))
    if more is not None:
        shop.adjustments[ref] = effect._replace(available=effect.available + more)

    found = check(shop)

    (product,) = found
    assert effect.stock == f"stock#{product}#0"
    assert found[product].difference == (effect.available if more is None else -more, 0)


@given(steps, steps, steps, st.floats(0, 1), st.floats(0, 1), st.data())
def test_a_repair_makes_all_later_checks_sound(
    before: Any, between: Any, after: Any, first: float, second: float, data: st.DataObject
) -> None:
    shop = play(Shop.opened(), before)
    product = data.draw(st.sampled_from(PRODUCTS))
    movements, was = shop.movements[product], shop.stored[product]
    shop.stored[product] = was._replace(units=was.units.plus(Units(3, 1)))
    cut = moment(shop, first)
    # The next check compares a movement that is newer than the cut, and would name it.
    older = [number for number, movement in enumerate(movements) if movement.effect.at < cut]
    place = data.draw(st.sampled_from(older))
    movements[place] = tampered(movements[place], "ref")
    drift = check(shop, cut=cut).get(product)
    assert drift, "the item differs at any cut"

    play(shop, between)
    shop.adjust(product, -drift.difference.available, reserved=-drift.difference.reserved, cause="repaired")
    repaired_stock = shop.stored[product]
    judged = f"{shop.moment + 7:06d}"  # clocks differ by 6 at most
    bases = {product: Balance(repaired_stock.version, repaired_stock.units, drift.digest, drift.digest_version, judged)}
    repaired = bases
    play(shop, after)

    for later in sorted({cut, max(cut, moment(shop, second)), NEVER}):
        assert check(shop, bases, later) == {}
        bases = close(shop, bases, later)
    assert check(shop, repaired, full=True) == {}, "a full check begins at the repair"


def test_a_repair_sets_the_stock_to_the_sum_of_orders_and_adjustments() -> None:
    shop = Shop.opened(20)
    shop.order({"A": 2})
    shop.stored["A"] = shop.stored["A"]._replace(units=Units(25, 2))
    drift = check(shop)["A"]

    assert (drift.stored, drift.expected, drift.difference) == (Units(25, 2), Units(18, 2), Units(7, 0))


def test_a_movement_made_twice_for_one_cause_is_named_with_the_difference() -> None:
    shop = Shop.opened(20)
    shop.adjust("A", 5)
    again = shop.adjustments["J0"]
    shop._write("A", again.ref, 1, "adjusted", again.units)
    shop.movements["A"][-1] = shop.movements["A"][-1]._replace(effect=again)

    drift = check(shop)["A"]

    assert drift.difference == (5, 0)
    assert [finding.code for finding in drift.findings] == ["repeated-movement"]


@pytest.mark.parametrize(
    ("cut", "verdict"), [("000001", Verdict.UNSETTLED), ("000002", Verdict.SUSPECT), (NEVER, Verdict.SUSPECT)]
)
def test_the_last_movement_is_late_while_it_is_new_and_lost_when_it_is_old(cut: str, verdict: Verdict) -> None:
    shop = Shop.opened()
    shop.adjust("A", 5)
    assert shop.now == "000001"
    shop.movements["A"].pop()

    assert verify(shop.ledger("A"), 0, ExcludedWindow(cut, NEVER)) is verdict


def test_a_movement_in_between_is_late_only_while_the_next_one_is_new() -> None:
    shop = Shop.opened()
    shop.adjust("A", 5)
    shop.adjust("A", 5)
    del shop.movements["A"][1]

    assert verify(shop.ledger("A"), 0, ExcludedWindow("000002", NEVER)) is Verdict.UNSETTLED
    assert verify(shop.ledger("A"), 0, ExcludedWindow("000003", NEVER)) is Verdict.SUSPECT


def test_a_stock_item_that_is_gone_is_named() -> None:
    shop = Shop.opened(20)
    ledger = shop.ledger("A")
    ledger.stored = None

    assert verify(ledger, 0, ALL) is Verdict.SUSPECT
    drift = reconcile(ledger, [], ALL)
    assert [finding.code for finding in drift.findings] == ["missing-stock-item"]
    assert drift.expected == (20, 0)


def test_a_balance_that_was_tampered_with_is_found_although_all_else_is_right() -> None:
    shop = Shop.opened(20)
    shop.order({"A": 2})
    wrong = closed_balance(shop.ledger("A"), ALL)
    assert wrong

    found = check(shop, {"A": wrong._replace(digest=wrong.digest + 1)})

    assert [finding.code for finding in found["A"].findings] == ["differing-balance"]
    assert found["A"].difference == NO_UNITS


def test_nothing_new_before_the_cut_closes_nothing() -> None:
    shop = Shop.opened(20)

    closed = closed_balance(shop.ledger("A"), ALL)
    assert closed == Balance(1, Units(20, 0), 0, 1)
    assert closed_balance(shop.ledger("A", closed), ALL) is None
    assert closed_balance(shop.ledger("A"), ExcludedWindow("000000", NEVER)) is None


def test_a_stock_item_put_back_to_before_its_balance_is_suspect() -> None:
    shop = Shop.opened(20)
    shop.adjust("A", 5)
    base = closed_balance(shop.ledger("A"), ALL)
    assert base
    shop.stored["A"] = StoredStock(1, Units(20, 0), "000000", 20)

    assert verify(shop.ledger("A", base), 0, ALL) is Verdict.SUSPECT


def test_an_adjustment_that_no_version_is_missing_for_is_named_and_is_no_stock() -> None:
    shop = Shop.opened(20)
    shop.adjust("A", 5)
    shop.adjustments["forged"] = shop.adjustments["J0"]._replace(ref="forged", available=50)

    assert check(shop) == {}, "only a full check compares all of them"
    drift = check(shop, full=True)["A"]

    assert [finding.code for finding in drift.findings] == ["unexplained-adjustment"]
    assert drift.difference == NO_UNITS


def test_a_forged_adjustment_cannot_hide_in_the_gap_that_an_order_has_left() -> None:
    shop = Shop.opened(20)
    shop.order({"A": 2})
    shop.adjust("A", 5)
    del shop.movements["A"][1]
    shop.adjustments["forged"] = shop.adjustments["J0"]._replace(ref="forged", available=50)

    drift = check(shop)["A"]

    assert "unexplained-adjustment" in [finding.code for finding in drift.findings]
    assert drift.difference == NO_UNITS


def test_a_time_after_the_window_is_compared_and_never_waited_for() -> None:
    shop = Shop.opened(20)
    shop.adjust("A", 5)
    shop.movements["A"].pop()
    shop.stored["A"] = shop.stored["A"]._replace(at="999999")

    assert verify(shop.ledger("A"), 0, ExcludedWindow("000000", "000005")) is Verdict.SUSPECT
    assert verify(shop.ledger("A"), 0, ExcludedWindow("000000", "999999")) is Verdict.UNSETTLED


def test_ten_million_missing_versions_are_one_finding() -> None:
    shop = Shop.opened(20)
    shop.stored["A"] = shop.stored["A"]._replace(version=10_000_000)

    (found,) = check(shop)["A"].findings

    assert (found.code, found.version, found.last_version) == ("missing-version", 2, 10_000_000)


def test_effects_that_differ_in_anything_have_different_digests() -> None:
    effect = RecordedEffect("stock", "ref", 1, "order-created", "actor", "at", -1, 1)
    others = [
        effect._replace(**{name: f"{getattr(effect, name)}x" if isinstance(getattr(effect, name), str) else 7})
        for name in RecordedEffect._fields
    ]

    assert len({it.digest for it in [effect, *others]}) == 1 + len(RecordedEffect._fields)


def repaired(shop: Shop, product: str, cut: str) -> Balance:
    """Returns the balance that a repair of the drift stores."""
    drift = check(shop, cut=cut)[product]
    shop.adjust(product, -drift.difference.available, reserved=-drift.difference.reserved, cause="repaired")
    stored = shop.stored[product]
    return Balance(stored.version, stored.units, drift.digest, drift.digest_version)


def test_an_earlier_repair_does_not_count_in_a_later_drift() -> None:
    shop = Shop.opened(20)
    shop.order({"A": 2})
    shop.stored["A"] = shop.stored["A"]._replace(units=Units(25, 2))
    base = repaired(shop, "A", NEVER)
    stored = shop.stored["A"]
    shop.stored["A"] = stored._replace(units=stored.units.plus(Units(0, 3)))

    assert check(shop, {"A": base})["A"].difference == (0, 3)


def test_movements_whose_times_are_not_in_the_order_of_their_versions_are_still_compared_and_repaired() -> None:
    shop = Shop.opened(20)
    shop.moment = 5
    shop.order({"A": 1})
    shop.moment = 2
    shop.order({"A": 1})
    assert [movement.effect.at for movement in shop.movements["A"]] == ["000000", "000006", "000003"]
    shop.stored["A"] = shop.stored["A"]._replace(units=Units(30, 2))

    base = repaired(shop, "A", cut="000004")

    for cut in ("000004", "000007", NEVER):
        assert check(shop, {"A": base}, cut) == {}
