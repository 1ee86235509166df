"""The OpenAPI document: generated from the routes, valid, and in agreement with the answers."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema_rs
import pytest
from pydantic import ValidationError

from admin import handler as admin_routes
from auth import handler as auth
from auth import passwords
from docs import handler as docs
from inventory import handler as inventory
from local import openapi
from local.openapi import __main__ as command
from local.openapi import responses
from orders import handler as orders
from reports import handler as reports
from tests.support.exports import request_export
from tests.support.feed import an_event, feed_in
from tests.support.gateway import call, function_of
from tests.support.invocation import Answer, Person
from tests.support.operations import VALID_BODIES
from tests.support.schedules import addressed
from tests.support.webhooks import a_delivery, subscribe
from webhooks import handler as webhooks

DOCUMENT = json.loads(openapi.DOCUMENT.read_text())
MOVES = ("confirm_order", "ship_order", "deliver_order", "return_order", "cancel_order")
OPERATIONS = list(openapi.operations(DOCUMENT))
MODULES = [admin_routes, auth, passwords, docs, inventory, orders, webhooks, reports]


def taking(parameter: str) -> set[str]:
    reference = {"$ref": f"#/components/parameters/{parameter}"}
    return {it["operationId"] for _, _, it in OPERATIONS if reference in it.get("parameters", [])}


def giving(header: str) -> set[str]:
    return {
        it["operationId"]
        for _, _, it in OPERATIONS
        for status, answer in it["responses"].items()
        if status < "400" and header in answer.get("headers", {})
    }


def resolved(node: dict[str, Any]) -> Any:
    """Returns the target of a reference."""
    place: Any = node
    if "$ref" in node:
        place = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            place = place[part]
    return place


def test_the_committed_document_is_generated_from_the_routes() -> None:
    assert openapi.DOCUMENT.read_text() == openapi.text(), "stale: run `make openapi` and commit the document"


def test_every_route_of_every_function_is_in_it() -> None:
    routes = {
        (route.openapi_path, route.method.lower()) for module in MODULES for route in openapi.documented(module.app)
    }

    assert {(path, method) for path, method, _ in OPERATIONS} == routes


def test_it_describes_the_api() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert DOCUMENT["info"]["title"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", DOCUMENT["info"]["version"])
    scheme = DOCUMENT["components"]["securitySchemes"]["accessToken"]
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")


def test_every_reference_leads_somewhere() -> None:
    for reference in openapi.references(DOCUMENT):
        start, *path = reference.split("/")
        assert start == "#"
        place: Any = DOCUMENT
        for part in path:
            place = place[part]


def test_it_has_no_unused_part() -> None:
    used = openapi.references(DOCUMENT)

    for kind in ("schemas", "parameters", "headers", "responses"):
        unused = {f"#/components/{kind}/{name}" for name in DOCUMENT["components"][kind]} - used
        assert unused == set()


def test_path_parameters_are_those_of_the_path() -> None:
    for path, _, operation in OPERATIONS:
        declared = [it for it in operation.get("parameters", []) if it.get("in") == "path"]
        assert {it["name"] for it in declared} == set(re.findall(r"\{(\w+)\}", path))
        assert all(it["required"] for it in declared)


def test_operation_ids_are_unique_and_readable() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]

    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)


def test_each_refusal_is_a_problem_and_the_gateways_own_a_message() -> None:
    for _, _, operation in OPERATIONS:
        answers = operation["responses"]
        assert answers["default"] == {"$ref": "#/components/responses/Problem"}
        assert [status for status in answers if status < "400"] in (
            *(["200"], ["201"], ["202"], ["204"]),
            ["202", "303"],  # an export that is not finished in time
            ["200", "304"],  # a public document
            ["200", "204"],  # a reset that adds a known device
        )
        assert {"422", "429", "500", "503"} < answers.keys()
        for status, response in answers.items():
            if status >= "400":
                content = resolved(response)["content"]
                by_gateway = ["application/json"] if status in ("413", "429", "500", "503", "default") else []
                assert list(content) == ["application/problem+json", *by_gateway]


def test_refusals_have_their_headers() -> None:
    for _, _, operation in OPERATIONS:
        headers = {status: set(resolved(it)["headers"]) for status, it in operation["responses"].items()}
        for status, name in (("401", "WWW-Authenticate"), ("429", "Retry-After"), ("503", "Retry-After")):
            assert status not in headers or name in headers[status]
        limited = operation["operationId"] in giving("RateLimit")
        assert all(
            ("RateLimit" in names) == limited for status, names in headers.items() if status not in ("429", "default")
        )
    assert "Allow" in DOCUMENT["components"]["responses"]["Problem"]["headers"]


def test_the_refusals_of_a_route_are_read_from_its_code() -> None:
    """The codes of a route's answers are in their descriptions."""
    by_name = {operation["operationId"]: operation for _, _, operation in OPERATIONS}

    def codes(name: str, status: str) -> set[str]:
        return set(re.findall("`([a-z]+(?:-[a-z]+)+)`:", resolved(by_name[name]["responses"][status])["description"]))

    assert codes("create_order", "409") >= {"insufficient-stock", "too-many-open-orders"}
    assert codes("cancel_order", "409") == {"invalid-transition"}
    assert codes("log_in", "401") == {"invalid-credentials"}
    assert codes("create_webhook", "422") == {"validation-failed", "webhook-url-forbidden"}
    assert codes("get_event", "410") == set()
    assert codes("cancel_order", "422") == {"validation-failed", "idempotency-key-reused"}
    assert codes("confirm_order", "422") == {"validation-failed"}, "without a body no other request has the same key"
    assert "404" not in by_name["create_product"]["responses"]
    assert "409" not in by_name["quote_order"]["responses"], "a quote has short products in its body"
    assert codes("get_order", "403") == {"insufficient-scope"}, "another customer's order is not found"


