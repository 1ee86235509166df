"""The stock check as rules: it names everything that was tampered with, and nothing else."""

import copy
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from oms.stock_ledger.effects import NOTHING, Fact, Line, Units
from oms.stock_ledger.reconciliation import (
    BEGINNING,
    Balance,
    Drift,
    Stored,
    Verdict,
    Window,
    closing,
    reconcile,
    verify,
)
from tests.support.stock_history import NEVER, PRODUCTS, Shop, live, steps

ALL = Window(NEVER, NEVER)
"""Leaves nothing out."""


def check(
    shop: Shop, bases: dict[str, Balance] | None = None, cut: str = NEVER, *, full: bool = False
) -> dict[str, Drift]:
    """What a run names, by product."""
    found = {}
    for product in PRODUCTS:
        account, window = shop.account(product, (bases or {}).get(product, BEGINNING), full=full), Window(cut, NEVER)
        verdict = verify(account, shop.entered(product, window), window)
        assert verdict is not Verdict.UNSETTLED, "the ledger is complete"
        if verdict is Verdict.SUSPECT:
            found[product] = reconcile(shop.account(product), shop.facts(product), window)
    return found


def close(shop: Shop, bases: dict[str, Balance], cut: str) -> dict[str, Balance]:
    closed = {
        product: closing(shop.account(product, bases.get(product, BEGINNING)), Window(cut, NEVER))
        for product in PRODUCTS
    }
    return bases | {product: balance for product, balance in closed.items() if balance}


def moment(shop: Shop, fraction: float) -> str:
    return f"{int(shop.moment * fraction) + 1:06d}"


@given(st.lists(st.tuples(steps, st.floats(0, 1)), min_size=1, max_size=4))
def test_what_was_not_tampered_with_is_never_named_whatever_the_cut(parts: list[tuple[Any, float]]) -> None:
    shop, bases, cut = Shop.opened(), {}, ""
    for history, fraction in parts:
        live(shop, history)
        cut = max(cut, moment(shop, fraction))  # no run has an older one than the last

        assert check(shop, bases, cut) == {}
        assert check(shop, {}, cut, full=True) == {}
        bases = close(shop, bases, cut)


@given(steps, st.data())
def test_f24_a_stock_item_that_was_changed_is_named_with_the_difference(history: Any, data: st.DataObject) -> None:
    shop = live(Shop.opened(), history)
    bases = data.draw(st.sampled_from([{}, close(shop, {}, NEVER)]))
    product = data.draw(st.sampled_from(PRODUCTS))
    error = data.draw(st.tuples(st.integers(-3, 3), st.integers(-3, 3)).filter(any))
    was = shop.stored[product]
    shop.stored[product] = was._replace(units=was.units.plus(Units(*error)))

    found = check(shop, bases)

    assert set(found) == {product}
    assert found[product].difference == error
    assert [finding.code for finding in found[product].findings] == ["stock-differs"]


def tampered(line: Line, how: str) -> Line:
    fact = line.fact
    match how:
        case "units":
            after = line.after.plus(Units(1, 0))
            return line._replace(after=after, fact=fact._replace(available=fact.available + 1))
        case "both ends":
            shift = Units(2, 0)
            return line._replace(before=line.before.plus(shift), after=line.after.plus(shift))
        case "cause":
            return line._replace(fact=fact._replace(cause="adjusted" if fact.cause != "adjusted" else "order-shipped"))
        case "actor":
            return line._replace(fact=fact._replace(actor="eve"))
        case "time":
            return line._replace(fact=fact._replace(at="-"))
    return line._replace(fact=fact._replace(ref="nothing"))


@given(steps, st.data())
def test_a_movement_that_was_changed_or_removed_is_named_and_the_stock_is_right(
    history: Any, data: st.DataObject
) -> None:
    shop = live(Shop.opened(), history)
    product = data.draw(st.sampled_from(PRODUCTS))
    lines = shop.lines[product]
    place = data.draw(st.integers(0, len(lines) - 1))
    how = data.draw(st.sampled_from(["units", "both ends", "cause", "actor", "time", "ref", "removed"]))
    # Who created a product, and when, the stock item does not say.
    assume(not (place == 0 and how in ("actor", "time")))
    line = lines[place]
    lines[place : place + 1] = [] if how == "removed" else [tampered(line, how)]

    found = check(shop)

    assert set(found) == {product}
    assert found[product].difference == NOTHING
    named = {finding.version for finding in found[product].findings}
    assert named & {line.version, line.version + 1}


