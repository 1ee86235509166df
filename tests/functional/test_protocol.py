"""What holds on every route: who may call, what a request may look like, what comes back."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oms import api
from oms.inventory import service as inventory
from tests.functional.auth.wire import recorded
from tests.functional.gateway import assert_problem, call, places
from tests.functional.harness import Answer, Person

PRODUCTS, ORDERS = "/api/v1/inventory/products", "/api/v1/orders"
CATEGORIES = "/api/v1/inventory/categories"
DOCUMENT = json.loads((Path(__file__).parents[2] / "functions/docs/openapi.json").read_text())
OPERATIONS = [
    (method.upper(), re.sub(r"\{\w+\}", "none", path), operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
VALID_BODIES: dict[str, dict[str, Any]] = {
    "create_product": {"sku": "A", "name": "A", "category": "A", "price": 1},
    "replace_product": {"sku": "A", "name": "A", "category": "A", "price": 1, "status": "active"},
    "adjust_stock": {"adjustment": 1, "reason": "counted"},
    "create_order": {"items": [{"product_id": 1, "quantity": 1}]},
    "quote_order": {"items": [{"product_id": 1, "quantity": 1}]},
    "cancel_order": {},
    "confirm_order": {},
    "ship_order": {"carrier": "A", "tracking_number": "1"},
    "deliver_order": {},
    "return_order": {},
    "register": {"email": "a@example.com", "password": "a long password", "first_name": "A"},
    "log_in": {"email": "a@example.com", "password": "a long password"},
    "refresh": {"refresh_token": "x"},
    "log_out": {"refresh_token": "x"},
    "update_me": {"first_name": "A"},
    "change_password": {"current_password": "x", "new_password": "a long password"},
    "forgot_password": {"email": "a@example.com"},
    "reset_password": {"token": "x", "new_password": "a long password"},
    "verify_email": {"token": "x"},
    "change_role": {"role": "manager"},
    "change_status": {"status": "disabled"},
    "unlock_user": {},
    "start_stock_check": {},
    "repair_stock": {"product_id": 1},
}


def operations(*roles: str, taking: str = "", without: str = "\0") -> Any:
    """A parameter for each operation of these roles (all without any) that has a member, and whose path has not."""
    chosen = [
        pytest.param(method, path, operation, id=operation["operationId"])
        for method, path, operation in OPERATIONS
        if (not roles or operation["x-role"] in roles) and (not taking or taking in operation) and without not in path
    ]
    assert chosen
    return pytest.mark.parametrize(("method", "path", "operation"), chosen)


# ---- who, and in which order a request is checked -------------------------------------------------------------------


@operations("customer", "manager", "admin")
def test_without_a_token_nothing_else_is_looked_at(cloud: None, method: str, path: str, operation: Any) -> None:
    answer = call(method, f"{path}?unknown=1", None if method == "GET" else "{broken")

    assert_problem(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("authorization", ["", "Basic YTpi", "Bearer", "Bearer ", "Bearer x.y.z", "Bearer é", "x"])
def test_what_is_no_bearer_token_is_none(cloud: None, authorization: str) -> None:
    answer = call("GET", ORDERS, headers={"Authorization": authorization})

    assert_problem(answer, 401, "unauthenticated")


def test_the_schemes_name_is_not_case_sensitive(customer: Person) -> None:
    assert call("GET", PRODUCTS, headers={"Authorization": f"bEARER {customer.token}"}).status == 200


@operations("manager", "admin")
def test_a_role_is_checked_before_the_request(customer: Person, method: str, path: str, operation: Any) -> None:
    answer = call(method, f"{path}?unknown=1", "{broken", token=customer.token, headers={"Content-Type": "text/plain"})

    assert_problem(answer, 403, "forbidden")


@pytest.mark.parametrize(
    "path",
    [
        f"{ORDERS}?customer_id=x",
        f"{ORDERS}?customer_id=",
        f"{PRODUCTS}?low_stock=true",
        f"{PRODUCTS}?low_stock=perhaps",
        f"{PRODUCTS}?status=archived",
        f"{PRODUCTS}?status=active&sort=x",
    ],
)
def test_a_managers_filter_is_a_403_for_customers(customer: Person, manager: Person, path: str) -> None:
    assert_problem(call("GET", path, token=customer.token), 403, "forbidden")
    assert call("GET", path, token=manager.token).status in (200, 422)


@operations(taking="requestBody")
def test_the_form_of_a_request_is_checked_before_the_thing_is_looked_for(
    admin: Person, method: str, path: str, operation: Any
) -> None:
    body = VALID_BODIES[operation["operationId"]]

    assert places(call(method, path, body | {"extra": 1}, token=admin.token)) == {"#/extra"}
    assert places(call(method, f"{path}?x=1", body, token=admin.token)) == {"?x"}


@pytest.mark.parametrize("header", ["If-Match", "Idempotency-Key"])
@pytest.mark.parametrize("move", ["cancel", "confirm"])
def test_a_malformed_header_is_seen_before_a_missing_thing(manager: Person, move: str, header: str) -> None:
    answer = call("POST", f"{ORDERS}/none/{move}", token=manager.token, headers={header: "not one"})

    assert places(answer) == {f"{header}:"}


def test_a_missing_thing_comes_before_a_stale_version(manager: Person) -> None:
    stale = {"If-Match": '"99"'}

    assert_problem(call("POST", f"{ORDERS}/none/confirm", token=manager.token, headers=stale), 404, "not-found")
    replaced = call("PUT", f"{PRODUCTS}/none", VALID_BODIES["replace_product"], token=manager.token, headers=stale)
    assert_problem(replaced, 404, "not-found")


def test_another_customers_order_is_not_there_whatever_is_asked(
    person: Callable[..., Person], order: Callable[..., Answer]
) -> None:
    placed = order(person()).json
    stranger, path = person().token, f"{ORDERS}/{placed['id']}"

    for method, target in (("GET", path), ("GET", f"{path}/history"), ("POST", f"{path}/cancel")):
        seen = call(method, target, token=stranger, headers={"If-Match": '"99"'})
        missing = call(method, target.replace(placed["id"], "none"), token=stranger, headers={"If-Match": '"99"'})
        assert assert_problem(seen, 404, "not-found")["detail"] == missing.json["detail"]


def test_a_stale_version_comes_before_a_wrong_state(customer: Person, order: Callable[..., Answer]) -> None:
    path = f"{ORDERS}/{order(customer).json['id']}/cancel"
    call("POST", path, token=customer.token)

    stale = call("POST", path, token=customer.token, headers={"If-Match": '"1"'})
    assert_problem(stale, 412, "stale-version")
    fresh = call("POST", path, token=customer.token, headers={"If-Match": '"2"'})
    assert_problem(fresh, 409, "invalid-transition")


# ---- what a body may be ---------------------------------------------------------------------------------------------


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
def test_an_empty_body_lacks_what_is_required(admin: Person, method: str, path: str, operation: Any) -> None:
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schema = DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]]
    required = schema.get("required", [])

    answer = call(method, path, "", token=admin.token)

    if required:
        assert places(answer) == {f"#/{name}" for name in required}
    elif schema.get("minProperties"):
        assert places(answer) == {"#"}
    else:
        assert answer.status in (202, 204, 401, 404)  # what the route says of a thing or token that is not there


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
    """RFC 6901, section 6: a JSON Pointer as a URI fragment."""
    for body, pointer in POINTERS:
        with subtests.test(pointer):
            assert pointer in places(call("POST", ORDERS, body, token=customer.token))


@pytest.mark.parametrize("wrong", ["2", True, 2.5, None, [2], {}, "2.0"], ids=repr)
def test_an_integer_is_nothing_else(customer: Person, manager: Person, wrong: Any) -> None:
    item = {"product_id": "1", "quantity": wrong}

    assert places(call("POST", ORDERS, {"items": [item]}, token=customer.token)) == {"#/items/0/quantity"}
    adjusted = call("PATCH", f"{PRODUCTS}/1/stock", {"adjustment": wrong, "reason": "x"}, token=manager.token)
    assert places(adjusted) == {"#/adjustment"}


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


# ---- paths and methods ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", ORDERS, "GET, HEAD, POST"),
        ("OPTIONS", ORDERS, "GET, HEAD, POST"),
        ("BREW", ORDERS, "GET, HEAD, POST"),
        ("GET", f"{ORDERS}/quote", "POST"),
        ("HEAD", f"{ORDERS}/quote", "POST"),
        ("DELETE", f"{ORDERS}/none", "GET, HEAD"),
        ("GET", f"{ORDERS}/none/cancel", "POST"),
        ("PATCH", f"{PRODUCTS}/none", "GET, HEAD, PUT"),
        ("POST", f"{PRODUCTS}/none", "GET, HEAD, PUT"),
        ("GET", f"{PRODUCTS}/none/stock", "PATCH"),
        ("GET", "/api/v1/auth/login", "POST"),
        ("GET", "/api/v1/auth/refresh", "POST"),
        ("POST", "/health", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(method: str, path: str, allow: str) -> None:
    answer = call(method, path)

    assert answer.status == 405
    assert answer.headers["Allow"] == allow
    if method != "HEAD":
        assert_problem(answer, 405, "method-not-allowed")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nope",
        "/api",
        "/api/v1",
        "/api/v2/orders",
        "/api/v1/auth",
        "/api/v1/inventory",
        "/api/v1/ordersx",
        f"{ORDERS}/none/none",
        f"{ORDERS}/none/cancel/now",
        f"{ORDERS}//",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_an_unknown_path_is_not_found(method: str, path: str) -> None:
    assert_problem(call(method, path), 404, "not-found")


@operations()
def test_a_trailing_slash_makes_another_path(method: str, path: str, operation: Any) -> None:
    assert_problem(call(method, f"{path}/"), 404, "not-found")


@operations(without="none")
def test_head_is_get_without_a_body(admin: Person, method: str, path: str, operation: Any) -> None:
    answer = call("HEAD", path, token=admin.token)

    assert answer.text == ""
    if method == "GET":
        shown = call("GET", path, token=admin.token)
        assert (answer.status, answer.headers) == (shown.status, shown.headers)
        assert shown.status == 200


@pytest.mark.parametrize("weird", ["é", "a b", "\ud800", "x" * 129, "🛒" * 40, "a\r\nb: c"])
def test_an_id_that_can_be_nobodys_is_not_looked_for(manager: Person, weird: str) -> None:
    for path in (f"{ORDERS}/{weird}", f"{PRODUCTS}/{weird}", f"{ORDERS}/{weird}/history"):
        with recorded() as calls:
            problem = assert_problem(call("GET", path, token=manager.token), 404, "not-found")
        assert [it for it in calls if it.startswith("dynamodb.")] in ([], ["dynamodb.BatchGetItem"]), (
            "more than who asks"
        )
        assert re.fullmatch(r"[\x21-\x7e]+", problem["instance"])


@pytest.mark.parametrize("strange", ["..", "%00", "%2F", "<script>", "'--", "x" * 128])
def test_a_strange_id_is_an_id(manager: Person, strange: str) -> None:
    assert_problem(call("GET", f"{ORDERS}/{strange}", token=manager.token), 404, "not-found")


# ---- query parameters -----------------------------------------------------------------------------------------------


@operations()
def test_an_unknown_or_repeated_parameter_is_refused(admin: Person, method: str, path: str, operation: Any) -> None:
    body = VALID_BODIES.get(operation["operationId"])

    answer = call(method, f"{path}?page=2&Limit=3&page=3", body, token=admin.token)

    assert places(answer) == {"?page", "?Limit"}


@pytest.mark.parametrize("query", ["limit=5&limit=6", "limit=5&limit=5", "limit=5&%6Cimit=6", "limit=5&limit"])
def test_a_repeated_parameter_is_refused_even_when_it_says_the_same(customer: Person, query: str) -> None:
    for path in (PRODUCTS, ORDERS):
        assert places(call("GET", f"{path}?{query}", token=customer.token)) == {"?limit"}


# ---- what comes back ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/health", "/nope", ORDERS, "/api/v1/auth/me", "/openapi.json"])
def test_every_answer_has_the_standing_headers(cloud: None, path: str) -> None:
    headers = call("GET", path).headers

    assert headers["X-Request-Id"] == "request-1"
    assert re.fullmatch(r"max-age=\d{8,}.*", headers["Strict-Transport-Security"])
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("accept", ["text/html", "application/xml;q=1", "image/*", "nonsense"])
def test_accept_is_ignored(customer: Person, accept: str) -> None:
    assert call("GET", ORDERS, token=customer.token, headers={"Accept": accept}).json["items"] == []


@pytest.mark.parametrize(("method", "path"), [("GET", PRODUCTS), ("GET", f"{PRODUCTS}/a"), ("GET", CATEGORIES)])
def test_an_unknown_failure_is_logged_with_its_request_and_not_answered(
    manager: Person, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("the unknown")

    for name in ("list_products", "get_product", "list_categories"):
        monkeypatch.setattr(inventory, name, fail)
    log = io.StringIO()
    monkeypatch.setattr(api.logger.registered_handler, "stream", log)

    with pytest.raises(ZeroDivisionError):
        call(method, path, token=manager.token)

    (line,) = [line for line in map(json.loads, log.getvalue().splitlines()) if line["message"] == "failed"]
    assert (line["request_id"], line["method"], line["path"]) == ("request-1", method, path)
    assert line["user_id"] == manager.id
    assert line["exception_name"] == "ZeroDivisionError"