def test_the_codes_are_those_of_the_error_tree_and_more_may_come() -> None:
    code = DOCUMENT["components"]["schemas"]["Problem"]["properties"]["code"]

    assert "enum" not in code
    assert {"unauthenticated", "insufficient-stock", "validation-failed"} < set(code["x-extensible-enum"])
    assert set(code["x-extensible-enum"]) == {error.code for error in openapi.error_types()}


def test_every_code_has_a_meaning() -> None:
    assert {error.code for error in openapi.error_types()} <= responses.meanings().keys()


def test_security_is_said_of_every_operation() -> None:
    for _, _, operation in OPERATIONS:
        token = {"accessToken": []}
        keys = [{"serviceKey": []}] if "x-scope" in operation else []
        public = [token, {"refreshCookie": []}, {}] if operation["operationId"] == "log_out" else []
        assert operation["security"] == (public if operation["x-role"] == "public" else [token, *keys])
        assert "**Access:**" in operation["description"]


def test_the_protocols_parameters_are_documented_where_they_count() -> None:
    moves = set(MOVES)

    created = {"create_order", "create_product", "create_export", "create_schedule", "add_address"}
    created.add("create_import")
    stock = {"adjust_stock", "count_stock", "change_stocks"}
    assert taking("IdempotencyKey") == moves | created | stock | {"update_order"}
    reads = {it["operationId"] for _, method, it in OPERATIONS if method == "get"} & giving("ETag")
    assert {"get_order", "get_product", "get_me", "get_openapi"} < reads
    # In responses to requests without a token alone, as the tag of the content.
    reads -= {"list_products", "list_categories"}
    assert taking("IfMatch") == reads | moves | {
        "update_order",
        "replace_product",
        "update_product",
        "set_shards",
        "update_me",
        "update_address",
        "delete_address",
        "change_password",
        "change_email",
        "change_role",
        "change_status",
        "update_webhook",
        "delete_webhook",
        "rotate_webhook_secret",
        "update_service_key",
        "delete_service_key",
        "rotate_service_key",
        "cancel_export",
        "cancel_import",
    }


