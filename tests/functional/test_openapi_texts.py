"""Texts, examples and types of the OpenAPI document, which readers and client generators need."""

import importlib
import re
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from infra.stages import DECIMALS
from local import demo, seed
from local.openapi.schemas import reached_from
from oms.core.schemas import Request
from oms.events.types import EVENT_TYPES
from tests.support.deployment import deployed_locally, deployed_with
from tests.support.documented import BODIES, DOCUMENT, OPERATIONS, SCHEMAS, body_of, resolved, schemas_within
from tests.support.gateway import call
from tests.support.invocation import Answer, Person

for _module in ("orders", "inventory", "identity", "webhooks", "stock_ledger", "exports", "schedules"):
    importlib.import_module(f"oms.{_module}.schemas")


def _models(root: type[BaseModel] = Request) -> dict[str, type[BaseModel]]:
    return {root.__name__: root} | {
        name: model for child in root.__subclasses__() for name, model in _models(child).items()
    }


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_each_operation_its_parameters_and_responses_have_texts(name: str) -> None:
    operation = OPERATIONS[name]
    first, _, _ = operation["description"].partition("\n\n**Access:**")

    assert re.fullmatch(r"[A-Z].*[^.]", operation["summary"])
    assert len(first) > 10, "beside the roles that may call it"
    for parameter in map(resolved, operation.get("parameters", [])):
        assert parameter["description"].strip().endswith("."), parameter["name"]
    for status, response in operation["responses"].items():
        assert resolved(response)["description"], status


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_each_schema_and_field_has_a_text(name: str) -> None:
    assert SCHEMAS[name]["description"]
    for field, schema in SCHEMAS[name].get("properties", {}).items():
        assert schema["description"], field


def test_each_field_with_a_default_says_it() -> None:
    """The schemas themselves have none: generated clients would send it. An empty map needs no word."""
    fields = [(name, field, it) for name, model in _models().items() for field, it in model.model_fields.items()]
    silent = [
        f"{name}.{field}"
        for name, field, it in fields
        if not it.is_required() and it.default_factory is None and it.default is not None
        if not re.search(r"default", it.description or "", re.IGNORECASE)
    ]

    assert silent == []


def test_tags_have_texts_and_each_operation_has_one_of_them() -> None:
    tags = {tag["name"]: tag["description"] for tag in DOCUMENT["tags"]}

    assert all(tags.values())
    assert list(tags)[:3] == ["auth", "inventory", "orders"]
    for operation in (*OPERATIONS.values(), *(it["post"] for it in DOCUMENT["webhooks"].values())):
        assert len(operation["tags"]) == 1
        assert set(operation["tags"]) <= tags.keys()


def test_collections_come_before_their_items() -> None:
    paths = list(DOCUMENT["paths"])

    assert paths.index("/api/v1/orders") < paths.index("/api/v1/orders/{order_id}")
    assert [OPERATIONS[name]["tags"][0] for name in OPERATIONS] == sorted(
        (operation["tags"][0] for operation in OPERATIONS.values()),
        key=[tag["name"] for tag in DOCUMENT["tags"]].index,
    )


def test_the_overview_says_the_protocol() -> None:
    headings = re.findall("^## (.+)$", DOCUMENT["info"]["description"], re.MULTILINE)

    assert headings == [
        *("Sign in", "Values", "Lists", "Idempotency", "Versions", "Rate limits", "Errors", "Events"),
        "Changes within v1",
    ]
    for email in demo.ACCOUNTS:
        assert email in DOCUMENT["info"]["description"]
    assert demo.PASSWORD in DOCUMENT["info"]["description"]
    assert demo.SERVICE_KEY in DOCUMENT["info"]["description"]


def overview(heading: str) -> str:
    """Returns a part of the overview, on one line."""
    (found,) = re.findall(
        rf"^## {heading}\n+(.+?)(?=^## |\Z)", DOCUMENT["info"]["description"], re.MULTILINE | re.DOTALL
    )
    return " ".join(found.split())


def test_the_overview_names_the_fields_that_an_answer_may_lack() -> None:
    """All other fields of an answer are always present. A field that requests have too is present or null."""
    answers = [it["responses"] for it in OPERATIONS.values()]
    of_requests = reached_from(list(BODIES.values()), SCHEMAS)
    optional = {
        (name, field)
        for name in reached_from([answers, DOCUMENT["components"]["responses"]], SCHEMAS) - of_requests
        for field in SCHEMAS[name].get("properties", {}).keys() - set(SCHEMAS[name].get("required", ()))
    }
    fields = {field for name, field in optional if name != "Problem"}
    places = SCHEMAS["Problem"]["properties"]["errors"]["items"]

    assert fields == {"omitted"}
    assert "Problem" in {name for name, _ in optional}
    for word in (*fields, *(places["properties"].keys() - set(places["required"]))):
        assert f"`{word}`" in overview("Values"), word
    assert "members of a problem" in overview("Values")


