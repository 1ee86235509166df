"""Repeated requests with an idempotency key: carried out once, and answered as the first time."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from oms.core.dynamodb import update_item
from oms.core.schemas import Request
from oms.core.settings import settings
from oms.exports.columns import COLUMNS
from oms.exports.models import Export
from oms.orders import pricing
from oms.orders.models import Order
from tests.support.documented import BODIES, DOCUMENT, OPERATIONS
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Answer, Person
from tests.support.operations import VALID_BODIES
from tests.support.schedules import addressed

PRODUCTS, ORDERS = "/api/v1/inventory/products", "/api/v1/orders"
EXPORTS = "/api/v1/reports/exports"
TEXT = {"sku": "K-1", "name": "Key", "category": "Keys", "price": "1.00"}
type Make = Callable[..., str]


def keyed(method: str, path: str, body: Any, who: Person, key: str = "k-1", **headers: str) -> Answer:
    return call(method, path, body, token=who.token, headers={"Idempotency-Key": key, **headers})


def is_replay(answer: Answer) -> bool:
    assert answer.headers.get("Idempotency-Replayed") in (None, "true")
    return "Idempotency-Replayed" in answer.headers


def available(product_id: str, manager: Person) -> int:
    return int(call("GET", f"{PRODUCTS}/{product_id}", token=manager.token).json["available"])


def ordering(product_id: str, quantity: int = 1, **fields: Any) -> dict[str, Any]:
    return {"items": [{"product_id": product_id, "quantity": quantity}]} | fields


def test_an_order_sent_again_is_the_same_order(customer: Person, manager: Person, product: Make) -> None:
    bought = product()
    first = keyed("POST", ORDERS, ordering(bought), customer)

    again = keyed("POST", ORDERS, ordering(bought), customer)

    assert (is_replay(first), is_replay(again)) == (False, True)
    assert (again.status, again.json) == (first.status, first.json) == (201, first.json)
    assert again.headers["Location"] == first.headers["Location"]
    assert available(bought, manager) == 9
    assert len(call("GET", ORDERS, token=customer.token).json["items"]) == 1


def test_a_replay_shows_the_order_as_it_is_now(customer: Person, manager: Person, product: Make) -> None:
    bought = product()
    order_id = keyed("POST", ORDERS, ordering(bought), customer).json["id"]
    call("POST", f"{ORDERS}/{order_id}/confirm", token=manager.token)

    again = keyed("POST", ORDERS, ordering(bought), customer)

    assert (again.status, again.json["status"], again.headers["ETag"]) == (201, "confirmed", '"2"')


def test_a_replay_comes_before_every_check_of_state(customer: Person, manager: Person, product: Make) -> None:
    last = product(stock=1, sku="LAST")
    first = keyed("POST", ORDERS, ordering(last), customer).json
    archived = TEXT | {"sku": "LAST", "status": "archived"}
    assert call("PUT", f"{PRODUCTS}/{last}", archived, token=manager.token).status == 200

    again = keyed("POST", ORDERS, ordering(last), customer)

    assert (again.status, again.json) == (201, first)


@pytest.mark.parametrize("changes", [{"note": "other"}, {"shipping_cost": "1"}, {"items": []}, {"extra": 1}], ids=str)
def test_a_key_with_another_body_is_refused(customer: Person, product: Make, changes: dict[str, Any]) -> None:
    bought = product()
    keyed("POST", ORDERS, ordering(bought), customer)

    answer = keyed("POST", ORDERS, ordering(bought) | changes, customer)

    # The fields are validated before the key.
    code = "validation-failed" if {"items", "extra"} & changes.keys() else "idempotency-key-reused"
    assert_problem(answer, 422, code)


MODELS = {model.__name__: model for model in Request.__subclasses__()} | {
    model.__name__: model for child in Request.__subclasses__() for model in child.__subclasses__()
}
# Without `change_stocks`, whose rows are replayed each for itself: see test_stock_counts.py. Without `update_order`, a
# PATCH, in which null is not the same as an omitted field: see test_order_edits.py.
KEYED = [
    pytest.param(name, report, id=f"{name} {report}".strip())
    for name, operation in OPERATIONS.items()
    if {"$ref": "#/components/parameters/IdempotencyKey"} in operation.get("parameters", [])
    and name not in ("change_stocks", "update_order")
    for report in (COLUMNS if name == "create_export" else [""])
]
# The moves that precede each move of an order.
BEFORE = {
    "confirm_order": [],
    "cancel_order": [],
    "ship_order": ["confirm"],
    "deliver_order": ["confirm", "ship"],
    "return_order": ["confirm", "ship"],
}


def spelled_out(model: type[BaseModel], made: Any) -> list[dict[str, Any]]:
    """Returns the value of each optional field that is not sent: the one in the created resource, or the default.

    A filter of an export has null for no filter; an export of sales shows the resulting days.
    """
    optional = {it.alias or name: it for name, it in model.model_fields.items() if not it.is_required()}
    defaults = {name: it.get_default(call_default_factory=True, validated_data={}) for name, it in optional.items()}
    # The customer of an order is shown in another form than it is sent.
    shown = {name: it for name, it in made.items() if name not in {"customer", *made.get("filters", {})}}
    meant = {name: shown.get(name, default) for name, default in defaults.items()}
    nulls = [{name: None} for name, default in defaults.items() if default is None]
    return [*({name: value} for name, value in meant.items()), *nulls, meant]


@pytest.mark.parametrize(("name", "report"), KEYED)
def test_a_default_spelled_out_is_the_same_request(
    manager: Person, product: Make, order: Callable[..., Answer], name: str, report: str
) -> None:
    """For each route that honours a key, and each optional field of its body."""
    bought = product()
    body = VALID_BODIES[name] | ({"report": report} if report else {})
    if name == "create_order":
        body = ordering(bought)
    if name == "create_schedule":
        addressed(manager, *body["recipients"])
    path = next(
        path for path, methods in DOCUMENT["paths"].items() for it in methods.values() if it == OPERATIONS[name]
    )
    method = next(method for method, it in DOCUMENT["paths"][path].items() if it == OPERATIONS[name]).upper()
    if name in BEFORE:
        placed = order(manager).json["id"]
        for move in BEFORE[name]:
            moved = call("POST", f"{ORDERS}/{placed}/{move}", VALID_BODIES[f"{move}_order"], token=manager.token)
            assert moved.status == 200
        path = path.replace("{order_id}", placed)
    path = path.replace("{product_id}", bought)
    first = keyed(method, path, body, manager)
    assert is_replay(first) is False

    model = MODELS[BODIES[name]["$ref"].rpartition("/")[2]]
    for same in spelled_out(model, first.json):
        again = keyed(method, path, body | same, manager)
        assert again.status == first.status, f"{same}: {again.text}"
        assert is_replay(again)
        # The request that uploads an import's file is signed again for each response.
        assert again.json | {"upload": None} == first.json | {"upload": None}


def test_a_filter_in_another_order_is_the_same_request(manager: Person) -> None:
    body = {"report": "orders", "status": ["shipped", "confirmed"]}
    first = keyed("POST", EXPORTS, body, manager)

    for same in (["confirmed", "shipped"], "shipped,confirmed,shipped", body["status"]):
        again = keyed("POST", EXPORTS, body | {"status": same}, manager)
        assert (again.status, is_replay(again), again.json["id"]) == (202, True, first.json["id"]), again.text
    for other in ({"status": ["shipped"]}, {"columns": ["sku"]}, {"format": "xlsx"}, {"bom": True}, {"gzip": True}):
        assert_problem(keyed("POST", EXPORTS, body | other, manager), 422, "idempotency-key-reused")


def test_columns_in_another_order_are_another_file(manager: Person) -> None:
    columns = list(COLUMNS["sales"].default)
    keyed("POST", EXPORTS, {"report": "sales"}, manager)

    again = keyed("POST", EXPORTS, {"report": "sales", "columns": columns[::-1]}, manager)

    assert_problem(again, 422, "idempotency-key-reused")


def test_an_export_from_before_the_upgrade_is_replayed(manager: Person) -> None:
    """Its hash is of the request as sent, with statuses in that order and explicit defaults."""
    requests: dict[str, dict[str, Any]] = {
        "k-1": {"report": "orders", "status": ["shipped", "confirmed"]},
        "k-2": {"report": "orders", "format": "csv"},
    }
    for key, body in requests.items():
        made = keyed("POST", EXPORTS, body, manager, key).json
        sent = json.dumps(body, sort_keys=True, separators=(",", ":"))
        old = f"v1:{hashlib.sha256(sent.encode()).hexdigest()[:40]}"
        update_item(Export(*Export.key(made["id"])), [Export.request_hash.set(old)])

        again = keyed("POST", EXPORTS, body, manager, key)

        assert (is_replay(again), again.json["id"]) == (True, made["id"])


def test_an_order_from_before_the_upgrade_is_replayed(customer: Person, product: Make) -> None:
    """Its hash has the scheme v1: of the fields that were sent."""
    body = ordering(product())
    placed = keyed("POST", ORDERS, body, customer).json
    sent = json.dumps({"items": [body["items"][0]]}, sort_keys=True, separators=(",", ":"))
    old = f"v1:{hashlib.sha256(sent.encode()).hexdigest()[:40]}"
    update_item(Order(placed["id"]), [Order.request_hash.set(old)])

    for same in (body, body | {"note": None, "shipping_cost": 0}):
        assert keyed("POST", ORDERS, same, customer).json["id"] == placed["id"]
    assert_problem(keyed("POST", ORDERS, body | {"note": "x"}, customer), 422, "idempotency-key-reused")


def test_with_a_flat_price_an_order_that_leaves_it_out_has_it(
    customer: Person, product: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pricing, "settings", lambda: replace(settings(), shipping_flat=490))
    bought = product()
    first = keyed("POST", ORDERS, ordering(bought), customer)

    again = keyed("POST", ORDERS, ordering(bought, shipping_cost="4.90"), customer)
    other = keyed("POST", ORDERS, ordering(bought, shipping_cost=0), customer)

    assert (first.json["shipping_cost"], is_replay(again)) == ("4.90", True)
    assert_problem(other, 422, "idempotency-key-reused")


def test_a_body_is_compared_by_its_meaning(customer: Person, product: Make) -> None:
    bought = product()
    items = f'"items": [{{"product_id": "{bought}", "quantity": 1}}]'
    bodies = [
        f'{{{items}, "shipping_cost": 10.00}}',
        f'{{"shipping_cost": "10.00", {items}}}',
        f'{{"shipping_cost":1e1,{items}}}',
    ]

    answers = [keyed("POST", ORDERS, body, customer) for body in bodies]

    assert [is_replay(answer) for answer in answers] == [False, True, True]
    assert len({answer.json["id"] for answer in answers}) == 1


def test_a_failure_leaves_the_key_free(customer: Person, manager: Person, product: Make) -> None:
    wanted = product(stock=0)
    assert_problem(keyed("POST", ORDERS, ordering(wanted), customer), 409, "insufficient-stock")
    call("PATCH", f"{PRODUCTS}/{wanted}/stock", {"adjustment": 1, "reason": "delivery"}, token=manager.token)

    placed = keyed("POST", ORDERS, ordering(wanted), customer)

    assert (placed.status, is_replay(placed)) == (201, False)


def test_a16_anothers_key_gives_nothing_away(person: Callable[..., Person], product: Make) -> None:
    bought, first, second = product(), person(), person()
    theirs = keyed("POST", ORDERS, ordering(bought), first).json

    mine = keyed("POST", ORDERS, ordering(bought), second)

    assert (mine.status, is_replay(mine), mine.json["customer_id"]) == (201, False, second.id)
    assert mine.json["id"] != theirs["id"]


def test_a_key_belongs_to_its_route_and_target(manager: Person, product: Make) -> None:
    bought = product()
    orders = [keyed("POST", ORDERS, ordering(bought), manager, key).json["id"] for key in ("a", "b")]

    moves = [
        keyed("POST", f"{ORDERS}/{it}/{name}", {}, manager, "a") for it in orders for name in ("confirm", "cancel")
    ]
    created = keyed("POST", PRODUCTS, TEXT, manager, "a")

    assert [answer.status for answer in moves] == [200, 200, 200, 200]
    assert [answer.json["status"] for answer in moves] == ["confirmed", "cancelled"] * 2
    assert created.status == 201
    assert not any(is_replay(answer) for answer in (*moves, created))


def test_without_a_key_every_request_is_a_new_one(customer: Person, product: Make) -> None:
    bought = product()

    ids = {call("POST", ORDERS, ordering(bought), token=customer.token).json["id"] for _ in range(2)}

    assert len(ids) == 2


@pytest.mark.parametrize("key", ["k", "~!{}\"'\\,;", "x" * 255])
def test_a_key_is_visible_ascii(customer: Person, product: Make, key: str) -> None:
    bought = product()

    assert [keyed("POST", ORDERS, ordering(bought), customer, key).status for _ in range(2)] == [201, 201]


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 256, "a\tb", "a\x7f", "a\n"], ids=repr)
def test_any_other_key_is_refused_where_keys_are_honoured(manager: Person, product: Make, key: str) -> None:
    bought = product()
    order_id = call("POST", ORDERS, ordering(bought), token=manager.token).json["id"]

    for method, path, body in (
        ("POST", ORDERS, ordering(bought)),
        ("POST", f"{ORDERS}/{order_id}/confirm", {}),
        ("POST", f"{ORDERS}/{order_id}/cancel", {}),
        ("POST", PRODUCTS, TEXT),
        ("PATCH", f"{PRODUCTS}/{bought}/stock", {"adjustment": 1, "reason": "x"}),
    ):
        assert places(keyed(method, path, body, manager, key)) == {"Idempotency-Key:"}


def test_a_key_is_ignored_everywhere_else(manager: Person, product: Make) -> None:
    bought = product(sku="K-1")

    for method, path, body in (
        ("GET", ORDERS, None),
        ("GET", f"{PRODUCTS}/{bought}", None),
        ("POST", f"{ORDERS}/quote", ordering(bought)),
        ("PUT", f"{PRODUCTS}/{bought}", TEXT | {"status": "active"}),
    ):
        answers = [keyed(method, path, body, manager, key) for key in ("not one key", "k", "k")]
        assert [(answer.status, is_replay(answer)) for answer in answers] == [(200, False)] * 3


def test_a_move_sent_again_moves_nothing(manager: Person, product: Make) -> None:
    bought = product()
    path = f"{ORDERS}/{call('POST', ORDERS, ordering(bought), token=manager.token).json['id']}"
    first = keyed("POST", f"{path}/cancel", {"reason": "late"}, manager)

    again = keyed("POST", f"{path}/cancel", {"reason": "late"}, manager, **{"If-Match": '"1"'})

    assert (again.status, is_replay(again), again.json) == (200, True, first.json)
    assert_problem(keyed("POST", f"{path}/cancel", {"reason": "x"}, manager), 422, "idempotency-key-reused")
    assert_problem(keyed("POST", f"{path}/cancel", {}, manager, "k-2"), 409, "invalid-transition")
    assert available(bought, manager) == 10
    assert len(call("GET", f"{path}/history", token=manager.token).json["items"]) == 2


def test_a_return_under_the_key_of_another_is_refused(manager: Person, product: Make) -> None:
    path = f"{ORDERS}/{call('POST', ORDERS, ordering(product()), token=manager.token).json['id']}"
    call("POST", f"{path}/confirm", token=manager.token)
    call("POST", f"{path}/ship", {"carrier": "DHL", "tracking_number": "1"}, token=manager.token)
    assert keyed("POST", f"{path}/return", {"reason": "late"}, manager).status == 200

    other = keyed("POST", f"{path}/return", {"reason": "late", "restock": False}, manager)

    assert_problem(other, 422, "idempotency-key-reused")


def test_a_move_sent_again_shows_the_order_as_it_is_now(manager: Person, product: Make) -> None:
    path = f"{ORDERS}/{call('POST', ORDERS, ordering(product()), token=manager.token).json['id']}"
    keyed("POST", f"{path}/confirm", None, manager)
    call("POST", f"{path}/cancel", token=manager.token)

    again = keyed("POST", f"{path}/confirm", None, manager)

    assert (again.status, is_replay(again), again.json["status"]) == (200, True, "cancelled")


def test_a_product_sent_again_is_the_same_product(manager: Person) -> None:
    first = keyed("POST", PRODUCTS, TEXT, manager)
    call("PUT", f"{PRODUCTS}/{first.json['id']}", TEXT | {"status": "archived"}, token=manager.token)

    again = keyed("POST", PRODUCTS, TEXT | {"price": 1}, manager)

    assert (again.status, is_replay(again)) == (201, True)
    assert (again.json["id"], again.json["status"]) == (first.json["id"], "archived")
    assert again.headers["Location"] == first.headers["Location"]
    assert_problem(keyed("POST", PRODUCTS, TEXT | {"price": 2}, manager), 422, "idempotency-key-reused")


def test_a_products_key_is_free_after_a_taken_sku(manager: Person) -> None:
    call("POST", PRODUCTS, TEXT, token=manager.token)
    assert_problem(keyed("POST", PRODUCTS, TEXT, manager), 409, "sku-taken")

    created = keyed("POST", PRODUCTS, TEXT | {"sku": "K-2"}, manager)

    assert (created.status, is_replay(created)) == (201, False)


def test_stock_is_adjusted_once_for_a_key(manager: Person, product: Make) -> None:
    path = f"{PRODUCTS}/{product(stock=10)}/stock"
    body = {"adjustment": -3, "reason": "broken"}

    answers = [keyed("PATCH", path, body, manager) for _ in range(20)]

    assert {answer.json["available"] for answer in answers} == {7}
    assert [is_replay(answer) for answer in answers] == [False] + [True] * 19
    reused = keyed("PATCH", path, body | {"adjustment": -4}, manager)
    assert_problem(reused, 422, "idempotency-key-reused")
    assert keyed("PATCH", path, body, manager, "k-2").json["available"] == 4
