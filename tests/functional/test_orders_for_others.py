"""Orders that a manager or a service key sends for a customer, or with the id of another system."""

from collections.abc import Callable
from typing import Any

import pytest

from oms.core.dynamodb import get_item, put_item
from oms.identity.models import IdentityItem, user_key
from oms.orders.models import Order
from oms.orders.service import external_order_id
from tests.support.aws_calls import recorded
from tests.support.event_bus import entries_of, published
from tests.support.faults import crashes
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Answer, Person
from tests.support.mail import Ses, notify, set_up
from tests.support.orders import ORDERS, Make, stock
from tests.support.service_keys import a_key
from tests.support.shop import orders_stored
from tests.support.streams import streamed

CONTACT = {"email": "Ada@Example.org", "name": "Ada Lovelace", "phone": "+33 4 72 00 00 00", "locale": "fr-FR"}
SHOWN_CONTACT = CONTACT | {"email": "Ada@example.org"}
REF = {"channel": "amazon-de", "id": "302-1234567"}


def place(token: str, *lines: tuple[str, int], key: str | None = None, **fields: Any) -> Answer:
    items = [{"product_id": product_id, "quantity": quantity} for product_id, quantity in lines]
    headers = {"Idempotency-Key": key} if key else None
    return call("POST", ORDERS, {"items": items, **fields}, token=token, headers=headers)


def placed(token: str, *lines: tuple[str, int], **fields: Any) -> Any:
    answer = place(token, *lines, **fields)
    assert answer.status == 201, answer.text
    return answer.json


@pytest.fixture
def key(cloud: None) -> str:
    """A service key that takes orders and reads them."""
    return a_key("orders:create", "orders:read").text


@pytest.fixture
def disable() -> Callable[[Person], None]:
    def change(person: Person) -> None:
        user = get_item(IdentityItem, user_key(person.id))
        assert user is not None
        user.status = "disabled"
        put_item(user)

    return change


# ---- for a customer -------------------------------------------------------------------------------------------------


def test_a_manager_orders_for_a_customer(manager: Person, customer: Person, product: Make) -> None:
    bought = product(stock=10)

    order = placed(manager.token, (bought, 2), customer={"id": customer.id})

    assert order["customer_id"] == customer.id
    assert order["customer"]["email"] == f"{customer.id.lower()}@example.com"
    assert (order["contact"], order["channel"], order["external_ref"], order["locale"]) == (None, None, None, None)
    path = f"{ORDERS}/{order['id']}"
    (entry,) = call("GET", f"{path}/history", token=manager.token).json["items"]
    assert (entry["actor_id"], entry["actor_role"]) == (manager.id, "manager")
    own = call("GET", path, token=customer.token)
    assert own.status == 200
    assert "customer" not in own.json
    assert call("GET", ORDERS, token=customer.token).json["items"] == [own.json]
    assert call("GET", ORDERS + f"?customer_id={customer.id}", token=manager.token).json["items"] == [order]


def test_a_key_orders_for_a_contact(manager: Person, key: str, product: Make) -> None:
    bought = product(stock=10)

    with streamed("orders") as records:
        order = placed(key, (bought, 2), customer=CONTACT)

    assert order["contact"] == SHOWN_CONTACT
    assert (order["customer_id"], order["customer"], order["locale"]) == (None, None, "fr-FR")
    path = f"{ORDERS}/{order['id']}"
    assert call("GET", path, token=manager.token).json == order
    assert call("GET", ORDERS, token=manager.token).json["items"] == [order]
    (event,) = published(records)
    assert event["actor"]["role"] == "service"
    assert (event["data"]["customer_id"], event["data"]["locale"]) == (None, "fr-FR")
    assert not {"contact", "customer"} & event["data"].keys()
    assert "xample.org" not in str(event)
    assert "Lovelace" not in str(event)
    for move in ("confirm", "cancel"):
        assert call("POST", f"{path}/{move}", token=manager.token).status == 200
    assert stock(bought, manager)[0] == 10


def test_customers_see_no_order_of_a_contact(customer: Person, key: str, product: Make) -> None:
    order = placed(key, (product(), 1), customer=CONTACT)

    assert_problem(call("GET", f"{ORDERS}/{order['id']}", token=customer.token), 404, "not-found")
    assert call("GET", ORDERS, token=customer.token).json["items"] == []


