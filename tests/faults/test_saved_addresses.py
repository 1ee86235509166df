"""Saved addresses under crashes, lost responses and other requests in between."""

from collections.abc import Callable
from typing import Any

import pytest

from oms.identity.saved_addresses import MAX_SAVED_ADDRESSES
from tests.support.aws_calls import intercepted
from tests.support.faults import between, crashes, lose_answer
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Answer, Person

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

ADDRESSES = "/api/v1/auth/me/addresses"
HOME = {"name": "Ada", "line1": "1 High St", "city": "London", "country": "GB"}


def add(who: Person, body: Any = HOME, key: str | None = None) -> Answer:
    return call("POST", ADDRESSES, body, token=who.token, headers={"Idempotency-Key": key} if key else {})


def listed(who: Person) -> Any:
    return call("GET", ADDRESSES, token=who.token).json["items"]


def on(method: str, who: Person, address: Any, body: Any = None, **headers: str) -> Answer:
    return call(method, f"{ADDRESSES}/{address['id']}", body, token=who.token, headers=headers)


def test_an_address_is_saved_once_after_a_crash_anywhere(person: Callable[..., Person]) -> None:
    points = 0
    for name, who in crashes(person, lambda who: add(who, key="k")):
        points += 1
        assert len(listed(who)) <= 1, name
        assert add(who, key="k").status == 201, name
        assert len(listed(who)) == 1, name
    assert points == 6


@pytest.mark.parametrize("action", ["add", "change", "delete"])
def test_a_lost_response_is_no_second_change(person: Callable[..., Person], action: str) -> None:
    who = person()
    address = add(who).json
    with intercepted(lose_answer("UpdateItem")):
        answer = {
            "add": lambda: add(who),
            "change": lambda: on("PATCH", who, address, {"city": "Paris"}, **{"If-Match": '"1"'}),
            "delete": lambda: on("DELETE", who, address, **{"If-Match": '"1"'}),
        }[action]()

    assert answer.status == {"add": 201, "change": 200, "delete": 204}[action]
    assert "Idempotency-Replayed" not in answer.headers
    assert len(listed(who)) == {"add": 2, "change": 1, "delete": 0}[action]
    if action == "change":
        assert [(it["city"], it["version"]) for it in listed(who)] == [("Paris", 2)]


def test_of_two_requests_for_the_last_place_one_is_refused(person: Callable[..., Person]) -> None:
    who = person()
    for _ in range(MAX_SAVED_ADDRESSES - 1):
        assert add(who).status == 201

    # After the read of the addresses, which is the second call.
    with intercepted(between(2, lambda: add(who), after=True)):
        refused = add(who)

    assert_problem(refused, 409, "too-many-addresses")
    assert len(listed(who)) == MAX_SAVED_ADDRESSES


def test_the_first_two_addresses_at_once_are_both_saved(person: Callable[..., Person]) -> None:
    who = person()

    with intercepted(between(2, lambda: add(who), after=True)):
        assert add(who).status == 201

    assert len(listed(who)) == 2


def test_two_defaults_at_once_leave_one(person: Callable[..., Person]) -> None:
    who = person()
    first, second = add(who).json, add(who).json

    def other() -> None:
        assert on("PATCH", who, second, {"default_billing": True}).status == 200

    with intercepted(between(2, other, after=True)):
        assert on("PATCH", who, first, {"default_billing": True}).status == 200

    assert [it["default_billing"] for it in listed(who)] == [True, False]


def test_a_change_of_another_address_is_no_stale_version(person: Callable[..., Person]) -> None:
    who = person()
    first, second = add(who).json, add(who).json

    with intercepted(between(2, lambda: on("PATCH", who, second, {"city": "Rome"}), after=True)):
        changed = on("PATCH", who, first, {"city": "Paris"}, **{"If-Match": '"1"'})

    assert changed.status == 200
    assert [it["city"] for it in listed(who)] == ["Paris", "Rome"]


def test_a_change_of_the_same_address_meanwhile_is_a_stale_version(person: Callable[..., Person]) -> None:
    who = person()
    address = add(who).json

    with intercepted(between(2, lambda: on("PATCH", who, address, {"city": "Rome"}), after=True)):
        refused = on("PATCH", who, address, {"city": "Paris"}, **{"If-Match": '"1"'})

    assert_problem(refused, 412, "stale-version")
    assert [it["city"] for it in listed(who)] == ["Rome"]


def test_an_address_that_is_deleted_meanwhile_does_not_return(person: Callable[..., Person]) -> None:
    who = person()
    address = add(who).json

    with intercepted(between(2, lambda: on("DELETE", who, address), after=True)):
        assert_problem(on("PATCH", who, address, {"city": "Paris"}), 404, "not-found")

    assert listed(who) == []
