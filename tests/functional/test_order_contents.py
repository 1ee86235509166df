"""The addresses, the purchase order, the metadata and the tags of an order."""

import json
from typing import Any

import pytest

from oms.orders.models import Order
from tests.support.event_bus import published
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Person
from tests.support.mail import Ses, notify, set_up
from tests.support.orders import Make, Place, post
from tests.support.streams import streamed

ADDRESS = {"name": "Ada", "line1": "1 Main St", "city": "Bonn", "postal_code": "53111", "country": "DE"}
WHOLE = ADDRESS | {"company": "Ada & Co.", "phone": "+49 228 000000", "line2": None, "region": None}
UNSET = {"billing_address": None, "purchase_order": None, "metadata": {}}


def test_an_order_shows_what_its_customer_sent(customer: Person, product: Make) -> None:
    sent = {"billing_address": WHOLE, "purchase_order": " PO-7 ", "metadata": {"cart": "c 1", "Ünï": "a\nb"}}

    placed = post(customer, (product(), 1), shipping_address=ADDRESS, **sent)

    assert placed.status == 201, placed.text
    assert {name: placed.json[name] for name in UNSET} == sent | {"purchase_order": "PO-7"}
    assert placed.json["shipping_address"] == WHOLE | {"company": None, "phone": None}
    assert call("GET", placed.headers["Location"], token=customer.token).json == placed.json


@pytest.mark.parametrize("sent", [{}, {"billing_address": None, "purchase_order": "\u200b", "metadata": {}}])
def test_what_is_unset_is_null_or_empty(customer: Person, manager: Person, product: Make, sent: dict[str, Any]) -> None:
    placed = post(customer, (product(), 1), **sent)

    assert {name: placed.json[name] for name in UNSET} == UNSET
    assert "tags" not in placed.json
    assert call("GET", placed.headers["Location"], token=manager.token).json["tags"] == []


def test_an_order_of_an_earlier_version_is_shown_whole(manager: Person, order: Place) -> None:
    placed = order(manager, shipping_address=ADDRESS)
    stored = Order(placed.json["id"])
    stored.refresh()
    stored.shipping_address = {name: value for name, value in stored.shipping_address.items() if value}
    stored.shipping_address |= {"line2": None, "region": None}
    stored.save()

    assert call("GET", placed.headers["Location"], token=manager.token).json == placed.json


def test_tags_have_one_form_and_no_customer_sees_them(manager: Person, customer: Person, product: Make) -> None:
    with streamed("orders") as records:
        placed = post(manager, (product(), 1), tags=[" Whole\u00a0 Sale", "gift", "GIFT", "straße"])

    assert placed.json["tags"] == ["gift", "straße", "whole sale"]
    (event,) = published(records)
    assert event["data"]["tags"] == placed.json["tags"]


@pytest.mark.parametrize("path", ["", "/quote"])
@pytest.mark.parametrize("tags", [["gift"], [], None, "gift", [1]])
def test_a_customer_may_not_send_tags(customer: Person, product: Make, tags: Any, path: str) -> None:
    body = {"items": [{"product_id": product(), "quantity": 1}], "tags": tags}

    answer = call("POST", f"/api/v1/orders{path}", body, token=customer.token)

    assert "`tags`" in assert_problem(answer, 403, "forbidden")["detail"]


@pytest.mark.parametrize(
    ("sent", "place"),
    [
        ({"metadata": {f"k{number}": "v" for number in range(51)}}, "#/metadata"),
        ({"metadata": {"k" * 41: "v"}}, f"#/metadata/{'k' * 41}"),
        ({"metadata": {"": "v"}}, "#/metadata/"),
        ({"metadata": {"k": "v" * 501}}, "#/metadata/k"),
        ({"metadata": {"k": " "}}, "#/metadata/k"),
        ({"metadata": {"k": "a\x01"}}, "#/metadata/k"),
        ({"metadata": {"k": 1}}, "#/metadata/k"),
        ({"metadata": {"k": None}}, "#/metadata/k"),
        ({"metadata": {f"k{number}": "🛒" * 500 for number in range(15)}}, "#/metadata"),
        ({"tags": ["a,b"]}, "#/tags/0"),
        ({"tags": ["x", " "]}, "#/tags/1"),
        ({"tags": ["x" * 41]}, "#/tags/0"),
        ({"tags": [f"{number}" for number in range(21)]}, "#/tags"),
        ({"purchase_order": "1\n2"}, "#/purchase_order"),
        ({"purchase_order": "1" * 101}, "#/purchase_order"),
        ({"billing_address": ADDRESS | {"phone": "1" * 51}}, "#/billing_address/phone"),
        ({"billing_address": ADDRESS | {"company": "a\nb"}}, "#/billing_address/company"),
    ],
    ids=lambda it: it if isinstance(it, str) else "",
)
def test_values_without_their_form_are_refused(
    manager: Person, product: Make, sent: dict[str, Any], place: str
) -> None:
    answer = post(manager, (product(), 1), **sent)

    assert answer.status == 422
    assert places(answer) == {place}


def test_metadata_of_ascii_text_is_stored_at_its_largest(customer: Person, product: Make) -> None:
    metadata = {f"{number:040}": "x" * 500 for number in range(50)}

    assert post(customer, (product(), 1), metadata=metadata).json["metadata"] == metadata


def test_an_event_has_metadata_and_no_billing_address(customer: Person, product: Make) -> None:
    with streamed("orders") as records:
        post(customer, (product(), 1), billing_address=WHOLE, metadata={"cart": "1"}, purchase_order="PO-7")

    (event,) = published(records)
    assert event["data"]["metadata"] == {"cart": "1"}
    assert event["data"]["purchase_order"] == "PO-7"
    assert "billing_address" not in event["data"]


def test_mails_show_the_purchase_order_and_the_company(
    person: Any, product: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    ses: Ses = set_up(monkeypatch)
    ada = person(email="ada@example.com", email_verified=True)
    with streamed("orders") as records:
        post(ada, (product(), 1), shipping_address=WHOLE, purchase_order="PO-7")
    (event,) = published(records)
    earlier = event | {"id": f"{event['id'][:8]}{'0' * 16}", "data": dict(event["data"])}
    for name in ("purchase_order", "metadata", "tags"):
        del earlier["data"][name]
    earlier["data"]["shipping_address"] = ADDRESS | {"line2": None, "region": None}

    assert notify(json.dumps(event), json.dumps(earlier)) == []

    assert "Your purchase order: PO-7" in ses.texts[0]
    assert "Ada & Co." in ses.texts[0]
    assert "purchase order" not in ses.texts[1]
