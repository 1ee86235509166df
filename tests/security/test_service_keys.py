"""A34: service keys: only a valid one is accepted, only from its addresses, and only until its next change."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from oms.core import clock
from oms.core.dynamodb import client
from oms.core.settings import settings
from oms.http import api
from oms.service_keys.tokens import KeyToken
from oms.webhooks import service
from oms.webhooks.matcher import SubscriptionMatcher
from tests.support.accounts import Clock, audit_entries
from tests.support.aws_calls import intercepted
from tests.support.fixtures import names
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Answer, Person
from tests.support.service_keys import a_key, change, delete, rotate, stored
from tests.support.shop import Shop
from tests.support.webhooks import subscribe

__all__ = ["names"]

ORDERS = "/api/v1/orders"
PRODUCTS = "/api/v1/inventory/products"
V6 = "2001:db8:1:2:3:4:5:6"

pytestmark = pytest.mark.usefixtures("cloud")


def ask(text: str, **options: object) -> Answer:
    return call("GET", PRODUCTS, token=text, **options)


def assert_refused(answer: Answer) -> None:
    assert_problem(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


# ---- the text -------------------------------------------------------------------------------------------------------


def changed_checksum(text: str) -> str:
    return text[:-1] + ("a" if text[-1] != "a" else "b")


def of_another_stage(text: str) -> str:
    token = KeyToken.parse(text)
    assert token
    return str(replace(token, stage="prod"))


@pytest.mark.parametrize(
    "corrupt",
    [
        changed_checksum,
        of_another_stage,
        lambda text: text[:-6],
        lambda text: text + "0",
        lambda text: text.lower(),
        lambda text: text[:4],
        lambda text: text[:4] + "x" * 5_000,
        lambda text: text.replace("_", "__", 1),
    ],
)
def test_a34_a_text_that_cannot_be_a_key_is_refused_without_a_call(corrupt: Callable[[str], str]) -> None:
    text = corrupt(a_key().text)

    with intercepted() as calls:
        assert_refused(ask(text))

    assert not calls


def test_a34_an_unknown_id_and_a_wrong_secret_are_refused_alike() -> None:
    key = a_key()
    texts = [str(KeyToken.new(settings().stage, it)) for it in ("0" * 20, key.id)]

    unknown, wrong = (ask(text) for text in texts)

    assert_refused(unknown)
    assert_refused(wrong)
    different = {"request_id": "", "instance": ""}
    assert unknown.json | different == wrong.json | different


@pytest.mark.parametrize("place", ["keys", "key-use#{}", "slot#key#{}"])
def test_a34_no_other_item_is_a_key(place: str) -> None:
    """The id in a key is of 20 letters and digits, so it leads to copies of keys only."""
    assert KeyToken.parse(str(KeyToken(settings().stage, place, "0" * 43))) is None


def test_a34_the_table_has_no_secret() -> None:
    token = KeyToken.parse(a_key().text)
    assert token

    assert token.secret not in json.dumps(client().scan(TableName=settings().identity_table)["Items"], default=str)


def test_a34_an_access_token_is_not_taken_for_a_key_and_the_reverse(admin: Person) -> None:
    assert ask(admin.token).status == 200
    assert call("POST", "/api/v1/auth/logout", token=a_key().text).status == 401


# ---- its end --------------------------------------------------------------------------------------------------------


def test_a34_disabled_and_deleted_keys_are_refused_at_once() -> None:
    key = a_key()
    assert ask(key.text).status == 200

    change(key.id, status="disabled")
    assert_refused(ask(key.text))
    change(key.id, status="active")
    assert ask(key.text).status == 200
    delete(key.id)
    assert_refused(ask(key.text))


def test_a34_every_copy_is_changed() -> None:
    key = a_key()
    change(key.id, status="disabled")

    assert {ask(key.text).status for _ in range(30)} == {401}


def test_a34_an_expired_key_is_refused(frozen: Clock) -> None:
    key = a_key(expires_at=clock.timestamp(clock.now() + timedelta(seconds=60)))
    frozen.advance(seconds=59)
    assert ask(key.text).status == 200

    frozen.advance(seconds=1)
    assert_refused(ask(key.text))


def test_a34_a_lost_scope_is_missed_with_the_next_request() -> None:
    key = a_key("catalogue:read", "orders:read")
    assert call("GET", ORDERS, token=key.text).status == 200

    change(key.id, scopes=["catalogue:read"])

    assert_problem(call("GET", ORDERS, token=key.text), 403, "insufficient-scope")


def test_a34_the_previous_secret_is_valid_for_24_hours(frozen: Clock) -> None:
    key = a_key()
    new = rotate(key.id)
    frozen.advance(hours=24, seconds=-1)
    assert [ask(it).status for it in (key.text, new)] == [200, 200]

    frozen.advance(seconds=1)
    assert_refused(ask(key.text))
    assert ask(new).status == 200


def test_a34_a_second_rotation_revokes_the_oldest_secret_at_once() -> None:
    key = a_key()
    second = rotate(key.id)
    third = rotate(key.id)

    assert_refused(ask(key.text))
    assert [ask(it).status for it in (second, third)] == [200, 200]


# ---- its addresses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allowed", "address", "status"),
    [
        ([], "203.0.113.9", 200),
        (["203.0.113.0/24"], "203.0.113.9", 200),
        (["203.0.113.0/24"], "203.0.114.9", 403),
        (["203.0.113.9"], "203.0.113.9", 200),
        (["203.0.113.9"], "203.0.113.8", 403),
        (["203.0.113.0/24"], "::ffff:203.0.113.9", 200),
        (["203.0.113.0/24"], V6, 403),
        (["2001:db8:1::/48"], V6, 200),
        ([V6], V6, 200),
        ([V6], f"{V6[:-1]}7", 403),
        (["2001:db8:2::/48", "2001:db8:1:2:3::/80"], V6, 200),
        (["0.0.0.0/0"], V6, 403),
        (["0.0.0.0/0", "::/0"], "not an address", 403),
    ],
)
def test_a34_a_key_is_used_from_its_networks_alone(allowed: list[str], address: str, status: int) -> None:
    key = a_key(allowed_addresses=allowed)

    answer = ask(key.text, address=address)

    assert answer.status == status
    if status == 403:
        assert "allowed_addresses" in assert_problem(answer, 403, "forbidden")["detail"]


@pytest.mark.parametrize("name", ["X-Forwarded-For", "CloudFront-Viewer-Address", "True-Client-IP", "Forwarded"])
def test_a34_no_header_of_a_client_is_its_address(name: str) -> None:
    key = a_key(allowed_addresses=["203.0.113.9"])

    assert ask(key.text, address="198.51.100.1", headers={name: "203.0.113.9:443"}).status == 403


def test_a34_from_elsewhere_a_key_uses_up_no_limit() -> None:
    key = a_key(allowed_addresses=["203.0.113.9"], rate_limit=1)
    assert {ask(key.text, address="198.51.100.1").status for _ in range(3)} == {403}

    assert ask(key.text, address="203.0.113.9").status == 200


def test_a34_from_elsewhere_a_key_causes_one_denial_a_minute(frozen: Clock) -> None:
    key = a_key(allowed_addresses=["203.0.113.9"])

    def calls() -> list[str]:
        with intercepted() as made:
            assert ask(key.text, address="198.51.100.1").status == 403
        return [it.operation for it in made]

    first, second = calls(), calls()
    frozen.advance(minutes=1)

    assert "UpdateItem" in first
    assert second == ["BatchGetItem"]
    assert calls() == first


# ---- the actor ------------------------------------------------------------------------------------------------------


def test_the_actor_of_changes_is_the_key(customer: Person, manager: Person) -> None:
    shop, key = Shop(customer, manager), a_key()
    product = shop.product(5)
    body = {"adjustment": 1, "reason": "found"}
    order = shop.buy({product: 1}).json["id"]

    assert call("PATCH", f"{PRODUCTS}/{product}/stock", body, token=key.text).status == 200
    assert call("POST", f"{ORDERS}/{order}/confirm", token=key.text).status == 200

    history = call("GET", f"{ORDERS}/{order}/history", token=key.text).json["items"]
    assert [(it["actor_id"], it["actor_role"]) for it in history][-1] == (key.id, "service")
    stock = [it for it in client().scan(TableName=settings().inventory_table)["Items"] if "last" in it]
    assert (key.id, "service") in {(it["last"]["M"]["actor"]["S"], it["last"]["M"]["actor_role"]["S"]) for it in stock}


def test_a34_a_key_sees_the_customer_of_an_order_only_with_the_scope_to_read_orders(
    customer: Person, manager: Person
) -> None:
    shop = Shop(customer, manager)
    product = shop.product(5)

    def confirmed_by(*scopes: str) -> dict[str, object]:
        order = shop.buy({product: 1}).json["id"]
        answer = call("POST", f"{ORDERS}/{order}/confirm", token=a_key(*scopes).text)
        assert answer.status == 200
        return dict(answer.json)

    assert "customer" not in confirmed_by("orders:manage")
    assert confirmed_by("orders:manage", "orders:read")["customer"]


def test_a34_a_denial_is_audited_with_the_key() -> None:
    key = a_key("catalogue:read")

    assert call("GET", ORDERS, token=key.text).status == 403
    assert ask(a_key(allowed_addresses=["203.0.113.9"]).text).status == 403

    entries = client().scan(TableName=settings().audit_table)["Items"]
    denied = [it for it in entries if it.get("action", {}).get("S") == "access.denied"]
    assert {it["actor_role"]["S"] for it in denied} == {"service"}
    assert key.id in {it["actor_id"]["S"] for it in denied}
    assert len(denied) == 2


def test_a34_a_list_of_orders_by_a_key_is_audited() -> None:
    key = a_key("orders:read")

    assert call("GET", ORDERS, token=key.text).status == 200

    entries = client().scan(TableName=settings().audit_table)["Items"]
    assert [it["actor_id"]["S"] for it in entries if it["action"]["S"] == "persons.read"] == [key.id]


def test_a34_the_log_names_the_key_and_has_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(api.logger.registered_handler, "stream", written)
    key = a_key("orders:read")

    ask(key.text)
    call("GET", ORDERS, token=key.text)

    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [(it["key_id"], it["status"]) for it in lines] == [(key.id, 403), (key.id, 200)]
    assert key.text[-49:] not in written.getvalue()


def test_a34_an_idempotency_key_belongs_to_its_service_key(customer: Person, manager: Person) -> None:
    shop, keys = Shop(customer, manager), [a_key(), a_key()]
    product = shop.product(5)
    headers = {"Idempotency-Key": "k"}
    body = {"adjustment": 1, "reason": "found"}

    answers = [
        call("PATCH", f"{PRODUCTS}/{product}/stock", body, token=it.text, headers=headers) for it in (*keys, keys[0])
    ]

    assert [it.json["on_hand"] for it in answers] == [6, 7, 7]
    assert [it.headers.get("Idempotency-Replayed") for it in answers] == [None, None, "true"]


def test_a34_a_cursor_belongs_to_its_service_key(customer: Person, manager: Person) -> None:
    shop, one, other = Shop(customer, manager), a_key(), a_key()
    for _ in range(2):
        shop.product(1)
    cursor = call("GET", f"{PRODUCTS}?limit=1", token=one.text).json["next_cursor"]

    path = f"{PRODUCTS}?limit=1&cursor={cursor}"
    assert [call("GET", path, token=it.text).status for it in (one, other)] == [200, 422]


def test_events_of_users_are_not_shown_to_a_key(admin: Person) -> None:
    assert call("GET", "/api/v1/events?type=user.registered", token=admin.token).status == 200
    refused = call("GET", "/api/v1/events?type=user.registered", token=a_key("events:read").text)
    assert refused.status == 200
    assert refused.json["items"] == []


def test_a_copy_differs_only_in_its_place() -> None:
    made = [it.serialize() | {"pk": {}, "sk": {}} for it in stored(a_key().id)]

    assert len(made) == 5
    assert all(it == made[0] for it in made)


# ---- what no scope allows -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/v1/auth/me", None),
        ("PUT", "/api/v1/auth/password", {"current_password": "x", "new_password": "three quiet lighthouses"}),
    ],
)
def test_a34_a_persons_account_refuses_keys_and_the_refusal_is_audited(method: str, path: str, body: object) -> None:
    key = a_key()

    assert_problem(call(method, path, body, token=key.text), 403, "forbidden")

    (denial,) = (it for it in audit_entries() if it.action == "access.denied")
    assert (denial.actor_role, denial.target) == ("service", f"{method} {path}")


@pytest.mark.parametrize(
    ("events", "change"),
    [
        (["user.*"], {"url": "https://new.example/"}),
        (["*"], {"description": "mine"}),
        (["order.*"], {"events": ["order.*", "user.locked"]}),
    ],
)
@pytest.mark.usefixtures("names")
def test_a34_a_key_does_not_decide_where_events_of_users_are_sent(
    admin: Person, events: list[str], change: dict[str, object]
) -> None:
    key, webhook = a_key("webhooks:manage"), subscribe(*events, created_by=admin.id)
    path = f"/api/v1/webhooks/{webhook.id}"

    assert_problem(call("PATCH", path, change, token=key.text), 403, "forbidden")
    is_of_users = events != ["order.*"]
    assert call("POST", f"{path}/rotate-secret", {}, token=key.text).status == (403 if is_of_users else 200)
    assert call("PATCH", path, change, token=admin.token).status == 200


def test_a34_a_key_changes_its_own_webhook_which_gets_no_events_of_users() -> None:
    key = a_key("webhooks:manage")
    webhook = subscribe("*", created_by=key.id)

    answer = call("PATCH", f"/api/v1/webhooks/{webhook.id}", {"events": ["user.*", "order.*"]}, token=key.text)

    assert answer.status == 200
    assert SubscriptionMatcher([service.get(webhook.id)]).of("user.locked") == []
