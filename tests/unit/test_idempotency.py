import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from oms.core.clock import CROCKFORD
from oms.core.errors import IdempotencyKeyReusedError, NotFoundError, OmsError, UnavailableError
from oms.core.idempotency import (
    IdempotentResult,
    RequestHash,
    check_same_request,
    keyed_id,
    request_hash,
    run_idempotent,
)
from oms.inventory.schemas import CreateProductRequest
from oms.orders.schemas import CancelRequest, CreateOrderRequest

ORDER = {"items": [{"product_id": "1", "quantity": 2}], "shipping_cost": "10.00"}


def order(**changes: Any) -> RequestHash:
    return request_hash(CreateOrderRequest.model_validate(ORDER | changes))


def least(flat: int | None = None, **fields: Any) -> RequestHash:
    """Returns a request for an order with its items and these fields only; shipping has a flat price or none."""
    implied = {"shipping_cost": flat} if flat else {}
    return request_hash(CreateOrderRequest.model_validate({"items": ORDER["items"]} | fields), implied=implied)


def old_hash(supplied: dict[str, Any]) -> str:
    """Returns the hash of the previous version."""
    canonical = json.dumps(supplied, sort_keys=True, separators=(",", ":"))
    return "v1:" + hashlib.sha256(canonical.encode()).hexdigest()[:40]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        # Computed once by other code. It must never change: a stored order must always be found by its key.
        (("U1", "POST /orders", "key-1"), "RFQEX997AYY06K97TTKC"),
        (("U2", "POST /orders", "key-1"), "QQFQAM2F1TQ9VQ30910W"),
        (("U1", "POST /orders/X/cancel", "key-1"), "7RHVVA49QNWMFGF543CB"),
        (("U1", "POST /orders", '"],["'), "VTGMH45YG9MH81HFEYXM"),
    ],
)
def test_a_key_gives_its_id(parts: tuple[str, str, str], expected: str) -> None:
    assert keyed_id(*parts) == expected


@given(st.text(), st.text(), st.text())
def test_an_id_is_the_first_hundred_bits_of_the_hash_in_base_32(user: str, route: str, key: str) -> None:
    digest = hashlib.sha256(json.dumps([user, route, key]).encode()).digest()
    bits = "".join(f"{byte:08b}" for byte in digest)

    assert keyed_id(user, route, key) == "".join(CROCKFORD[int(bits[at : at + 5], 2)] for at in range(0, 100, 5))