def test_a_body_is_optional_where_an_empty_one_is_valid() -> None:
    """An absent body is read as `{}`. The route's model decides whether `{}` is valid."""
    required = {(path, method): it["requestBody"]["required"] for path, method, it in OPERATIONS if "requestBody" in it}
    models = {
        (route.openapi_path, route.method.lower()): route.dependant.body_params[0].field_info.annotation
        for module in MODULES
        for route in openapi.documented(module.app)
        if route.dependant.body_params
    }

    assert required == {place: not _is_valid(model, {}) for place, model in models.items()}


def _is_valid(model: Any, body: dict[str, Any]) -> bool:
    try:
        model.model_validate(body)
    except ValidationError:
        return False
    return True


def test_the_protocols_headers_are_documented_where_they_are_sent() -> None:
    created = {"create_order", "create_product", "register", "create_webhook", "create_service_key", "add_address"}
    created.add("create_import")
    # These have no version, or none yet.
    unversioned = {"create_schedule", "create_export", "export_orders", "start_stock_check"}
    single = {"get_order", "get_product", "replace_product", "update_product", "set_shards", "get_me", *MOVES}
    single |= {"get_address", "update_address", "update_order"}
    single |= {"update_me", "change_password", "get_user", "change_role", "change_status"}
    single |= {"get_webhook", "update_webhook", "rotate_webhook_secret", "get_export", "get_import"}
    single |= {"get_service_key", "update_service_key", "rotate_service_key"}
    limited = {"register", "log_in", "refresh", "change_password", "change_email", "reset_password", "test_webhook"}

    assert giving("Location") == created | unversioned
    assert giving("ETag") == created | single | taking("IfNoneMatch")
    assert giving("Idempotency-Replayed") == taking("IdempotencyKey")
    assert giving("RateLimit") == giving("RateLimit-Policy") == limited


def test_answers_carry_the_headers_that_are_documented(
    admin: Person, customer: Person, order: Callable[..., Answer], product: Callable[..., str]
) -> None:
    order_id, product_id, event = order(admin).json["id"], product(), an_event()
    feed_in(event)
    headers = {"ETag", "Location", "Idempotency-Replayed", "RateLimit", "RateLimit-Policy", "Retry-After"}
    bodies = {
        "create_product": {"sku": "A", "name": "A", "category": "A", "price": 1},
        "replace_product": {"sku": "SKU-2", "name": "A", "category": "A", "price": 1, "status": "active"},
        "set_shards": {"shards": 2},
        **{name: body for name, body in VALID_BODIES.items() if "stock" in name},
        "change_stocks": {"items": [{"product_id": product_id, "on_hand": 9, "reason": "counted"}]},
        "create_order": {"items": [{"product_id": product_id, "quantity": 1}]},
        "quote_order": {"items": [{"product_id": product_id, "quantity": 1}]},
        "ship_order": {"carrier": "DHL", "tracking_number": "1"},
        "update_order": {"note": "Ring twice"},
        "change_role": {"role": "manager"},
        "change_status": {"status": "disabled"},
        "change_limits": {"open_orders": 50},
        **{name: body for name, body in VALID_BODIES.items() if "webhook" in name or "export" in name},
        "create_schedule": VALID_BODIES["create_schedule"],
    }
    addressed(admin, "manager@example.com")
    schedule_id = call("POST", "/api/v1/reports/schedules", bodies["create_schedule"], token=admin.token).json["id"]
    by_name = {operation["operationId"]: (path, method, operation) for path, method, operation in OPERATIONS}
    order_ids = dict.fromkeys(MOVES, order_id) | {"cancel_order": order(admin).json["id"]}
    # The moves in the sequence that one order can make; another order is cancelled.
    for name in [*sorted(by_name.keys() - set(MOVES)), *MOVES]:
        path, method, operation = by_name[name]
        if path.startswith("/api/v1/auth/") and name != "get_me":
            continue  # the tests of signing in cover their tokens and passwords
        if name == "repair_stock":
            continue  # there is nothing to repair
        target = path.replace("{order_id}", order_ids.get(name, order_id)).replace("{product_id}", product_id)
        target = target.replace("{user_id}", customer.id).replace("{event_id}", event["id"])
        if "{export_id}" in target:
            target = target.replace("{export_id}", request_export(admin).id)
        webhook, target = subscribe(), target.replace("{schedule_id}", schedule_id)
        target = target.replace("{webhook_id}", webhook.id).replace("{delivery_id}", a_delivery(webhook).id)
        for replayed in (False, True):
            if replayed and name not in taking("IdempotencyKey"):
                continue
            answer = call(
                method.upper(), target, bodies.get(name), token=admin.token, headers={"Idempotency-Key": name}
            )
            declared = operation["responses"][str(answer.status)].get("headers", {})
            optional = {name for name, it in declared.items() if it.get("required") is False}
            documented = (headers & declared.keys()) - optional
            expected = documented if replayed else documented - {"Idempotency-Replayed"}
            assert headers & answer.headers.keys() == expected, (name, answer.text)