def test_the_overview_does_not_promise_a_version_of_each_resource() -> None:
    takes = {"$ref": "#/components/parameters/IfMatch"}

    for name in ("adjust_stock", "end_session", "delete_schedule"):
        assert takes not in OPERATIONS[name].get("parameters", [])
    assert "If an operation takes `If-Match`" in overview("Versions")
    assert "Every other operation refuses" in overview("Versions")


def test_the_overview_does_not_promise_an_event_of_each_change() -> None:
    (bus_less,) = [name for name, it in EVENT_TYPES.items() if "only to the webhook under test" in it.description]

    assert bus_less == "webhook.test"
    assert "each change" not in overview("Events").lower()
    for text in (overview("Events"), next(it["description"] for it in DOCUMENT["tags"] if it["name"] == "events")):
        assert f"`{bus_less}`" in text


def test_a_bound_that_is_a_day_is_said_in_one_way(customer: Person, order: Callable[..., Answer]) -> None:
    placed = order(customer).json
    day = placed["created_at"][:10]

    def found(**bounds: str) -> int:
        return len(call("GET", "/api/v1/orders", token=customer.token, query=bounds).json["items"])

    assert "a date as `to` includes that day" in overview("Values")
    assert found(to=day) == found(**{"from": day}) == 1
    assert found(to=placed["created_at"]) == 0
    assert found(**{"from": placed["created_at"]}) == 1


def test_no_field_of_a_request_has_a_default() -> None:
    """A generated client would send it, so that "not sent" could have no other meaning, such as a flat rate of
    shipping.
    """
    for name in reached_from(list(BODIES.values()), SCHEMAS):
        for field, schema in SCHEMAS[name].get("properties", {}).items():
            assert not any("default" in it for it in schemas_within(schema)), f"{name}.{field}"


def test_no_title_repeats_a_name() -> None:
    assert [it["title"] for it in schemas_within(DOCUMENT["paths"]) if "title" in it] == []
    assert [it["title"] for it in schemas_within(SCHEMAS) if isinstance(it.get("title"), str)] == []


def test_times_are_times_and_amounts_are_amounts() -> None:
    times = re.compile("(at|.*_at|.*_until|failing_since|started_at)")
    amounts = re.compile("total|subtotal|line_total|unit_price|price|shipping_cost|revenue|value|average_order_value")
    for name, schema in SCHEMAS.items():
        for field, found in schema.get("properties", {}).items():
            first = found["anyOf"][0] if "anyOf" in found else found
            if times.fullmatch(field):
                assert first["format"] == "date-time", f"{name}.{field}"
            if amounts.fullmatch(field) and "$ref" not in first:
                assert (first["type"], "pattern" in first) == ("string", True), f"{name}.{field}"


def test_the_managers_form_comes_first_of_two() -> None:
    """Generated clients use the first form that fits, and the managers' form has all fields of the customers' form."""
    found = [it["anyOf"] for it in schemas_within(DOCUMENT) if "anyOf" in it]
    names = [[choice.get("$ref", "").rpartition("/")[2] for choice in choices] for choices in found]

    for general in ("OrderResponse", "ProductResponse"):
        choices = [it for it in names if general in it and len(it) > 1]
        assert choices
        # The guests' form has further fields, and the public form has fields of the customers' form alone.
        forms = ([], [f"Guest{general}"]), ([], [f"Public{general}"])
        allowed = [[f"Managed{general}", *before, general, *after] for before in forms[0] for after in forms[1]]
        assert all(it in allowed for it in choices)


def test_lists_of_words_are_arrays_in_the_form_that_all_generators_send() -> None:
    parameters = [it for operation in OPERATIONS.values() for it in operation.get("parameters", []) if "$ref" not in it]
    several = {it["name"] for it in parameters if it["schema"].get("type") == "array"}

    assert several == {"status", "role", "actor", "action", "columns", "key", "method", "operation", "tag"}
    for parameter in parameters:
        if parameter["schema"].get("type") == "array":
            assert (parameter["style"], parameter["explode"]) == ("form", True)


def test_enums_are_named_once() -> None:
    """Otherwise the generator makes up a name for a list of values within another schema."""
    shared = {tuple(schema["enum"]) for schema in SCHEMAS.values() if "enum" in schema}
    inner = [
        tuple(it["enum"])
        for schema in (DOCUMENT["paths"], *(it for it in SCHEMAS.values() if "enum" not in it))
        for it in schemas_within(schema)
        if isinstance(it.get("enum"), list)
    ]

    assert {"OrderStatus", "UserRole", "WebhookDisabledReason"} <= SCHEMAS.keys()
    assert not shared & set(inner)