def test_a_key_without_orders_read_sees_no_contact(product: Make) -> None:
    order = placed(a_key("orders:create").text, (product(), 1), customer=CONTACT)

    assert not {"contact", "customer"} & order.keys()


def test_a_key_must_name_the_customer(key: str, product: Make) -> None:
    assert places(place(key, (product(), 1))) == {"#/customer"}


def test_a_manager_without_a_customer_orders_for_themselves(manager: Person, product: Make) -> None:
    assert placed(manager.token, (product(), 1))["customer_id"] == manager.id


@pytest.mark.parametrize("field", [{"customer": CONTACT}, {"customer": {"id": "x"}}, {"external_ref": REF}])
@pytest.mark.parametrize("path", [ORDERS, f"{ORDERS}/quote"])
def test_customers_may_not_order_for_others(customer: Person, product: Make, field: Any, path: str) -> None:
    body = {"items": [{"product_id": product(), "quantity": 1}], **field}

    assert_problem(call("POST", path, body, token=customer.token), 403, "forbidden")
    assert orders_stored() == []


@pytest.mark.parametrize(
    "named", [{}, {"id": "x", "email": "a@example.org"}, {"id": "x", "name": "Ada"}, {"name": "Ada", "phone": "1"}]
)
def test_a_customer_is_an_account_or_a_contact(key: str, product: Make, named: dict[str, str]) -> None:
    assert places(place(key, (product(), 1), customer=named)) == {"#/customer"}


@pytest.mark.parametrize("named", [{"email": "ada"}, {"locale": "french"}, {"name": "A\nB"}, {"phone": "1\n2"}])
def test_a_contact_has_checked_fields(key: str, product: Make, named: dict[str, str]) -> None:
    answer = place(key, (product(), 1), customer={"email": "ada@example.org"} | named)

    assert places(answer) == {f"#/customer/{next(iter(named))}"}


def test_unknown_and_disabled_accounts_are_refused(
    key: str, customer: Person, disable: Callable[[Person], None], product: Make
) -> None:
    bought = product(stock=10)
    disable(customer)

    for user_id in (customer.id, "unknown"):
        problem = assert_problem(place(key, (bought, 1), customer={"id": user_id}), 422, "unknown-customer")
        assert problem["errors"][0]["pointer"] == "#/customer/id"
    assert orders_stored() == []


def test_a_replay_is_answered_although_the_account_is_disabled(
    key: str, customer: Person, disable: Callable[[Person], None], product: Make
) -> None:
    bought = product(stock=10)
    first = place(key, (bought, 1), customer={"id": customer.id}, key="k")
    disable(customer)

    again = place(key, (bought, 1), customer={"id": customer.id}, key="k")

    assert (again.status, again.headers.get("Idempotency-Replayed")) == (201, "true")
    assert again.json == first.json


def test_the_same_key_of_two_senders_is_two_orders(key: str, manager: Person, product: Make) -> None:
    bought = product(stock=10)

    ids = {placed(sender, (bought, 1), customer=CONTACT, key="k")["id"] for sender in (key, manager.token)}

    assert len(ids) == 2


def test_a_key_prices_an_order(key: str, product: Make) -> None:
    body = {"items": [{"product_id": product(price="5.00"), "quantity": 2}], "customer": CONTACT}

    assert call("POST", f"{ORDERS}/quote", body, token=key).json["total"] == "10.00"


def test_two_calls_place_an_order_for_a_contact_and_three_for_an_account(
    customer: Person, key: str, product: Make
) -> None:
    bought = product(stock=10)
    placed(key, (bought, 1), customer=CONTACT)

    for named, calls in ((CONTACT, 2), ({"id": customer.id}, 3)):
        with recorded() as made:
            placed(key, (bought, 1), customer=named)
        assert len(made) == calls, made


# ---- with an external reference -------------------------------------------------------------------------------------


def test_a_reference_names_one_order_for_all_senders(key: str, manager: Person, product: Make) -> None:
    bought = product(stock=10)
    first = place(key, (bought, 2), customer=CONTACT, external_ref=REF)

    again = [place(token, (bought, 2), customer=CONTACT, external_ref=REF) for token in (key, manager.token)]

    assert first.status == 201
    assert "Idempotency-Replayed" not in first.headers
    assert (first.json["external_ref"], first.json["channel"]) == (REF, "amazon-de")
    assert first.json["id"] == external_order_id(REF["channel"], REF["id"])
    for answer in again:
        assert (answer.status, answer.headers.get("Idempotency-Replayed")) == (201, "true")
        assert answer.json == first.json
    assert stock(bought, manager)[0] == 8


