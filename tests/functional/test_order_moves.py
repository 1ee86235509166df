"""Moves of orders: the effect on the order and its stock, the allowed roles and the source states."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from oms.core.dynamodb import get_item
from oms.identity.models import User, user_key
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Answer, Person
from tests.support.order_states import LEGAL
from tests.support.orders import ORDERS, Make, Place, post, stock

PARCEL = {"carrier": "DHL", "tracking_number": "JD0140"}
TARGET = {
    "confirm": "confirmed",
    "ship": "shipped",
    "deliver": "delivered",
    "return": "returned",
    "cancel": "cancelled",
}
NAMES = list(TARGET)
BODIES = {"ship": PARCEL}
# The moves that lead to a state.
WAYS: dict[tuple[str, ...], str] = {
    (): "pending",
    ("confirm",): "confirmed",
    ("cancel",): "cancelled",
    ("confirm", "ship"): "shipped",
    ("confirm", "ship", "deliver"): "delivered",
    ("confirm", "ship", "return"): "returned",
}


def move(order_id: str, name: str, actor: Person, body: Any = None, **headers: str) -> Answer:
    named = {header.replace("_", "-"): value for header, value in headers.items()}
    return call("POST", f"{ORDERS}/{order_id}/{name}", body, token=actor.token, headers=named)


def moved_to(way: tuple[str, ...], order_id: str, manager: Person) -> str:
    for name in way:
        moved = move(order_id, name, manager, BODIES.get(name))
        assert moved.status == 200, moved.text
    return order_id


@pytest.mark.parametrize("blank", [" ", "\u200b", "\u3164", "\n"], ids=ascii)
def test_a_parcel_that_says_nothing_is_refused(customer: Person, manager: Person, product: Make, blank: str) -> None:
    order_id = moved_to(("confirm",), post(customer, (product(), 1)).json["id"], manager)

    refused = move(order_id, "ship", manager, {"carrier": blank, "tracking_number": blank})
    assert places(refused) == {"#/carrier", "#/tracking_number"}
    shipped = move(order_id, "ship", manager, {"carrier": " DHL ", "tracking_number": "JD0140\n"})
    assert (shipped.status, shipped.json["shipment"]["carrier"]) == (200, "DHL")
    assert shipped.json["shipment"]["tracking_number"] == "JD0140"


def test_a_confirmed_order_keeps_its_stock_and_a_cancelled_one_gives_it_back(
    customer: Person, manager: Person, product: Make
) -> None:
    bought = product()
    order_id = post(customer, (bought, 3)).json["id"]

    confirmed = move(order_id, "confirm", manager)
    assert (confirmed.status, confirmed.json["status"], confirmed.json["expires_at"]) == (200, "confirmed", None)
    assert confirmed.headers["ETag"] == '"2"'
    assert stock(bought, manager) == (7, 3, 10)

    cancelled = move(order_id, "cancel", customer, {"reason": "Too late"})
    assert (cancelled.status, cancelled.json["status"], cancelled.json["version"]) == (200, "cancelled", 3)
    assert cancelled.json["cancel_reason"] == "Too late"
    assert stock(bought, manager) == (10, 0, 10)
    assert call("GET", f"{ORDERS}/{order_id}", token=customer.token).json == cancelled.json


def test_the_history_has_actors_and_moves(customer: Person, manager: Person, order: Place) -> None:
    order_id = order(customer).json["id"]
    move(order_id, "confirm", manager)
    move(order_id, "cancel", customer, {"reason": "Too late"})

    history = call("GET", f"{ORDERS}/{order_id}/history", token=customer.token).json

    assert history["next_cursor"] is None
    transitions = [
        (entry["from"], entry["to"], entry["actor_id"], entry["actor_role"], entry["reason"])
        for entry in history["items"]
    ]
    assert transitions == [
        (None, "pending", customer.id, "customer", None),
        ("pending", "confirmed", manager.id, "manager", None),
        ("confirmed", "cancelled", customer.id, "customer", "Too late"),
    ]
    assert set(history["items"][0]) == {"from", "to", "at", "actor_id", "actor_role", "reason", "changed"}
    times = [entry["at"] for entry in history["items"]]
    assert times == sorted(times)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("way", "source"), WAYS.items(), ids=str)
def test_a_move_from_a_wrong_state_says_which(
    manager: Person, product: Make, way: tuple[str, ...], source: str, name: str
) -> None:
    bought = product()
    order_id = moved_to(way, post(manager, (bought, 3)).json["id"], manager)
    before = stock(bought, manager)

    answer = move(order_id, name, manager, BODIES.get(name))

    if (source, TARGET[name]) in LEGAL:
        assert (answer.status, answer.json["status"]) == (200, TARGET[name])
    else:
        problem = assert_problem(answer, 409, "invalid-transition")
        assert (problem["from"], problem["to"]) == (source, TARGET[name])
        assert stock(bought, manager) == before


@pytest.mark.parametrize(
    "tag",
    [
        *('"1"', 'W/"1"', "*", '"7", "1"', ' W/"1" ', '"1", W/"2"', '"7" ,W/"1"', '"a,b","1"'),
        *('"1",', '"2",,"1"', ', "1" ,'),  # empty elements are ignored
    ],
)
def test_a_move_of_the_version_meant_goes_through(manager: Person, order: Place, tag: str) -> None:
    assert move(order(manager).json["id"], "confirm", manager, If_Match=tag).status == 200


@pytest.mark.parametrize("tag", ['"2"', 'W/"0"', '""', '"2", "3"', '"01"', '"a,b"', '"2,1"', '",1,"'])
def test_a_move_of_another_version_is_refused(manager: Person, order: Place, tag: str) -> None:
    placed = order(manager).json

    assert_problem(move(placed["id"], "confirm", manager, If_Match=tag), 412, "stale-version")
    assert call("GET", f"{ORDERS}/{placed['id']}", token=manager.token).json == placed


@pytest.mark.parametrize("tag", ["1", "", " ", '"1', "W/1", "*, *", '"1";', '"1" junk', '"1" "2"', ",,", '*, "1"'])
def test_an_invalid_entity_tag_is_refused(manager: Person, order: Place, tag: str) -> None:
    assert places(move(order(manager).json["id"], "confirm", manager, If_Match=tag)) == {"If-Match:"}


def test_a_manager_moves_anyones_order(customer: Person, manager: Person, order: Place) -> None:
    assert move(order(customer).json["id"], "cancel", manager).json["status"] == "cancelled"


def test_a_reason_has_a_bound(customer: Person, order: Place) -> None:
    order_id = order(customer).json["id"]

    assert places(move(order_id, "cancel", customer, {"reason": "x" * 501})) == {"#/reason"}
    assert places(move(order_id, "cancel", customer, {"status": "shipped"})) == {"#/status"}
    assert move(order_id, "cancel", customer, {"reason": None}).json["cancel_reason"] is None


@pytest.mark.parametrize("nothing", ["", "   ", "\u3164", "\u2800", "\u200b\n"], ids=ascii)
def test_a_reason_that_shows_nothing_is_none_and_the_same_request_as_none(
    customer: Person, order: Place, nothing: str
) -> None:
    order_id = order(customer).json["id"]

    cancelled = move(order_id, "cancel", customer, {"reason": nothing}, Idempotency_Key="a")
    again = move(order_id, "cancel", customer, {"reason": None}, Idempotency_Key="a")

    assert (cancelled.status, cancelled.json["cancel_reason"]) == (200, None)
    assert (again.status, again.json, again.headers["Idempotency-Replayed"]) == (200, cancelled.json, "true")


def test_a_hold_that_is_overdue_can_be_confirmed_until_it_is_swept(
    manager: Person, order: Place, time_machine: Callable[[timedelta], None]
) -> None:
    late = order(manager).json["id"]
    time_machine(timedelta(minutes=31))

    assert move(late, "confirm", manager).status == 200


# ---- ship, deliver, return ------------------------------------------------------------------------------------------


def test_shipped_units_are_gone(customer: Person, manager: Person, product: Make) -> None:
    bought = product()
    order_id = moved_to(("confirm",), post(customer, (bought, 3)).json["id"], manager)
    tracked = PARCEL | {"tracking_url": "https://dhl.example/JD0140"}

    shipped = move(order_id, "ship", manager, tracked)

    assert (shipped.status, shipped.json["status"], shipped.headers["ETag"]) == (200, "shipped", '"3"')
    assert shipped.json["shipment"] == tracked | {"shipped_at": shipped.json["updated_at"]}
    assert stock(bought, manager) == (7, 0, 7)
    seen = call("GET", f"{ORDERS}/{order_id}", token=customer.token).json
    assert seen["shipment"] == shipped.json["shipment"]


def test_a_shipment_without_a_link_says_so(manager: Person, order: Place) -> None:
    order_id = moved_to(("confirm",), order(manager).json["id"], manager)

    assert move(order_id, "ship", manager, PARCEL).json["shipment"]["tracking_url"] is None


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"tracking_number": "1"}, "#/carrier"),
        ({"carrier": "DHL"}, "#/tracking_number"),
        (PARCEL | {"carrier": ""}, "#/carrier"),
        (PARCEL | {"tracking_number": "x" * 501}, "#/tracking_number"),
        (PARCEL | {"tracking_url": "http://dhl.example/1"}, "#/tracking_url"),
        (PARCEL | {"tracking_url": "javascript:alert(1)"}, "#/tracking_url"),
        (PARCEL | {"tracking_url": "https://"}, "#/tracking_url"),
        (PARCEL | {"tracking_url": "https://[::1"}, "#/tracking_url"),
        (PARCEL | {"tracking_url": "https://dhl.example/a b"}, "#/tracking_url"),
        (PARCEL | {"tracking_url": "https://dhl.example@evil.example/"}, "#/tracking_url"),
        (PARCEL | {"tracking_url": "https://user:secret@evil.example/"}, "#/tracking_url"),
        (PARCEL | {"tracking_url": "https://dhl.example:99999/"}, "#/tracking_url"),
        (PARCEL | {"tracking_url": "https://dhl.example\\@evil.example/"}, "#/tracking_url"),
        (PARCEL | {"tracking_url": 'https://dhl.example/"><script>'}, "#/tracking_url"),
        (PARCEL | {"shipped_at": "2026-01-01T00:00:00.000Z"}, "#/shipped_at"),
    ],
)
def test_a_shipment_names_carrier_and_number(manager: Person, order: Place, body: Any, place: str) -> None:
    order_id = moved_to(("confirm",), order(manager).json["id"], manager)

    assert places(move(order_id, "ship", manager, body)) == {place}
    assert call("GET", f"{ORDERS}/{order_id}", token=manager.token).json["status"] == "confirmed"


@pytest.mark.parametrize("way", [("confirm", "ship"), ("confirm", "ship", "deliver")], ids=str)
@pytest.mark.parametrize(
    ("body", "left"),
    [(None, (10, 0, 10)), ({"restock": True}, (10, 0, 10)), ({"restock": False, "reason": "Broken"}, (7, 0, 7))],
)
def test_returned_units_go_back_on_sale_unless_the_request_says_otherwise(
    manager: Person, product: Make, way: tuple[str, ...], body: Any, left: tuple[int, int, int]
) -> None:
    bought = product()
    order_id = moved_to(way, post(manager, (bought, 3)).json["id"], manager)

    returned = move(order_id, "return", manager, body)

    assert (returned.status, returned.json["status"]) == (200, "returned")
    assert stock(bought, manager) == left
    entries = call("GET", f"{ORDERS}/{order_id}/history", token=manager.token).json["items"]
    assert entries[-1]["reason"] == (body or {}).get("reason")
    assert returned.json["cancel_reason"] is None


@pytest.mark.parametrize("restock", ["false", 0, None])
def test_whether_to_restock_is_true_or_false(manager: Person, order: Place, restock: Any) -> None:
    order_id = moved_to(("confirm", "ship"), order(manager).json["id"], manager)

    assert places(move(order_id, "return", manager, {"restock": restock})) == {"#/restock"}


def test_delivery_moves_no_stock(manager: Person, product: Make) -> None:
    bought = product()
    order_id = moved_to(("confirm", "ship"), post(manager, (bought, 3)).json["id"], manager)

    assert move(order_id, "deliver", manager).json["status"] == "delivered"
    assert stock(bought, manager) == (7, 0, 7)


@pytest.mark.parametrize("name", ["confirm", "ship", "deliver", "return"])
def test_only_managers_move_an_order_on(customer: Person, order: Place, name: str) -> None:
    order_id = order(customer).json["id"]

    assert_problem(move(order_id, name, customer, BODIES.get(name)), 403, "forbidden")


def test_an_order_can_be_moved_when_its_product_is_archived(manager: Person, product: Make) -> None:
    bought = product(sku="GONE-1")
    order_id = moved_to(("confirm",), post(manager, (bought, 3)).json["id"], manager)
    archived = {"sku": "GONE-1", "name": "Gone", "category": "Tools", "price": 1, "status": "archived"}
    assert call("PUT", f"/api/v1/inventory/products/{bought}", archived, token=manager.token).status == 200

    assert move(order_id, "ship", manager, PARCEL).status == 200
    assert move(order_id, "return", manager).status == 200
    assert stock(bought, manager) == (10, 0, 10)


def test_the_same_key_is_a_different_request_for_each_move(manager: Person, order: Place) -> None:
    order_id = order(manager).json["id"]

    for name in ("confirm", "ship", "deliver", "return"):
        answers = [move(order_id, name, manager, BODIES.get(name), Idempotency_Key="k") for _ in range(2)]

        assert [it.json["status"] for it in answers] == [TARGET[name]] * 2
        assert ["Idempotency-Replayed" in it.headers for it in answers] == [False, True]
    other = move(order_id, "ship", manager, PARCEL | {"carrier": "UPS"}, Idempotency_Key="k")
    assert_problem(other, 422, "idempotency-key-reused")
    replayed = move(order_id, "ship", manager, PARCEL, Idempotency_Key="k")
    assert (replayed.status, replayed.json["status"]) == (200, "returned"), "the current order"


# ---- customers ------------------------------------------------------------------------------------------------------


def account(person: Person) -> User:
    user = get_item(User, user_key(person.id))
    assert user is not None
    return user


def test_managers_see_the_customer_and_customers_see_themselves_nowhere(
    customer: Person, manager: Person, product: Make
) -> None:
    path = f"{ORDERS}/{post(customer, (product(), 1)).json['id']}"
    own = post(manager, (product(), 1)).json

    def seen_by(person: Person) -> list[Any]:
        listed = call("GET", ORDERS, token=person.token).json["items"]
        return [call("GET", path, token=person.token).json, *(it for it in listed if path.endswith(it["id"]))]

    bought_by = {name: getattr(account(customer), name) for name in ("email", "first_name", "last_name")}
    assert [it["customer"] for it in seen_by(manager)] == [bought_by] * 2
    assert own["customer"] == {name: getattr(account(manager), name) for name in bought_by}
    assert all("customer" not in it for it in seen_by(customer))
    for name in ("confirm", "ship", "deliver", "return"):
        moved = move(path.rpartition("/")[2], name, manager, BODIES.get(name))
        assert moved.json["customer"] == bought_by
