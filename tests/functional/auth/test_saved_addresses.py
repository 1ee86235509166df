"""The saved addresses of a user."""

from collections.abc import Callable
from typing import Any

import pytest

from oms.core.dynamodb import client
from oms.identity.models import saved_addresses_key
from oms.identity.saved_addresses import MAX_SAVED_ADDRESSES
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Answer, Person

ADDRESSES = "/api/v1/auth/me/addresses"
HOME = {"name": "Ada Lovelace", "line1": "12 St James's Square", "city": "London", "country": "GB"}
FULL = HOME | {
    "company": "Analytical Engines Ltd",
    "line2": "Second floor",
    "postal_code": "SW1Y 4JH",
    "region": "Greater London",
    "phone": "+44 20 7946 0000",
    "label": "Work",
    "default_shipping": True,
    "default_billing": True,
}


@pytest.fixture
def ada(person: Callable[..., Person]) -> Person:
    return person()


def add(who: Person, body: Any = HOME, **headers: str) -> Answer:
    return call("POST", ADDRESSES, body, token=who.token, headers={it.replace("_", "-"): headers[it] for it in headers})


def on(method: str, who: Person, address: Any, body: Any = None, **headers: str) -> Answer:
    named = {it.replace("_", "-"): headers[it] for it in headers}
    return call(method, f"{ADDRESSES}/{address['id']}", body, token=who.token, headers=named)


def listed(who: Person) -> Any:
    return call("GET", ADDRESSES, token=who.token).json["items"]


def test_an_address_is_saved_with_all_its_fields(ada: Person) -> None:
    answer = add(ada, FULL)

    address = answer.json
    assert (answer.status, answer.headers["ETag"]) == (201, '"1"')
    assert answer.headers["Location"] == f"{ADDRESSES}/{address['id']}"
    assert address == FULL | {name: address[name] for name in ("id", "version", "created_at", "updated_at")}
    assert on("GET", ada, address).json == address
    assert call("GET", ADDRESSES, token=ada.token).json == {"items": [address], "next_cursor": None}


def test_omitted_fields_are_null_and_no_default_is_set(ada: Person) -> None:
    address = add(ada).json

    assert {name for name, value in address.items() if value is None} == {
        *("company", "line2", "postal_code", "region", "phone", "label")
    }
    assert (address["default_shipping"], address["default_billing"]) == (False, False)


def test_it_has_the_form_of_an_orders_address(ada: Person) -> None:
    """A page can send the saved address with an order, without the members that an order does not take."""
    saved = add(ada, FULL).json
    of_saved = {"id", "version", "created_at", "updated_at", "label", "default_shipping", "default_billing"}
    body = {
        "items": [{"product_id": "1", "quantity": 1}],
        "shipping_address": {name: value for name, value in saved.items() if name not in of_saved},
    }

    # The address is valid, and the product is unknown.
    assert_problem(call("POST", "/api/v1/orders/quote", body, token=ada.token), 422, "unknown-product")


def test_wrong_fields_are_refused_by_name(ada: Person) -> None:
    assert places(add(ada, HOME | {"country": "UK", "city": " ", "id": "x"})) == {"#/country", "#/city", "#/id"}
    assert places(add(ada, {})) == {"#/name", "#/line1", "#/city", "#/country"}
    address = add(ada).json
    assert places(on("PATCH", ada, address, {"country": "gb", "name": None, "version": 3})) == {
        *("#/country", "#/name", "#/version")
    }
    assert places(on("PATCH", ada, address, {})) == {"#"}


def test_only_the_fields_that_are_sent_change(ada: Person) -> None:
    address = add(ada, FULL).json

    changed = on("PATCH", ada, address, {"city": "Paris", "country": "FR", "region": None})

    assert (changed.status, changed.headers["ETag"]) == (200, '"2"')
    expected = {"city": "Paris", "country": "FR", "region": None, "version": 2}
    assert changed.json == address | expected | {"updated_at": changed.json["updated_at"]}
    assert listed(ada) == [changed.json]


def test_a_change_of_nothing_keeps_the_version(ada: Person) -> None:
    address = add(ada, FULL).json

    assert on("PATCH", ada, address, {"city": "London"}).json == address