@given(st.tuples(st.text(), st.text(), st.text()), st.tuples(st.text(), st.text(), st.text()))
def test_ids_differ_when_user_route_or_key_does(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert (keyed_id(*one) == keyed_id(*other)) == (one == other)


def test_without_a_key_every_request_has_its_own_id() -> None:
    assert keyed_id("U1", "POST /orders", None) != keyed_id("U1", "POST /orders", None)


def test_the_hash_of_a_request_has_a_scheme_and_stays_as_it_is() -> None:
    supplied = '{"items":[{"product_id":"1","quantity":2}],"shipping_cost":1000}'
    digest = hashlib.sha256(supplied.encode()).hexdigest()[:40]

    assert order().stored == f"v1:{digest}"
    assert order(note=None).stored.split(":")[::2] == ["v2", digest]
    assert not order().matches(f"v1:{digest[:-1]}")
    assert not any(order().matches(it) for it in ("", "seed", "v1", "v1:", "v2:", "v2::", f"v3:{digest}:{digest}"))


@pytest.mark.parametrize("cost", ["10", "10.000", 10])
def test_amounts_that_are_equal_make_the_same_request(cost: Any) -> None:
    assert order(shipping_cost=cost) == order()


def test_a_product_id_is_the_same_as_a_number() -> None:
    assert order(items=[{"quantity": 2, "product_id": 1}]) == order()


@pytest.mark.parametrize(
    "changes",
    [
        {"shipping_cost": "10.01"},
        {"shipping_cost": 0},
        {"note": "-"},
        {"shipping_address": {"name": "A", "line1": "B", "city": "C", "country": "DE"}},
        {"items": [{"product_id": "1", "quantity": 3}]},
        {"items": [{"product_id": "01", "quantity": 2}]},
        {"items": [{"product_id": "1", "quantity": 1}, {"product_id": "1", "quantity": 1}]},
    ],
    ids=str,
)
def test_anything_else_makes_another_request(changes: dict[str, Any]) -> None:
    assert not order(**changes).matches(order().stored)
    assert not order(**changes).matches(old_hash({"items": ORDER["items"], "shipping_cost": 1000}))


ADDRESS = {"name": "A", "line1": "B", "city": "C", "postal_code": "1", "country": "DE"}


@pytest.mark.parametrize(
    ("fields", "spelled_out"),
    [
        ({}, {"shipping_cost": 0}),
        ({}, {"shipping_cost": "0.00", "note": None, "shipping_address": None}),
        ({"note": "x"}, {"note": "x", "shipping_cost": 0}),
        ({}, {"note": ""}),
        ({"note": None}, {"note": " \u3164\u2800"}),
        ({"note": "x"}, {"note": " x\n"}),
        ({"shipping_address": ADDRESS}, {"shipping_address": ADDRESS | {"line2": " ", "region": "\u200b"}}),
        ({"shipping_address": ADDRESS}, {"shipping_address": ADDRESS | {"line2": None, "region": None}}),
        ({}, {"billing_address": None, "purchase_order": "", "metadata": {}, "tags": []}),
        ({"tags": ["b", "a"]}, {"tags": ["A", " b", "b"]}),
    ],
)
def test_a_default_spelled_out_makes_the_same_request(fields: dict[str, Any], spelled_out: dict[str, Any]) -> None:
    assert least(**spelled_out).matches(least(**fields).stored)
    assert least(**fields).matches(least(**spelled_out).stored)


def test_a_request_from_before_the_upgrade_is_the_same_with_a_default_spelled_out() -> None:
    stored = old_hash({"items": ORDER["items"]})

    assert least().matches(stored)
    assert least(shipping_cost=0, note=None).matches(stored)
    assert not least(note="x").matches(stored)


@pytest.mark.parametrize("flat", [490, None])
def test_a_repeated_body_is_the_same_request_even_if_it_means_something_else_now(flat: int | None) -> None:
    for fields in ({}, {"shipping_cost": 0}, {"shipping_cost": "4.90"}):
        for before in (490, None):
            assert least(flat, **fields).matches(least(before, **fields).stored)


def test_with_a_flat_price_not_sent_is_that_price_and_not_the_default() -> None:
    flat, old = 490, old_hash({"items": ORDER["items"]})

    for stored in (least(flat).stored, old):
        assert least(flat, shipping_cost="4.90").matches(stored)
        assert not least(flat, shipping_cost=0).matches(stored)
        assert not least(flat, shipping_cost=5).matches(stored)


def test_a_map_is_the_same_in_any_order() -> None:
    product = {"sku": "A", "name": "A", "category": "A", "price": 1}
    one = CreateProductRequest.model_validate(product | {"attributes": {"a": "1", "b": "2"}})
    other = CreateProductRequest.model_validate(product | {"attributes": {"b": "2", "a": "1"}})

    assert request_hash(one) == request_hash(other)


def test_an_empty_map_is_the_same_as_none() -> None:
    product = {"sku": "A", "name": "A", "category": "A", "price": 1}
    one, other = (CreateProductRequest.model_validate(it) for it in (product, product | {"attributes": {}, "stock": 0}))

    assert request_hash(one).matches(request_hash(other).stored)


@given(st.text(max_size=50))
def test_any_text_can_be_hashed(reason: str) -> None:
    try:
        request = CancelRequest(reason=reason)
    except ValidationError:
        return
    assert request_hash(request).matches(request_hash(request).stored)


def test_another_body_under_the_same_key_is_refused() -> None:
    check_same_request(order().stored, order())
    with pytest.raises(IdempotencyKeyReusedError):
        check_same_request(order().stored, order(note="x"))


EARLIER = IdempotentResult("made before", replayed=True)


def refuse(error: OmsError) -> Any:
    def attempt() -> IdempotentResult[str]:
        raise error

    return attempt


def test_a_refusal_is_not_the_answer_for_an_earlier_success() -> None:
    assert run_idempotent(refuse(NotFoundError("gone")), find_previous=lambda: EARLIER, keyed=True) is EARLIER


def test_a_refusal_is_final_when_nothing_was_created() -> None:
    with pytest.raises(NotFoundError):
        run_idempotent(refuse(NotFoundError("gone")), find_previous=lambda: None, keyed=True)


def test_without_a_key_only_an_unknown_outcome_is_looked_into() -> None:
    with pytest.raises(NotFoundError):
        run_idempotent(refuse(NotFoundError("gone")), find_previous=lambda: EARLIER, keyed=False)

    assert run_idempotent(refuse(UnavailableError()), find_previous=lambda: EARLIER, keyed=False) is EARLIER


def test_a_key_used_for_another_body_is_refused_without_a_look() -> None:
    looked = []

    with pytest.raises(IdempotencyKeyReusedError):
        run_idempotent(refuse(IdempotencyKeyReusedError()), find_previous=lambda: looked.append(1), keyed=True)
    assert looked == []
