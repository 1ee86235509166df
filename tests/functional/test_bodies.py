"""Rules for the body of every request: valid forms, and the pointers of errors."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Answer, Person
from tests.support.operations import DOCUMENT, operations

PRODUCTS, ORDERS = "/api/v1/inventory/products", "/api/v1/orders"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        ("{", "application/json", 400, "malformed-json"),
        ('{"a": NaN}', "application/json", 400, "malformed-json"),
        ('{"a": 1, "a": 2}', "application/json", 400, "malformed-json"),
        ('{"a": 1e99999999999999999999}', "application/json", 400, "malformed-json"),
        ("[" * 20_000, "application/json", 400, "malformed-json"),
        ("x" * (256 * 1024 + 1), "application/json", 413, "body-too-large"),
        ("{}", "text/plain", 415, "unsupported-media-type"),
        ("{}", "application/jsonfoo", 415, "unsupported-media-type"),
        ("a=b", "application/x-www-form-urlencoded", 415, "unsupported-media-type"),
        ("--x--", "multipart/form-data; boundary=x", 415, "unsupported-media-type"),
        ("[{}]", "application/json", 422, "validation-failed"),
        ("null", "application/json", 422, "validation-failed"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_body_that_is_no_json_object_is_refused(
    manager: Person, body: str, content_type: str, status: int, code: str
) -> None:
    for method, path in (("POST", ORDERS), ("PATCH", f"{PRODUCTS}/1/stock"), ("POST", "/api/v1/auth/login")):
        answer = call(method, path, body, token=manager.token, headers={"Content-Type": content_type})
        assert_problem(answer, status, code)


@operations(taking="requestBody")
def test_every_route_refuses_a_body_that_it_cannot_read(admin: Person, method: str, path: str, operation: Any) -> None:
    def send(body: str, content_type: str = "application/json") -> Answer:
        return call(method, path, body, token=admin.token, headers={"Content-Type": content_type})

    assert_problem(send("{"), 400, "malformed-json")
    assert_problem(send("x" * (256 * 1024 + 1)), 413, "body-too-large")
    assert_problem(send("{}", "text/plain"), 415, "unsupported-media-type")


def test_a_content_encoding_is_refused(customer: Person) -> None:
    answer = call("POST", ORDERS, "{}", token=customer.token, headers={"Content-Encoding": "gzip"})

    assert_problem(answer, 415, "unsupported-media-type")


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", "nonsense"])
@pytest.mark.parametrize("move", ["cancel", "confirm"])
def test_an_empty_body_will_do_where_nothing_is_required(
    manager: Person, order: Callable[..., Answer], move: str, content_type: str
) -> None:
    path = f"{ORDERS}/{order(manager).json['id']}/{move}"

    assert call("POST", path, "", token=manager.token, headers={"Content-Type": content_type}).status == 200


@operations(taking="requestBody")
def test_an_empty_body_lacks_required_fields(admin: Person, method: str, path: str, operation: Any) -> None:
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schema = DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]]
    required = schema.get("required", [])
    if path == "/api/v1/auth/refresh":
        required = ["refresh_token"]  # which a cookie may have instead

    answer = call(method, path, "", token=admin.token)

    if required:
        assert places(answer) == {f"#/{name}" for name in required}
    elif schema.get("minProperties"):
        assert places(answer) == {"#"}
    else:
        assert answer.status in (202, 204, 401, 404)  # the route's answer for a missing resource or token


POINTERS: list[tuple[dict[str, Any], str]] = [
    ({"items": [{"product_id": "1", "quantity": 0}]}, "#/items/0/quantity"),
    ({"items": [{"product_id": "1", "quantity": 1}, {"quantity": 1}]}, "#/items/1/product_id"),
    ({"items": []}, "#/items"),
    ({"items": {}}, "#/items"),
    ({"shipping_address": {"name": "A"}}, "#/shipping_address/city"),
    ({"a/b": 1}, "#/a~1b"),
    ({"a~b": 1}, "#/a~0b"),
    ({"~1": 1}, "#/~01"),
    ({"a b": 1}, "#/a%20b"),
    ({'"<': 1}, "#/%22%3C"),
    ({"é": 1}, "#/%C3%A9"),
    ({"🛒": 1}, "#/%F0%9F%9B%92"),
    ({"": 1}, "#/"),
    ({"100%": 1}, "#/100%25"),
    ({"items": [{"product_id": "1", "quantity": 1, "a/b": 1}]}, "#/items/0/a~1b"),
]


def test_an_error_points_at_its_place(customer: Person, subtests: pytest.Subtests) -> None:
    """The place is a JSON Pointer as a URI fragment (RFC 6901, section 6)."""
    for body, pointer in POINTERS:
        with subtests.test(pointer):
            assert pointer in places(call("POST", ORDERS, body, token=customer.token))


@pytest.mark.parametrize("wrong", ["2", True, 2.5, None, [2], {}, "2.0"], ids=repr)
def test_an_integer_is_nothing_else(customer: Person, manager: Person, wrong: Any) -> None:
    item = {"product_id": "1", "quantity": wrong}

    assert places(call("POST", ORDERS, {"items": [item]}, token=customer.token)) == {"#/items/0/quantity"}
    adjusted = call("PATCH", f"{PRODUCTS}/1/stock", {"adjustment": wrong, "reason": "x"}, token=manager.token)
    assert places(adjusted) == {"#/adjustment"}


def test_a_missing_and_an_unknown_field_are_named_in_plain_words(customer: Person) -> None:
    answer = call("POST", ORDERS, {"itemz": []}, token=customer.token)

    assert {it["pointer"]: it["detail"] for it in assert_problem(answer, 422, "validation-failed")["errors"]} == {
        "#/items": "is required",
        "#/itemz": "is not a field of this request",
    }


@pytest.mark.parametrize("empty", ["", "  "], ids=repr)
def test_an_empty_text_is_named_in_plain_words(customer: Person, empty: str) -> None:
    address = {"name": empty, "line1": "1 Rue de la Paix", "city": "Paris", "country": "FR"}
    body = {"items": [{"product_id": "1", "quantity": 1}], "shipping_address": address}

    answer = call("POST", ORDERS, body, token=customer.token)

    (error,) = assert_problem(answer, 422, "validation-failed")["errors"]
    assert error == {"pointer": "#/shipping_address/name", "detail": "must not be empty"}


def test_two_point_zero_is_no_integer(customer: Person) -> None:
    body = '{"items": [{"product_id": "1", "quantity": 2.0}]}'

    assert places(call("POST", ORDERS, body, token=customer.token)) == {"#/items/0/quantity"}


@pytest.mark.parametrize("wrong", [True, "1.0\\", 1.5, None, "", "x" * 129, ["1"]], ids=repr)
def test_a_product_id_is_text_or_an_integer(customer: Person, wrong: Any) -> None:
    answer = call("POST", f"{ORDERS}/quote", {"items": [{"product_id": wrong, "quantity": 1}]}, token=customer.token)

    if wrong == "1.0\\":
        assert_problem(answer, 422, "unknown-product")
    else:
        assert places(answer) == {"#/items/0/product_id"}


@pytest.mark.parametrize("digits", [39, 41, 128, 129, 5_000])
def test_an_integer_is_one_however_many_digits_it_has(manager: Person, digits: int) -> None:
    """It is refused for its size if the field has a bound."""
    number = "9" * digits
    item = f'{{"items": [{{"product_id": {number}, "quantity": 1}}]}}'
    stock = f'{{"sku": "S", "name": "Cup", "category": "Cups", "price": 1, "stock": {number}}}'

    ordered = call("POST", "/api/v1/orders/quote", item, token=manager.token)
    created = call("POST", "/api/v1/inventory/products", stock, token=manager.token)

    if digits <= 128:
        assert_problem(ordered, 422, "unknown-product")
    else:
        assert places(ordered) == {"#/items/0/product_id"}
        assert "at most 128" in ordered.json["errors"][0]["detail"]
    assert places(created) == {"#/stock"}
    assert "less than or equal to" in created.json["errors"][0]["detail"]