def test_f24_a_movement_whose_both_ends_were_changed_alike_breaks_the_chain_before_and_behind_it() -> None:
    shop = Shop.opened(20)
    shop.adjust("A", 5)
    shop.adjust("A", 2)
    shop.lines["A"][1] = tampered(shop.lines["A"][1], "both ends")

    drift = check(shop)["A"]

    assert drift.difference == NOTHING
    assert [(finding.code, finding.version) for finding in drift.findings] == [("broken-chain", 2), ("broken-chain", 3)]


@given(steps, st.data())
def test_an_order_that_was_changed_is_named_with_the_difference(history: Any, data: st.DataObject) -> None:
    shop = live(Shop.opened(), history)
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
    """What a product's stock should be, by what its orders and adjustments say."""
    units = Units(shop.opening[product], 0)
    for fact in [*shop.facts(product), *shop.account(product).records.values()]:
        units = units.plus(fact.units)
    return units


@given(steps, st.data())
def test_an_adjustment_that_was_changed_or_removed_is_named_with_the_difference(
    history: Any, data: st.DataObject
) -> None:
    shop = live(Shop.opened(), history)
    assume(shop.records)
    ref = data.draw(st.sampled_from(list(shop.records)))
    fact = shop.records.pop(ref)
    more = data.draw(st.none() | st.integers(1, 3))
    if more is not None:
        shop.records[ref] = fact._replace(available=fact.available + more)

    found = check(shop)

    (product,) = found
    assert fact.stock == f"stock#{product}#0"
    assert found[product].difference == (fact.available if more is None else -more, 0)


@given(steps, steps, steps, st.floats(0, 1), st.floats(0, 1), st.data())
def test_a_repair_makes_the_next_check_sound_whatever_was_wrong_and_comes_after(
    before: Any, between: Any, after: Any, first: float, second: float, data: st.DataObject
) -> None:
    shop = live(Shop.opened(), before)
    product = data.draw(st.sampled_from(PRODUCTS))
    lines, was = shop.lines[product], shop.stored[product]
    shop.stored[product] = was._replace(units=was.units.plus(Units(3, 1)))
    cut = moment(shop, first)
    # A movement that is newer than the cut is compared by the next check, and would be named then.
    place = data.draw(st.sampled_from([number for number, line in enumerate(lines) if line.fact.at < cut]))
    lines[place] = tampered(lines[place], "ref")
    drift = check(shop, cut=cut).get(product)
    assert drift, "the item differs, whatever the cut"

    live(shop, between)
    shop.adjust(product, -drift.difference.available, reserved=-drift.difference.reserved, cause="repaired")
    mended = shop.stored[product]
    judged = f"{shop.moment + 7:06d}"  # clocks differ by 6 at most
    bases = {product: Balance(mended.version, mended.units, drift.digest, drift.digest_version, judged)}
    repaired = bases
    live(shop, after)

    for later in sorted({cut, max(cut, moment(shop, second)), NEVER}):
        assert check(shop, bases, later) == {}
        bases = close(shop, bases, later)
    assert check(shop, repaired, full=True) == {}, "a full check begins at the repair"


def test_what_a_repair_leaves_is_what_orders_and_adjustments_say() -> None:
    shop = Shop.opened(20)
    shop.order({"A": 2})
    shop.stored["A"] = shop.stored["A"]._replace(units=Units(25, 2))
    drift = check(shop)["A"]

    assert (drift.stored, drift.expected, drift.difference) == (Units(25, 2), Units(18, 2), Units(7, 0))


def test_a_movement_made_twice_for_one_cause_is_named_with_the_difference() -> None:
    shop = Shop.opened(20)
    shop.adjust("A", 5)
    again = shop.records["J0"]
    shop._write("A", again.ref, 1, "adjusted", again.units)
    shop.lines["A"][-1] = shop.lines["A"][-1]._replace(fact=again)

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
    shop.lines["A"].pop()

    assert verify(shop.account("A"), 0, Window(cut, NEVER)) is verdict


def test_a_movement_in_between_is_late_only_while_the_next_one_is_new() -> None:
    shop = Shop.opened()
    shop.adjust("A", 5)
    shop.adjust("A", 5)
    del shop.lines["A"][1]

    assert verify(shop.account("A"), 0, Window("000002", NEVER)) is Verdict.UNSETTLED
    assert verify(shop.account("A"), 0, Window("000003", NEVER)) is Verdict.SUSPECT


def test_a_stock_item_that_is_gone_is_named() -> None:
    shop = Shop.opened(20)
    account = shop.account("A")
    account.stored = None

    assert verify(account, 0, ALL) is Verdict.SUSPECT
    drift = reconcile(account, [], ALL)
    assert [finding.code for finding in drift.findings] == ["missing-stock-item"]
    assert drift.expected == (20, 0)


