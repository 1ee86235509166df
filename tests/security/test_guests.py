"""A38: guests order without a token, where the setting `guest_checkout` is on, and an order token opens one order."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from oms.core import clock, guests
from oms.core.dynamodb import update_item
from oms.core.guests import token_of_order
from oms.identity import user_limits
from oms.identity.user_limits import Leases
from oms.orders.models import Order
from tests.support.aws_calls import recorded
from tests.support.deployment import deployed_with
from tests.support.event_bus import entries_of, published
from tests.support.faults import crashes
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Answer, Person
from tests.support.mail import notify, set_up
from tests.support.orders import ORDERS, Make, stock
from tests.support.roles import OPERATIONS
from tests.support.service_keys import a_key
from tests.support.shop import orders_stored
from tests.support.streams import streamed

EMAIL = "ada@example.org"
KEY = "6f1c8b0e-2d7e-4a55-9f0b-0c8f7f1f4a10"
HOLD = timedelta(minutes=30)


@pytest.fixture(autouse=True)
def checkout(cloud: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(user_limits, "ADDRESS_LEASES", Leases("address"))
    with deployed_with(GUEST_CHECKOUT="true", STAGE="local"):
        yield


def order(product_id: str, quantity: int = 1, *, email: str = EMAIL, key: str | None = None, **options: Any) -> Answer:
    body = {"items": [{"product_id": product_id, "quantity": quantity}], "customer": {"email": email}}
    headers = {"Idempotency-Key": key} if key else None
    return call("POST", ORDERS, body | options.pop("fields", {}), headers=headers, **options)


def ordered(product_id: str, *arguments: Any, **options: Any) -> Any:
    answer = order(product_id, *arguments, **options)
    assert answer.status == 201, answer.text
    return answer.json


def path_of(placed: Any) -> str:
    return f"{ORDERS}/{placed['id']}"


# ---- placing --------------------------------------------------------------------------------------------------------


def test_a38_without_the_setting_a_guest_is_refused(product: Make) -> None:
    with deployed_with(GUEST_CHECKOUT="false"):
        assert_problem(order(product()), 401, "unauthenticated")
    assert orders_stored() == []


def test_a_guest_orders_and_gets_a_token(product: Make, manager: Person) -> None:
    bought = product(stock=10)

    with streamed("orders") as records:
        placed = ordered(bought, 2)

    assert placed["customer_id"] is None
    assert placed["contact"] == {"email": EMAIL, "name": None, "phone": None, "locale": None}
    assert placed["order_token"].startswith(f"omso_local_{placed['id']}_")
    assert stock(bought, manager)[:2] == (8, 2)
    (event,) = published(records)
    assert event["actor"] == {"id": "guest", "role": "guest"}
    assert EMAIL not in str(event)
    assert placed["order_token"] not in str(event)


def test_a_guests_order_has_the_shorter_hold(product: Make) -> None:
    with deployed_with(UNVERIFIED_HOLD_SECONDS="600"):
        placed = ordered(product())

    assert clock.instant(placed["expires_at"]) - clock.instant(placed["created_at"]) == timedelta(minutes=10)


def test_a_guest_names_a_contact_only(product: Make) -> None:
    bought = product()

    assert places(order(bought, fields={"customer": None})) == {"#/customer"}
    assert places(order(bought, fields={"customer": {"id": "YVT65M7QNAW9TXAQ7PHA"}})) == {"#/customer/email"}
    for field in ({"external_ref": {"channel": "a", "id": "1"}}, {"tags": ["vip"]}):
        assert_problem(order(bought, fields=field), 403, "forbidden")
    assert orders_stored() == []


def test_a38_a_replay_has_the_token_again_and_its_key_is_no_guess(product: Make) -> None:
    bought = product(stock=10)

    first, again = order(bought, key=KEY), order(bought, key=KEY)

    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json == first.json
    assert_problem(order(bought, 2, key=KEY), 422, "idempotency-key-reused")
    assert_problem(order(bought, key=KEY, email="eve@example.org"), 422, "idempotency-key-reused")
    assert places(order(bought, key="1")) == {"Idempotency-Key:"}


def test_a_crash_at_any_call_leaves_one_order(product: Make) -> None:
    def begin() -> tuple[str, str]:
        return product(stock=1), clock.random_id()

    numbers = iter(range(1000))
    for where, (bought, key) in crashes(begin, lambda it: order(it[0], key=it[1], email=f"a{it[1]}@example.org")):
        again = order(bought, key=key, email=f"a{key}@example.org")
        assert again.status == 201, (where, next(numbers))
        assert len([it for it in orders_stored() if it.lines[0].product_id == bought]) == 1


def test_a_guest_makes_two_calls(product: Make) -> None:
    bought = product(stock=10)
    ordered(bought)

    with recorded() as calls:
        placed = ordered(bought, email="eve@example.org")
    assert len(calls) <= 2, calls
    call("GET", path_of(placed), token=placed["order_token"])
    with recorded() as calls:
        call("GET", path_of(placed), token=placed["order_token"])
    assert len(calls) == 1, calls


def test_a_guest_gets_the_mails(product: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    ses = set_up(monkeypatch)
    with streamed("orders") as records:
        placed = ordered(product())
        call("POST", f"{path_of(placed)}/cancel", token=placed["order_token"])

    for entry in entries_of(records):
        notify(entry["Detail"])

    assert ses.recipients == [EMAIL, EMAIL]


# ---- limits ---------------------------------------------------------------------------------------------------------


def test_a38_a_mailbox_places_three_orders_in_the_time_of_a_hold(
    product: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    bought = product(stock=100)
    for number, email in enumerate((EMAIL, "Ada@Example.org", "ada+shop@example.org")):
        ordered(bought, email=email, address=f"198.51.100.{number}")

    refused = order(bought, address="198.51.100.9")
    other = order(bought, email="eve@example.org")

    assert_problem(refused, 429, "too-many-requests")
    assert refused.headers["RateLimit-Policy"] == '"contact-orders";q=3;w=1800'
    assert 0 < int(refused.headers["Retry-After"]) <= 1800
    assert other.status == 201
    later = clock.now() + HOLD
    monkeypatch.setattr(clock, "now", lambda: later)
    assert order(bought).status == 201


def test_a38_a_client_address_places_few_orders_in_the_time_of_a_hold(product: Make) -> None:
    bought = product(stock=100)
    with deployed_with(GUEST_ORDERS="2"):
        for number in range(2):
            ordered(bought, email=f"a{number}@example.org")

        refused = order(bought, email="a3@example.org")

        assert_problem(refused, 429, "too-many-requests")
        assert order(bought, email="a3@example.org", address="203.0.113.7").status == 201


def test_a38_a_guest_has_the_limits_of_an_unverified_customer(product: Make) -> None:
    assert_problem(order(product(stock=1000), 51), 409, "order-limit-exceeded")
    assert_problem(order(product(stock=10), 5), 409, "order-limit-exceeded")


def test_a38_without_open_orders_of_unverified_customers_no_guest_orders(product: Make) -> None:
    bought = product(stock=100)
    with deployed_with(UNVERIFIED_OPEN_ORDERS_LIMIT="0"):
        assert_problem(order(bought), 409, "too-many-open-orders")
        assert order(bought, token=a_key("orders:create").text).status == 201


def test_a38_contacts_of_service_keys_are_limited_by_their_mailbox(product: Make) -> None:
    bought, key = product(stock=100), a_key("orders:create").text

    statuses = [order(bought, token=key).status for _ in range(11)]

    assert statuses == [201] * 10 + [429]


def test_managers_place_any_number_of_orders_for_a_contact(product: Make, manager: Person) -> None:
    bought = product(stock=100)

    assert {order(bought, token=manager.token).status for _ in range(12)} == {201}


# ---- the token ------------------------------------------------------------------------------------------------------


def test_an_order_token_reads_and_cancels_its_order(product: Make) -> None:
    placed = ordered(product())
    token, path = placed["order_token"], path_of(placed)

    read = call("GET", path, token=token)
    history = call("GET", f"{path}/history", token=token)
    cancelled = call("POST", f"{path}/cancel", {"reason": "Mistake"}, token=token)

    assert read.json == placed | {"order_token": None}
    assert history.json["items"][0]["actor_role"] == "guest"
    assert (cancelled.status, cancelled.json["status"]) == (200, "cancelled")


def test_a38_an_order_token_opens_no_other_order_and_no_other_route(product: Make) -> None:
    bought = product(stock=10)
    placed, other = ordered(bought), ordered(bought, email="eve@example.org")
    token = placed["order_token"]

    assert_problem(call("GET", path_of(other), token=token), 404, "not-found")
    assert_problem(call("POST", f"{path_of(other)}/cancel", token=token), 404, "not-found")
    opened = set()
    for name, (path, method, operation) in OPERATIONS.items():
        if operation["x-role"] == "public":
            continue
        answer = call(method, path.replace("{order_id}", placed["id"]).replace("{", "").replace("}", ""), token=token)
        if answer.status == 200:
            opened.add(name)
        else:
            assert answer.status == 403, (name, answer.text)
    assert opened == {"get_order", "get_order_history", "cancel_order"}


def changed(token: str, position: int) -> str:
    other = "0" if token[position] != "0" else "1"
    return token[:position] + other + token[position + 1 :]


def test_a38_a_changed_token_is_refused_without_a_read(product: Make) -> None:
    placed = ordered(product())
    token, path = placed["order_token"], path_of(placed)
    # A forged end or counter, with a checksum that fits.
    parts = token.split("_")
    end, counter = str(int(parts[4]) + 1), str(int(parts[3]) + 1)
    forged = ["_".join([*parts[:4], end, parts[5][:43]]), "_".join([*parts[:3], counter, parts[4], parts[5][:43]])]
    wrong = [changed(token, place) for place in range(5, len(token), 7)]
    wrong += [f"{text}{guests.checksum(text)}" for text in forged]

    with recorded() as calls:
        statuses = [call("GET", path, token=text).status for text in wrong]

    assert set(statuses) == {401}
    assert calls == []


def test_a38_a_token_ends_after_90_days_and_with_a_higher_counter(
    product: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = ordered(product()), ordered(product(), email="eve@example.org")
    update_item(Order(first["id"]), [Order.token_counter.set(1)])
    later = clock.now() + timedelta(days=90, seconds=1)

    assert_problem(call("GET", path_of(first), token=first["order_token"]), 401, "unauthenticated")
    assert_problem(call("POST", f"{path_of(first)}/cancel", token=first["order_token"]), 401, "unauthenticated")
    assert token_of_order(first["id"], 1, first["created_at"]) != first["order_token"]
    monkeypatch.setattr(clock, "now", lambda: later)
    assert_problem(call("GET", path_of(second), token=second["order_token"]), 401, "unauthenticated")


def test_a38_no_log_line_has_a_token_or_an_address(product: Make, capsys: pytest.CaptureFixture[str]) -> None:
    placed = ordered(product())
    call("GET", path_of(placed), token=placed["order_token"])
    call("GET", path_of(placed), token=changed(placed["order_token"], 40))

    written = "".join(capsys.readouterr())
    assert placed["order_token"][:40] not in written
    assert EMAIL not in written