def test_integers_of_bodies_say_that_a_fraction_is_refused() -> None:
    assert "`2.0` is refused" in SCHEMAS["OrderItem"]["properties"]["quantity"]["description"]
    assert "`2.0` is refused" in SCHEMAS["AdjustStockRequest"]["properties"]["adjustment"]["description"]


def test_each_type_of_event_is_a_webhook() -> None:
    from oms.events.types import EVENT_TYPES

    assert list(DOCUMENT["webhooks"]) == list(EVENT_TYPES)
    for name, webhook in DOCUMENT["webhooks"].items():
        body = resolved(webhook["post"]["requestBody"]["content"]["application/json"]["schema"])
        assert body["properties"]["type"]["const"] == name
        assert {it["name"] for it in webhook["post"]["parameters"]} == {
            *("webhook-id", "webhook-timestamp", "webhook-signature")
        }


@pytest.mark.parametrize("name", sorted(BODIES))
def test_the_ready_made_body_of_each_operation_is_one_that_it_takes(cloud: None, name: str) -> None:
    model = _models()[BODIES[name]["$ref"].rpartition("/")[2]]

    for currency in DECIMALS:
        with deployed_with(CURRENCY=currency):
            model.model_validate(body_of(name))


@pytest.mark.parametrize("currency", ["EUR", "JPY"])
def test_the_ready_made_bodies_work_on_the_demo_shop(cloud: None, currency: str) -> None:
    """They are sent unchanged, except for the user who signs in."""
    with deployed_locally(CURRENCY=currency):
        seed.seed()
        _send_ready_made_bodies()


@pytest.mark.parametrize(
    "setting",
    [
        # The currencies with the largest and the smallest minor unit.
        *({"CURRENCY": "CLF", "SHIPPING_MAX": ""}, {"CURRENCY": "IRR", "SHIPPING_MAX": ""}),
        *({"SHIPPING_FLAT": "4.90"}, {"SHIPPING_MAX": "1.00"}),
    ],
    ids=str,
)
def test_the_ready_made_order_is_placed_in_every_currency_and_at_any_shipping(
    cloud: None, setting: dict[str, str]
) -> None:
    with deployed_locally(**setting | {"SHIPPING_MAX": "", "SHIPPING_FLAT": ""}):
        seed.seed()
    with deployed_locally(**setting):
        account = {"email": "alice@demo.example", "password": demo.PASSWORD}
        alice = call("POST", "/api/v1/auth/login", account).json["access_token"]

        placed = call("POST", "/api/v1/orders", body_of("create_order"), token=alice)

    assert placed.status == 201, placed.text


def test_the_ready_made_order_expects_no_total() -> None:
    """Only the shop knows the prices of its products."""
    for name in ("create_order", "quote_order"):
        assert not {"expected_total", "shipping_cost"} & body_of(name).keys()


def _send_ready_made_bodies() -> None:
    def token(email: str) -> Any:
        answer = call("POST", "/api/v1/auth/login", body_of("log_in") | {"email": email})
        assert answer.status == 200, answer.text
        return answer.json["access_token"]

    alice, manager, admin = (token(f"{name}@demo.example") for name in ("alice", "manager", "admin"))
    assert call("POST", "/api/v1/auth/login", body_of("log_in")).status == 200
    assert call("POST", "/api/v1/auth/register", body_of("register")).status == 201
    assert call("POST", "/api/v1/orders/quote", body_of("quote_order"), token=alice).status == 200
    placed = call("POST", "/api/v1/orders", body_of("create_order"), token=alice)
    assert placed.status == 201, placed.text
    for move in ("confirm", "ship", "deliver", "return"):
        path = f"/api/v1/orders/{placed.json['id']}/{move}"
        answer = call("POST", path, body_of(f"{move}_order"), token=manager)
        assert answer.status == 200, answer.text
    for name, method, path in (
        ("create_product", "POST", "/api/v1/inventory/products"),
        ("adjust_stock", "PATCH", "/api/v1/inventory/products/1/stock"),
        ("count_stock", "PUT", "/api/v1/inventory/products/1/stock"),
        ("change_stocks", "PATCH", "/api/v1/inventory/stock"),
        ("update_me", "PATCH", "/api/v1/auth/me"),
        ("start_stock_check", "POST", "/api/v1/admin/stock-check"),
    ):
        answer = call(method, path, body_of(name), token=admin)
        assert answer.status in (200, 201, 202), answer.text