NUMBERS = ["10", "10.00", "-0", "1e1", "1E+1", "1e-1"]


def fits(schema: Any, *values: Any) -> bool:
    return any(jsonschema_rs.is_valid(schema, value) for value in values)


@pytest.mark.parametrize("text", [*NUMBERS, "+10", ".5", "5.", "ten"])
def test_amounts_of_queries_have_the_documented_forms(customer: Person, text: str) -> None:
    """A query has texts. If the schema had numbers, a client could send each text of one."""
    parameters = DOCUMENT["paths"]["/api/v1/inventory/products"]["get"]["parameters"]
    values = [text, json.loads(text)] if text in NUMBERS else [text]

    for parameter in (it for it in parameters if it.get("name") in ("min_price", "max_price")):
        query = f"{parameter['name']}={quote(text)}"
        answer = call("GET", f"/api/v1/inventory/products?{query}", token=customer.token)
        assert (answer.status == 200) == fits(parameter["schema"], *values), query


@pytest.mark.parametrize("value", [*NUMBERS, *map(json.dumps, NUMBERS), '"+10"', '".5"', '"5."', '"ten"'])
def test_amounts_of_bodies_have_the_documented_forms(customer: Person, product: Callable[..., str], value: str) -> None:
    schema = DOCUMENT["components"]["schemas"]["CreateOrderRequest"]["properties"]["shipping_cost"]
    body = f'{{"items": [{{"product_id": "{product()}", "quantity": 1}}], "shipping_cost": {value}}}'

    answer = call("POST", "/api/v1/orders/quote", body, token=customer.token)

    assert (answer.status == 200) == fits(schema, json.loads(value)), answer.text


def test_a_schema_name_with_two_meanings_is_refused() -> None:
    openapi.check_schema_names([{"A": {"type": "object"}}, {"A": {"type": "object"}}, {"B": {}}])
    with pytest.raises(ValueError, match="A has two meanings"):
        openapi.check_schema_names([{"A": {"type": "object"}}, {"A": {"type": "string"}}])


def test_the_protocol_of_a_route_is_found_through_functions_of_its_module() -> None:
    used = openapi.protocol_used(orders.cancel_order)

    assert {"api.idempotency_key", "api.expected_version", "version=", "replayed="} <= used
    assert "api.idempotency_key" not in openapi.protocol_used(orders.quote_order)


def test_a_stale_document_fails_the_check(tmp_path: Path) -> None:
    copy = tmp_path / "openapi.json"
    copy.write_text(openapi.DOCUMENT.read_text().replace("0.1.0", "0.0.9"))

    with pytest.raises(SystemExit, match="stale"):
        command.main(["--check"], document=copy)


def test_the_gateways_routes_lead_to_these_functions() -> None:
    for path, _, _ in OPERATIONS:
        assert function_of(path) in MODULES
    assert function_of("/api/v1/auth/login") is passwords
    assert function_of("/api/v1/ordersx") is docs
