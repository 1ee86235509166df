"""F3: the change was made and its answer was lost; the client repeats the request, at once or much later."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from oms.core import clock
from oms.core.dynamodb import put_item
from oms.identity import tokens
from oms.identity.models import Session, session_key
from tests.support.aws_calls import intercepted
from tests.support.faults import lose_answer
from tests.support.invocation import Person
from tests.support.shop import Shop, new_process, stock_of

LATER = pytest.mark.parametrize(
    "later", [timedelta(), timedelta(minutes=11), timedelta(days=8)], ids=["at once", "11 minutes", "8 days"]
)


def signed_in_again(person: Person) -> Person:
    """Returns the same user with a new session, since tokens and sessions end."""
    now, session_id = clock.now(), clock.random_id()
    at = clock.timestamp(now)
    put_item(
        Session(
            *session_key(person.id, session_id),
            id=session_id,
            user_id=person.id,
            epoch=0,
            current="none",
            created_at=at,
            refreshed_at=at,
            address="198.51.100.1",
            user_agent="tests",
            expires_at=int((now + timedelta(days=7)).timestamp()),
        )
    )
    token = tokens.issue(user_id=person.id, session_id=session_id, role=person.role, now=now)
    return replace(person, session_id=session_id, token=token)


@LATER
def test_f03_the_last_unit_bought_is_answered_by_its_order(
    shop: Shop, time_machine: Callable[[timedelta], None], later: timedelta
) -> None:
    cart = {shop.product(1): 1}
    lost = shop.buy(cart, key="k")
    assert lost.status == 201

    time_machine(later)
    new_process()
    again = shop.buy(cart, key="k", by=signed_in_again(shop.customer))

    assert (again.status, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert again.json == lost.json
    assert again.headers["Location"] == lost.headers["Location"]
    assert len(shop.check_stock()) == 1


@LATER
def test_f03_the_order_comes_as_it_is_by_now(
    shop: Shop, time_machine: Callable[[timedelta], None], later: timedelta
) -> None:
    cart = {shop.product(5): 2}
    lost = shop.buy(cart, key="k")
    time_machine(timedelta(minutes=31))
    shop.sweep()

    time_machine(later)
    again = shop.buy(cart, key="k", by=signed_in_again(shop.customer))

    assert (again.status, again.json["id"], again.json["status"]) == (201, lost.json["id"], "expired")
    assert stock_of(*cart).available == 5
    shop.check_stock()


@LATER
@pytest.mark.parametrize("change", ["archived", "price"])
def test_f03_later_changes_of_the_product_do_not_matter(
    shop: Shop, time_machine: Callable[[timedelta], None], later: timedelta, change: str
) -> None:
    cart = {shop.product(5): 2}
    lost = shop.buy(cart, key="k")
    shop.reprice(*cart, "99.00", status="archived" if change == "archived" else "active")

    time_machine(later)
    new_process()
    again = shop.buy(cart, key="k", by=signed_in_again(shop.customer))

    assert (again.status, again.json) == (201, lost.json)


@LATER
def test_f03_a_move_is_answered_by_the_order_as_it_is(
    shop: Shop, time_machine: Callable[[timedelta], None], later: timedelta
) -> None:
    placed = shop.buy({shop.product(5): 2})
    path = f"/api/v1/orders/{placed.json['id']}"
    assert shop.post(f"{path}/confirm", key="k", by=shop.manager).status == 200
    assert shop.post(f"{path}/cancel").status == 200

    time_machine(later)
    again = shop.post(f"{path}/confirm", key="k", by=signed_in_again(shop.manager))

    assert (again.status, again.headers["Idempotency-Replayed"]) == (200, "true")
    assert (again.json["status"], again.json["version"]) == ("cancelled", 3)
    shop.check_stock()


@pytest.mark.parametrize("key", ["k", None])
def test_f03_the_last_unit_is_not_out_of_stock_within_the_request(
    shop: Shop, no_sleep: list[float], key: str | None
) -> None:
    cart = {shop.product(1): 1}

    with intercepted(lose_answer("TransactWriteItems")):
        placed = shop.buy(cart, key=key)

    assert placed.status == 201, placed.text
    assert [order.id for order in shop.check_stock()] == [placed.json["id"]]
    assert ("Idempotency-Replayed" in placed.headers) == (key is not None)
