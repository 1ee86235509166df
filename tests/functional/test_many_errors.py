"""A18: a request with many or long errors gets a small answer, at little cost."""

import json

import pytest

from oms.core.strict_json import MAX_PARTS
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Answer, Person
from tests.support.work import counted

LOGIN, ORDERS, PRODUCTS = "/api/v1/auth/login", "/api/v1/orders", "/api/v1/inventory/products"
SMALL = 6_000
CREDENTIALS = {"email": "a@example.com", "password": "secure123"}


def log_in(body: object) -> Answer:
    return call("POST", LOGIN, body, address="203.0.113.7")


def test_a18_the_first_twenty_errors_are_listed_and_the_others_counted(cloud: None) -> None:
    refused = assert_problem(log_in(CREDENTIALS | dict.fromkeys(map(str, range(500)), 1)), 422, "validation-failed")

    assert [error["pointer"] for error in refused["errors"]] == [f"#/{number}" for number in range(20)]
    assert refused["omitted_errors"] == 480
    assert refused["detail"] == ("The request has invalid values. The first 20 are listed; 480 more are omitted.")


def test_up_to_twenty_errors_are_all(cloud: None) -> None:
    refused = assert_problem(log_in(CREDENTIALS | dict.fromkeys(map(str, range(20)), 1)), 422, "validation-failed")

    assert len(refused["errors"]) == 20
    assert "omitted_errors" not in refused
    assert refused["detail"] == "The request has invalid values."


def test_a18_a_body_of_unknown_fields_costs_no_more_than_to_read_it(cloud: None) -> None:
    """For 28,500 names in 250 KB, a former version answered 1.9 MB at a thousand times the cost of other refusals."""
    body = json.dumps({f"{number:05d}": 1 for number in range(20_000)})
    assert len(body) > 200_000
    log_in({})  # imports and caches

    with counted() as usual:
        log_in({})
    with counted() as work:
        refused = log_in(body)

    assert assert_problem(refused, 422, "validation-failed")["errors"] == [
        {"pointer": "#", "detail": f"must have at most {MAX_PARTS} names and values"}
    ]
    assert len(refused.text) < 1000
    assert work.calls < usual.calls + 2 * 20_000 + 1000, "each number is parsed, and no name is processed"


@pytest.mark.parametrize(
    "body",
    [
        {"items": [1] * 1900},
        {"items": [{"product_id": "1", "quantity": 0}] * 300},
        {"items": [{"product_id": "1", "quantity": 1, "x": 1}] * 200},
        {"items": [[[]]] * 600},
    ],
    ids=lambda body: str(body)[:40],
)
def test_a18_the_errors_of_a_long_list_are_few(customer: Person, body: object) -> None:
    refused = call("POST", ORDERS, body, token=customer.token)

    assert len(assert_problem(refused, 422, "validation-failed")["errors"]) <= 20
    assert len(refused.text) < SMALL


@pytest.mark.parametrize(
    "body",
    [
        {"x" * 250_000: 1},
        {"~" * 80_000: 1},
        {"é" * 40_000: 1},
        {"email": "x" * 250_000, "password": "secure123"},
        {"email": 1, "password": ["y" * 200_000]},
        {f"{number:02d}" + "x" * 12_000: 1 for number in range(20)},
    ],
    ids=lambda body: str(body)[:20],
)
def test_a18_the_input_of_a_client_is_not_echoed_at_length(cloud: None, body: object) -> None:
    refused = log_in(body)

    assert_problem(refused, 422, "validation-failed")
    assert len(refused.text) < SMALL


def test_a_long_name_is_cut_in_its_pointer(cloud: None) -> None:
    refused = assert_problem(log_in(CREDENTIALS | {"n" * 101: 1}), 422, "validation-failed")

    assert refused["errors"][0]["pointer"] == "#/" + "n" * 100 + "%E2%80%A6"


def test_a18_the_same_holds_of_a_query(customer: Person) -> None:
    query = "&".join(f"x{number}" for number in range(3000)) + "&" + "y" * 9000

    refused = call("GET", f"{PRODUCTS}?{query}", token=customer.token)

    problem = assert_problem(refused, 422, "validation-failed")
    assert [error["parameter"] for error in problem["errors"]] == [f"x{number}" for number in range(20)]
    assert problem["omitted_errors"] == 2981
    assert len(refused.text) < SMALL
    (only,) = assert_problem(call("GET", f"{PRODUCTS}?{'y' * 9000}", token=customer.token), 422, "validation-failed")[
        "errors"
    ]
    assert only["parameter"] == "y" * 300 + "…"


def test_the_largest_valid_bodies_are_far_below_the_limit_of_parts(customer: Person, manager: Person) -> None:
    order = {"items": [{"product_id": f"none-{number}", "quantity": 1} for number in range(90)], "note": "n"}
    product = {"sku": "S", "name": "N", "category": "C", "price": 1, "attributes": {str(it): "v" for it in range(50)}}

    refused = call("POST", ORDERS, order, token=customer.token)

    assert assert_problem(refused, 422, "unknown-product")["omitted_errors"] == 70
    assert call("POST", PRODUCTS, product, token=manager.token).status == 201
