"""F6: a cancelled transaction has a reason for each of its items; every mix of them has one designed answer."""

from itertools import combinations_with_replacement, permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.cancellation_reasons import LINES, PUTS, Mix, OrderRequest, designed, mixes, stored_before
from tests.support.examples import examples
from tests.support.shop import Shop, orders_stored, stock_of

both_ways = pytest.mark.parametrize("persistent", [False, True], ids=["once", "always"])
with_and_without = pytest.mark.parametrize("keyed", [True, False], ids=["key", "no key"])


def check(shop: Shop, mix: Mix) -> None:
    request = OrderRequest(shop, mix)
    answer = request.send()

    expected = designed(mix)
    assert answer.status == expected.status, (mix, answer.text)
    if expected.status == 201:
        assert [order.id for order in orders_stored()] == [answer.json["id"]], mix
        assert request.stored_id in (None, answer.json["id"]), mix
        assert ("Idempotency-Replayed" in answer.headers) == (mix.keyed and mix.stored is not None), mix
        prices = {line.product_id: line.unit_price for order in orders_stored() for line in order.lines}
        if mix.stored is None:
            assert prices == {product: stock_of(product).price for product in request.products}, mix
        return
    assert answer.json["code"] == expected.code, (mix, answer.text)
    assert [order.id for order in orders_stored()] == ([request.stored_id] if mix.stored else []), mix
    if expected.code == "unknown-product":
        pointers = [f"#/items/{position}/product_id" for position in expected.positions]
        assert [error["pointer"] for error in answer.json["errors"]] == pointers, mix
    if expected.code == "insufficient-stock":
        requested = request.requested()
        assert answer.json["shortfalls"] == [
            {"product_id": request.products[position], "requested": requested, "available": requested - 1}
            for position in expected.positions
        ], mix
    if expected.status == 503:
        assert int(answer.headers["Retry-After"]) >= 1, mix


@with_and_without
@both_ways
@pytest.mark.parametrize("put", PUTS)
def test_f06_the_puts_reason_with_each_reason_of_a_line(
    shop: Shop, no_sleep: list[float], put: str, keyed: bool, persistent: bool
) -> None:
    for mix in mixes([put], [(line,) for line in LINES], keyed=keyed, persistent=persistent):
        check(shop, mix)


@with_and_without
@both_ways
@pytest.mark.parametrize("line", LINES)
def test_f06_all_pairs_of_lines(shop: Shop, no_sleep: list[float], line: str, keyed: bool, persistent: bool) -> None:
    pairs = [pair for pair in combinations_with_replacement(LINES, 2) if pair[0] == line]
    both_orders = sorted({order for pair in pairs for order in permutations(pair)})
    for pair in both_orders:
        check(shop, Mix("none", pair, keyed, persistent))


@st.composite
def any_mix(draw: st.DrawFn) -> Mix:
    keyed = draw(st.booleans())
    put = draw(st.sampled_from([put for put in PUTS if stored_before(put, keyed=keyed)]))
    return Mix(
        put=put,
        lines=tuple(draw(st.lists(st.sampled_from(LINES), min_size=1, max_size=6))),
        keyed=keyed,
        persistent=draw(st.booleans()),
        stored=draw(st.sampled_from(stored_before(put, keyed=keyed))),
        repeated=draw(st.booleans()),
    )


@settings(
    max_examples=examples(60),
    print_blob=True,
    # Each request clears the tables.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(mix=any_mix())
def test_f06_any_mix(shop: Shop, no_sleep: list[float], mix: Mix) -> None:
    check(shop, mix)