def test_a_reference_with_other_content_is_taken(key: str, manager: Person, product: Make) -> None:
    bought = product(stock=10)
    first = placed(key, (bought, 2), customer=CONTACT, external_ref=REF)

    for token in (key, manager.token):
        answer = place(token, (bought, 3), customer=CONTACT, external_ref=REF)
        assert assert_problem(answer, 409, "external-ref-taken")["order_id"] == first["id"]
    assert stock(bought, manager)[0] == 8


def test_a_senders_own_order_is_not_the_order_of_another_sender(
    key: str, manager: Person, admin: Person, product: Make
) -> None:
    bought = product(stock=10)
    first = placed(manager.token, (bought, 2), external_ref=REF)

    assert placed(manager.token, (bought, 2), external_ref=REF) == first
    for token in (admin.token, key):
        answer = place(token, (bought, 2), external_ref=REF)
        assert assert_problem(answer, 409, "external-ref-taken")["order_id"] == first["id"]


def test_a_reference_prevails_over_an_idempotency_key(key: str, product: Make) -> None:
    bought = product(stock=10)
    ids = [
        placed(key, (bought, 1), customer=CONTACT, external_ref=REF | {"id": number}, key="same")["id"]
        for number in ("1", "2", "1")
    ]

    assert ids[0] == ids[2] != ids[1]


def test_a_replay_by_reference_is_answered_without_stock(key: str, product: Make) -> None:
    bought = product(stock=1)
    first = placed(key, (bought, 1), customer=CONTACT, external_ref=REF)

    assert placed(key, (bought, 1), customer=CONTACT, external_ref=REF) == first


@pytest.mark.parametrize(
    "ref", [{"channel": "Amazon"}, {"channel": "a:b"}, {"channel": ""}, {"id": " "}, {"id": "x" * 129}]
)
def test_a_reference_has_checked_fields(key: str, product: Make, ref: dict[str, str]) -> None:
    answer = place(key, (product(), 1), customer=CONTACT, external_ref=REF | ref)

    assert places(answer) == {f"#/external_ref/{next(iter(ref))}"}


def test_events_have_the_reference(key: str, product: Make) -> None:
    with streamed("orders") as records:
        placed(key, (product(), 1), customer=CONTACT, external_ref=REF)

    (event,) = published(records)
    assert (event["data"]["channel"], event["data"]["external_ref"]) == ("amazon-de", REF)


def test_a_crash_at_any_call_leaves_one_order_by_reference(key: str, customer: Person, product: Make) -> None:
    numbers = iter(range(1000))

    def begin() -> tuple[str, dict[str, Any]]:
        return product(stock=1), {"customer": {"id": customer.id}, "external_ref": REF | {"id": str(next(numbers))}}

    def act(begun: tuple[str, dict[str, Any]]) -> None:
        place(key, (begun[0], 1), **begun[1])

    for where, (bought, fields) in crashes(begin, act):
        again = place(key, (bought, 1), **fields)
        assert again.status == 201, where
        assert [order.id for order in orders_stored() if order.lines[0].product_id == bought] == [again.json["id"]]


# ---- mails ----------------------------------------------------------------------------------------------------------


def test_a_contact_gets_the_mails_of_the_order(
    key: str, manager: Person, product: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    ses: Ses = set_up(monkeypatch)
    with streamed("orders") as records:
        order = placed(key, (product(), 1), customer=CONTACT, note="my secret")
        path = f"{ORDERS}/{order['id']}"
        call("POST", f"{path}/confirm", token=manager.token)
        call("POST", f"{path}/cancel", {"reason": "Sold out"}, token=manager.token)

    for entry in entries_of(records):
        notify(entry["Detail"])
        notify(entry["Detail"])

    assert ses.recipients == ["Ada@example.org"] * 3
    assert not [text for text in ses.texts if "Lovelace" in text or "my secret" in text]


def test_the_stored_order_has_its_sender_and_no_customer(key: str, product: Make) -> None:
    order = get_item(Order, placed(key, (product(), 1), customer=CONTACT)["id"])

    assert order is not None
    assert order.history[0].actor_role == "service"
    assert "customer_id" not in order.serialize()