def test_a_balance_that_was_tampered_with_is_found_although_all_else_is_right() -> None:
    shop = Shop.opened(20)
    shop.order({"A": 2})
    wrong = closing(shop.account("A"), ALL)
    assert wrong

    found = check(shop, {"A": wrong._replace(digest=wrong.digest + 1)})

    assert [finding.code for finding in found["A"].findings] == ["differing-balance"]
    assert found["A"].difference == NOTHING


def test_nothing_new_before_the_cut_closes_nothing() -> None:
    shop = Shop.opened(20)

    closed = closing(shop.account("A"), ALL)
    assert closed == Balance(1, Units(20, 0), 0, 1)
    assert closing(shop.account("A", closed), ALL) is None
    assert closing(shop.account("A"), Window("000000", NEVER)) is None


def test_a_stock_item_put_back_to_before_its_balance_is_suspect() -> None:
    shop = Shop.opened(20)
    shop.adjust("A", 5)
    base = closing(shop.account("A"), ALL)
    assert base
    shop.stored["A"] = Stored(1, Units(20, 0), "000000", 20)

    assert verify(shop.account("A", base), 0, ALL) is Verdict.SUSPECT


def test_an_adjustment_that_no_version_is_missing_for_is_named_and_is_no_stock() -> None:
    shop = Shop.opened(20)
    shop.adjust("A", 5)
    shop.records["forged"] = shop.records["J0"]._replace(ref="forged", available=50)

    assert check(shop) == {}, "only a full check compares all of them"
    drift = check(shop, full=True)["A"]

    assert [finding.code for finding in drift.findings] == ["unexplained-adjustment"]
    assert drift.difference == NOTHING


def test_a_forged_adjustment_cannot_hide_in_the_gap_that_an_order_has_left() -> None:
    shop = Shop.opened(20)
    shop.order({"A": 2})
    shop.adjust("A", 5)
    del shop.lines["A"][1]
    shop.records["forged"] = shop.records["J0"]._replace(ref="forged", available=50)

    drift = check(shop)["A"]

    assert "unexplained-adjustment" in [finding.code for finding in drift.findings]
    assert drift.difference == NOTHING


def test_a_time_after_the_window_is_compared_and_never_waited_for() -> None:
    shop = Shop.opened(20)
    shop.adjust("A", 5)
    shop.lines["A"].pop()
    shop.stored["A"] = shop.stored["A"]._replace(at="999999")

    assert verify(shop.account("A"), 0, Window("000000", "000005")) is Verdict.SUSPECT
    assert verify(shop.account("A"), 0, Window("000000", "999999")) is Verdict.UNSETTLED


def test_ten_million_missing_versions_are_one_finding() -> None:
    shop = Shop.opened(20)
    shop.stored["A"] = shop.stored["A"]._replace(version=10_000_000)

    (found,) = check(shop)["A"].findings

    assert (found.code, found.version, found.last_version) == ("missing-version", 2, 10_000_000)


def test_facts_that_differ_in_anything_have_different_digests() -> None:
    fact = Fact("stock", "ref", 1, "order-created", "actor", "at", -1, 1)
    others = [
        fact._replace(**{name: f"{getattr(fact, name)}x" if isinstance(getattr(fact, name), str) else 7})
        for name in Fact._fields
    ]

    assert len({it.digest for it in [fact, *others]}) == 1 + len(Fact._fields)


def repaired(shop: Shop, product: str, cut: str) -> Balance:
    """What a repair of the drift that a check names leaves."""
    drift = check(shop, cut=cut)[product]
    shop.adjust(product, -drift.difference.available, reserved=-drift.difference.reserved, cause="repaired")
    stored = shop.stored[product]
    return Balance(stored.version, stored.units, drift.digest, drift.digest_version)


def test_what_was_repaired_once_does_not_count_when_something_else_is_wrong() -> None:
    shop = Shop.opened(20)
    shop.order({"A": 2})
    shop.stored["A"] = shop.stored["A"]._replace(units=Units(25, 2))
    base = repaired(shop, "A", NEVER)
    stored = shop.stored["A"]
    shop.stored["A"] = stored._replace(units=stored.units.plus(Units(0, 3)))

    assert check(shop, {"A": base})["A"].difference == (0, 3)


def test_movements_whose_times_are_not_in_the_order_of_their_versions_are_compared_and_repaired_all_the_same() -> None:
    shop = Shop.opened(20)
    shop.moment = 5
    shop.order({"A": 1})
    shop.moment = 2
    shop.order({"A": 1})
    assert [line.fact.at for line in shop.lines["A"]] == ["000000", "000006", "000003"]
    shop.stored["A"] = shop.stored["A"]._replace(units=Units(30, 2))

    base = repaired(shop, "A", cut="000004")

    for cut in ("000004", "000007", NEVER):
        assert check(shop, {"A": base}, cut) == {}