@pytest.mark.parametrize("name", ["default_shipping", "default_billing"])
def test_one_address_at_most_is_the_default(ada: Person, name: str) -> None:
    first, second = add(ada, HOME | {name: True}).json, add(ada).json

    taken = on("PATCH", ada, second, {name: True}).json
    third = add(ada, HOME | {name: True}).json

    assert (taken[name], third[name]) == (True, True)
    # The addresses that lost the flag have a new version.
    assert [(it["id"], it[name], it["version"]) for it in listed(ada)] == [
        (first["id"], False, 2),
        (second["id"], False, 3),
        (third["id"], True, 1),
    ]


def test_a_deleted_address_is_gone(ada: Person) -> None:
    first, second = add(ada).json, add(ada).json

    assert on("DELETE", ada, first).status == 204

    assert [it["id"] for it in listed(ada)] == [second["id"]]
    for method, body in (("GET", None), ("PATCH", {"city": "Paris"}), ("DELETE", None)):
        assert_problem(on(method, ada, first, body), 404, "not-found")


def test_another_users_address_is_not_found(ada: Person, person: Callable[..., Person]) -> None:
    address, other = add(ada).json, person("admin")

    for method, body in (("GET", None), ("PATCH", {"city": "Paris"}), ("DELETE", None)):
        assert_problem(on(method, other, address, body), 404, "not-found")
    assert listed(other) == []
    assert listed(ada) == [address]


def test_a_stale_version_changes_nothing(ada: Person) -> None:
    address = add(ada).json
    current = on("PATCH", ada, address, {"city": "Paris"}, If_Match='"1"').json

    for method, body in (("GET", None), ("PATCH", {"city": "Rome"}), ("DELETE", None)):
        refused = on(method, ada, address, body, If_Match='"1"')
        assert_problem(refused, 412, "stale-version")
        assert refused.headers["ETag"] == '"2"'
    assert listed(ada) == [current]
    assert on("DELETE", ada, address, If_Match='"2"').status == 204


def test_twenty_addresses_are_saved_and_no_more(ada: Person) -> None:
    addresses = [add(ada).json for _ in range(MAX_SAVED_ADDRESSES)]

    assert_problem(add(ada), 409, "too-many-addresses")
    assert listed(ada) == addresses
    assert on("DELETE", ada, addresses[0]).status == 204
    assert add(ada).status == 201


def test_the_largest_list_is_within_the_limit_of_an_item(ada: Person) -> None:
    names = ("name", "company", "line1", "line2", "city", "postal_code", "region")
    longest = dict.fromkeys(names, "\U0001d54f" * 500)
    longest |= {"phone": "\U0001d54f" * 50, "label": "\U0001d54f" * 100, "country": "GB"}

    assert {add(ada, longest).status for _ in range(MAX_SAVED_ADDRESSES)} == {201}

    pk, sk = saved_addresses_key(ada.id)
    item = client().get_item(TableName="identity", Key={"pk": {"S": pk}, "sk": {"S": sk}})["Item"]
    assert len(item["addresses"]["S"].encode()) < 390_000


def test_a_key_saves_an_address_once(ada: Person, person: Callable[..., Person]) -> None:
    first = add(ada, FULL, Idempotency_Key="k")
    changed = on("PATCH", ada, first.json, {"label": "Office"}).json

    again = add(ada, FULL, Idempotency_Key="k")
    other_body = add(ada, HOME, Idempotency_Key="k")
    of_other = add(person(), HOME, Idempotency_Key="k")

    assert (again.status, again.json, again.headers["Idempotency-Replayed"]) == (201, changed, "true")
    assert again.headers["ETag"] == '"2"'
    assert_problem(other_body, 422, "idempotency-key-reused")
    assert of_other.status == 201
    assert "Idempotency-Replayed" not in of_other.headers
    assert len(listed(ada)) == 1


def test_a_replay_comes_before_the_limit(ada: Person) -> None:
    add(ada, Idempotency_Key="k")
    for _ in range(MAX_SAVED_ADDRESSES - 1):
        add(ada)

    assert add(ada, Idempotency_Key="k").headers["Idempotency-Replayed"] == "true"
