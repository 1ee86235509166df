"""Rules for every route: access, the form of requests and the form of answers."""

import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from oms.http import api
from oms.inventory import categories
from oms.inventory import service as inventory
from tests.support.aws_calls import recorded
from tests.support.documented import DOCUMENT, resolved, with_required_query
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Answer, Person
from tests.support.operations import VALID_BODIES, operations

PRODUCTS, ORDERS = "/api/v1/inventory/products", "/api/v1/orders"
LISTS = [
    pytest.param(path, parameter, id=f"{path} {parameter['name']}")
    for path, methods in DOCUMENT["paths"].items()
    for parameter in methods.get("get", {}).get("parameters", [])
    if parameter.get("schema", {}).get("type") == "array"
]
CATEGORIES = "/api/v1/inventory/categories"


# ---- access, and the order of checks --------------------------------------------------------------------------------


@operations("customer", "manager", "admin")
def test_without_a_token_nothing_else_is_checked(cloud: None, method: str, path: str, operation: Any) -> None:
    answer = call(method, f"{path}?unknown=1", None if method == "GET" else "{broken")

    assert_problem(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("authorization", ["", "Basic YTpi", "Bearer", "Bearer ", "Bearer x.y.z", "Bearer é", "x"])
def test_a_header_without_a_bearer_token_has_no_token(cloud: None, authorization: str) -> None:
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
def test_the_form_of_a_request_is_checked_before_the_resource_is_read(
    admin: Person, method: str, path: str, operation: Any
) -> None:
    body = VALID_BODIES[operation["operationId"]]

    assert places(call(method, path, body | {"extra": 1}, token=admin.token)) == {"#/extra"}
    assert places(call(method, f"{path}?x=1", body, token=admin.token)) == {"?x"}


@pytest.mark.parametrize("header", ["If-Match", "Idempotency-Key"])
@pytest.mark.parametrize("move", ["cancel", "confirm"])
def test_a_malformed_header_is_checked_before_a_missing_resource(manager: Person, move: str, header: str) -> None:
    answer = call("POST", f"{ORDERS}/none/{move}", token=manager.token, headers={header: "not one"})

    assert places(answer) == {f"{header}:"}


def test_a_missing_resource_is_reported_before_a_stale_version(manager: Person) -> None:
    stale = {"If-Match": '"99"'}

    assert_problem(call("POST", f"{ORDERS}/none/confirm", token=manager.token, headers=stale), 404, "not-found")
    replaced = call("PUT", f"{PRODUCTS}/none", VALID_BODIES["replace_product"], token=manager.token, headers=stale)
    assert_problem(replaced, 404, "not-found")


def test_another_customers_order_is_not_found_by_any_request(
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


# ---- paths and methods ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("behind", ["\n", "\r", "\r\n", "\x00", "\u2028"])
def test_a_control_character_behind_an_id_makes_it_another_path(
    customer: Person, order: Callable[..., Answer], behind: str
) -> None:
    path = f"{ORDERS}/{order(customer).json['id']}"

    assert call("GET", path, token=customer.token).status == 200
    assert_problem(call("GET", f"{path}{behind}", token=customer.token), 404, "not-found")
    assert_problem(call("POST", f"{path}/cancel{behind}", token=customer.token), 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", ORDERS, "GET, HEAD, POST"),
        ("OPTIONS", ORDERS, "GET, HEAD, POST"),
        ("BREW", ORDERS, "GET, HEAD, POST"),
        ("GET", f"{ORDERS}/quote", "POST"),
        ("HEAD", f"{ORDERS}/quote", "POST"),
        ("DELETE", f"{ORDERS}/none", "GET, HEAD, PATCH"),
        ("GET", f"{ORDERS}/none/cancel", "POST"),
        ("DELETE", f"{PRODUCTS}/none", "GET, HEAD, PATCH, PUT"),
        ("POST", f"{PRODUCTS}/none", "GET, HEAD, PATCH, PUT"),
        ("GET", f"{PRODUCTS}/none/stock", "PATCH, PUT"),
        ("GET", "/api/v1/auth/login", "POST"),
        ("GET", "/api/v1/auth/refresh", "POST"),
        ("POST", "/health", "GET, HEAD"),
        # It starts a job.
        ("HEAD", "/api/v1/reports/export/orders", "GET"),
        ("POST", "/api/v1/reports/export/orders", "GET"),
    ],
)
def test_a_wrong_method_gets_the_right_ones(method: str, path: str, allow: str) -> None:
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
    path = with_required_query(path, operation)
    answer = call("HEAD", path, token=admin.token)

    assert answer.text == ""
    if method == "GET" and operation.get("x-head", True):
        shown = call("GET", path, token=admin.token)
        assert (answer.status, answer.headers) == (shown.status, shown.headers)
        assert shown.status == 200


@pytest.mark.parametrize("weird", ["é", "a b", "\ud800", "x" * 129, "🛒" * 40, "a\r\nb: c"])
def test_an_id_that_can_be_nobodys_is_not_looked_for(manager: Person, weird: str) -> None:
    for path in (f"{ORDERS}/{weird}", f"{PRODUCTS}/{weird}", f"{ORDERS}/{weird}/history"):
        with recorded() as calls:
            problem = assert_problem(call("GET", path, token=manager.token), 404, "not-found")
        assert [it for it in calls if it.startswith("dynamodb.")] in ([], ["dynamodb.BatchGetItem"]), (
            "more than the read of the caller"
        )
        assert re.fullmatch(r"[\x21-\x7e]+", problem["instance"])


@pytest.mark.parametrize("strange", ["..", "%", "%%0F", "100%zz", "%00", "%2F", "<script>", "'--", "x" * 128])
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


@pytest.mark.parametrize(("path", "parameter"), LISTS)
@pytest.mark.usefixtures("files")
def test_a_list_is_a_repeated_parameter_or_has_commas(
    manager: Person, admin: Person, path: str, parameter: Any
) -> None:
    """The document has the first form, which is the only one that many clients can send."""
    asked, items = parameter["name"], resolved(parameter["schema"]["items"])
    values = items.get("enum", ["404", "5xx"] if asked == "status" else ["login", "logout"])[:2]
    token = admin.token if "/admin/" in path else manager.token

    repeated, with_commas = (
        call("GET", f"{path}?{query}", token=token)
        for query in ("&".join(f"{asked}={it}" for it in values), f"{asked}={','.join(values)}")
    )

    assert (parameter["style"], parameter["explode"]) == ("form", True)
    assert repeated.status in (200, 202, 303), repeated.text
    assert repeated.json == with_commas.json
    assert places(call("GET", f"{path}?{asked}={values[0]}&{asked}=", token=token)) == {f"?{asked}"}


# ---- what comes back ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/health", "/nope", ORDERS, "/api/v1/auth/me", "/openapi.json"])
def test_every_answer_has_the_standing_headers(cloud: None, path: str) -> None:
    headers = call("GET", path).headers

    assert headers["X-Request-Id"] == "request-1"
    assert re.fullmatch(r"max-age=\d{8,}.*", headers["Strict-Transport-Security"])
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == ("public, max-age=300" if path == "/openapi.json" else "no-store")


@pytest.mark.parametrize("accept", ["text/html", "application/xml;q=1", "image/*", "nonsense"])
def test_accept_is_ignored(customer: Person, accept: str) -> None:
    assert call("GET", ORDERS, token=customer.token, headers={"Accept": accept}).json["items"] == []


@pytest.mark.parametrize(("method", "path"), [("GET", PRODUCTS), ("GET", f"{PRODUCTS}/a"), ("GET", CATEGORIES)])
def test_an_unknown_failure_is_logged_with_its_request_and_not_answered(
    manager: Person, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("the unknown")

    for name in ("list_products", "get_product"):
        monkeypatch.setattr(inventory, name, fail)
    monkeypatch.setattr(categories, "list_categories", fail)
    log = io.StringIO()
    monkeypatch.setattr(api.logger.registered_handler, "stream", log)

    with pytest.raises(ZeroDivisionError):
        call(method, path, token=manager.token)

    (line,) = [line for line in map(json.loads, log.getvalue().splitlines()) if line["message"] == "failed"]
    assert (line["request_id"], line["method"], line["path"]) == ("request-1", method, path)
    assert line["user_id"] == manager.id
    assert line["exception_name"] == "ZeroDivisionError"
