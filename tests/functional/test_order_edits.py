"""PATCH of an order: who may change which field and until when, the stored form, its event and its history."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from oms.core.dynamodb import get_item
from oms.orders import edits
from oms.orders.models import Order
from tests.support.aws_calls import intercepted
from tests.support.event_bus import in_events, published
from tests.support.faults import lose_answer
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Answer, Person
from tests.support.ledger_shop import LedgerShop
from tests.support.service_keys import a_key
from tests.support.shop import BODIES, Shop
from tests.support.streams import streamed

ADDRESS = {"name": "Ada", "line1": "1 Main St", "city": "Bonn", "postal_code": "53111", "country": "DE"}
WHOLE = ADDRESS | dict.fromkeys(("company", "line2", "region", "phone"))
BY_CUSTOMERS: dict[str, Any] = {
    "shipping_address": WHOLE,
    "billing_address": WHOLE | {"company": "Ada & Co."},
    "note": "Ring twice",
    "metadata": {"cart": "1"},
}
BY_MANAGERS = BY_CUSTOMERS | {"purchase_order": "PO-7", "tags": ["gift"]}


@pytest.fixture
def shop(customer: Person, manager: Person) -> Shop:
    return Shop(customer, manager)


@pytest.fixture
def path(shop: Shop) -> str:
    return str(shop.buy({shop.product(10): 1}).headers["Location"])


def patch(path: str, who: Person | str, body: Any, **headers: str) -> Answer:
    token = who if isinstance(who, str) else who.token
    return call("PATCH", path, body, token=token, headers={k.replace("_", "-"): v for k, v in headers.items()})


def test_a_customer_changes_their_pending_order(shop: Shop, path: str) -> None:
    answer = patch(path, shop.customer, BY_CUSTOMERS)

    assert answer.status == 200, answer.text
    assert {name: answer.json[name] for name in BY_CUSTOMERS} == BY_CUSTOMERS
    assert (answer.json["version"], answer.headers["ETag"]) == (2, '"2"')
    assert answer.json["status"] == "pending"
    assert call("GET", path, token=shop.customer.token).json == answer.json


@pytest.mark.parametrize("name", BY_MANAGERS)
def test_null_removes_a_field(shop: Shop, path: str, name: str) -> None:
    patch(path, shop.manager, BY_MANAGERS)

    answer = patch(path, shop.manager, {name: None})

    empty = {"metadata": {}, "tags": []}.get(name)
    shown = {field: answer.json[field] for field in BY_MANAGERS}
    assert shown == BY_MANAGERS | {name: empty}
    stored = get_item(Order, answer.json["id"])
    assert stored is not None
    assert getattr(stored, name) is None


@pytest.mark.parametrize("field", ["purchase_order", "tags"])
@pytest.mark.parametrize("value", [None, "x", ["x"]])
def test_a_customer_may_not_send_the_fields_of_the_shop(shop: Shop, path: str, field: str, value: Any) -> None:
    refused = patch(path, shop.customer, {"note": "x", field: value})

    assert f"`{field}`" in assert_problem(refused, 403, "forbidden")["detail"]
    assert call("GET", path, token=shop.customer.token).json["version"] == 1


def test_a_key_changes_orders_with_its_scope(shop: Shop, path: str) -> None:
    answer = patch(path, a_key("orders:manage", "orders:read").text, BY_MANAGERS)

    assert {name: answer.json[name] for name in BY_MANAGERS} == BY_MANAGERS
    entry = call("GET", f"{path}/history", token=shop.manager.token).json["items"][-1]
    assert (entry["from"], entry["to"], entry["actor_role"]) == ("pending", "pending", "service")
    assert entry["changed"] == sorted(BY_MANAGERS)
    assert_problem(patch(path, a_key("orders:read").text, {"note": "x"}), 403, "insufficient-scope")


@pytest.mark.parametrize(
    ("moves", "by_customer", "by_manager"),
    [((), 200, 200), (("confirm",), 409, 200), (("confirm", "ship"), 409, 409), (("cancel",), 409, 409)],
)
def test_an_order_can_be_changed_until(
    shop: Shop, path: str, moves: tuple[str, ...], by_customer: int, by_manager: int
) -> None:
    for move in moves:
        shop.move(path, move)

    for who, status in ((shop.customer, by_customer), (shop.manager, by_manager)):
        answer = patch(path, who, {"note": f"of {who.role}"})
        if status == 409:
            assert_problem(answer, 409, "order-closed")
        assert answer.status == status


@pytest.mark.parametrize("body", [{}, None])
def test_an_empty_body_is_refused(shop: Shop, path: str, body: Any) -> None:
    assert patch(path, shop.manager, body).status == 422


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"metadata": {"k": 1}}, "#/metadata/k"),
        ({"metadata": {"k" * 41: None}}, f"#/metadata/{'k' * 41}"),
        ({"metadata": {f"n{number}": "x" for number in range(50)}}, "#/metadata"),
        ({"metadata": {f"n{number}": "🛒" * 500 for number in range(15)}, "note": "x"}, "#/metadata"),
        ({"status": "confirmed"}, "#/status"),
        ({"shipping_address": {"city": "Bonn"}}, "#/shipping_address/name"),
    ],
    ids=lambda it: it if isinstance(it, str) else "",
)
def test_a_wrong_value_changes_nothing(shop: Shop, path: str, body: Any, place: str) -> None:
    patch(path, shop.manager, {"metadata": {"first": "1" * 500}})

    answer = patch(path, shop.manager, body)

    assert answer.status == 422
    assert place in places(answer)
    assert call("GET", path, token=shop.manager.token).json["version"] == 2


def test_metadata_is_merged(shop: Shop, path: str) -> None:
    patch(path, shop.customer, {"metadata": {"a": "1", "b": "2", "c": "3"}})

    answer = patch(path, shop.customer, {"metadata": {"a": "one", "b": None, "c": "", "d": "4"}})

    assert answer.json["metadata"] == {"a": "one", "d": "4"}
    assert patch(path, shop.customer, {"metadata": {"a": None, "d": None}}).json["metadata"] == {}


@pytest.mark.parametrize("body", [{"note": "same"}, {"metadata": {}}, {"metadata": {"absent": None}}, {"tags": []}])
def test_a_request_that_changes_nothing_writes_nothing(shop: Shop, path: str, body: Any) -> None:
    patch(path, shop.manager, {"note": "same"})

    with streamed("orders") as records:
        answer = patch(path, shop.manager, body)

    assert (answer.status, answer.json["version"], records) == (200, 2, [])


def test_a_stale_version_is_refused(shop: Shop, path: str) -> None:
    patch(path, shop.customer, {"note": "first"})

    assert_problem(patch(path, shop.customer, {"note": "second"}, If_Match='"1"'), 412, "stale-version")
    assert patch(path, shop.customer, {"note": "second"}, If_Match='"2"').json["version"] == 3


def test_a_repeated_request_is_found_by_its_key(shop: Shop, path: str) -> None:
    first = patch(path, shop.customer, {"note": "first"}, Idempotency_Key="k")
    patch(path, shop.customer, {"note": "second"})

    again = patch(path, shop.customer, {"note": "first"}, Idempotency_Key="k")

    assert (first.json["version"], again.json["version"], again.json["note"]) == (2, 3, "second")
    assert again.headers["Idempotency-Replayed"] == "true"
    for other in ({"note": None}, {"note": "second"}, {"billing_address": None}):
        assert_problem(patch(path, shop.customer, other, Idempotency_Key="k"), 422, "idempotency-key-reused")


def test_an_edit_without_a_key_is_no_replay_after_a_lost_answer(shop: Shop, path: str, no_sleep: list[float]) -> None:
    with intercepted(lose_answer("UpdateItem")):
        answer = patch(path, shop.customer, {"note": "first"})

    assert (answer.status, answer.json["version"]) == (200, 2)
    assert "Idempotency-Replayed" not in answer.headers


def test_requests_that_remove_different_fields_differ(shop: Shop, path: str) -> None:
    patch(path, shop.customer, {"note": "x", "billing_address": ADDRESS})
    patch(path, shop.customer, {"note": None}, Idempotency_Key="k")

    refused = patch(path, shop.customer, {"billing_address": None}, Idempotency_Key="k")

    assert_problem(refused, 422, "idempotency-key-reused")


def test_edits_are_limited_and_a_customer_leaves_some_to_the_shop(
    shop: Shop, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edits, "MAX_EDITS", 3)
    monkeypatch.setattr(edits, "MAX_EDITS_OF_CUSTOMER", 2)
    for number in range(2):
        assert patch(path, shop.customer, {"note": f"{number}"}).status == 200

    assert_problem(patch(path, shop.customer, {"note": "2"}), 409, "too-many-edits")
    assert patch(path, shop.manager, {"note": "2"}).status == 200
    assert_problem(patch(path, shop.manager, {"note": "3"}), 409, "too-many-edits")
    assert shop.move(path, "confirm").status == 200


def test_an_edit_is_published_without_the_billing_address(shop: Shop, path: str) -> None:
    with streamed("orders") as records:
        answer = patch(path, shop.manager, BY_MANAGERS)
        shop.move(path, "confirm")

    updated, confirmed = published(records)
    assert (updated["type"], updated["sequence"]) == ("order.updated", 2)
    assert updated["data"]["changed"] == sorted(BY_MANAGERS)
    assert updated["actor"] == {"id": shop.manager.id, "role": "manager"}
    assert updated["data"] == in_events(answer.json) | {"changed": sorted(BY_MANAGERS)}
    assert (confirmed["type"], confirmed["sequence"]) == ("order.confirmed", 3)
    assert "changed" not in confirmed["data"]
    assert published(records) == [updated, confirmed]


def test_the_stock_check_finds_nothing_on_an_edited_order(
    ledger_shop: LedgerShop, manager: Person, time_machine: Callable[..., None]
) -> None:
    path = f"/api/v1/orders/{ledger_shop.order(**{ledger_shop.create(): 3})}"
    for move in ("confirm", "ship"):
        assert patch(path, manager, {"note": move}).status == 200
        assert call("POST", f"{path}/{move}", BODIES.get(move), token=manager.token).status == 200
    ledger_shop.run_bookkeeper()
    time_machine(timedelta(minutes=20))

    run = ledger_shop.check()

    assert (run.orders, run.unsettled, run.drifted) == (1, 0, 0)
