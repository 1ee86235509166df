"""A27: webhooks give managers no data beyond their role, and secrets of webhooks appear only in two answers."""

import base64
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from oms.core.dynamodb import client, get_item, put_item
from oms.identity.models import User, user_key
from oms.webhooks import secret_encryption
from oms.webhooks.models import Subscription
from tests.support.accounts import audit_entries
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Person
from tests.support.operations import VALID_BODIES
from tests.support.webhooks import a_delivery, subscribe, subscription_now

WEBHOOKS = "/api/v1/webhooks"
TABLES = ("identity", "inventory", "orders", "audit", "events", "webhooks", "reports", "search")
OUTSIDE = "https://93.184.215.14/exfiltrate"

pytestmark = pytest.mark.usefixtures("webhooks")


@pytest.fixture
def admin(person: Callable[..., Person]) -> Person:
    return person("admin")


def everything_stored() -> bytes:
    """Returns all items of all tables, with binary attributes."""
    parts = [value for name in TABLES for item in client().scan(TableName=name)["Items"] for value in _leaves(item)]
    return b"\n".join(it if isinstance(it, bytes) else str(it).encode() for it in parts)


def _leaves(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return [leaf for inner in node.values() for leaf in _leaves(inner)]
    return [leaf for inner in node for leaf in _leaves(inner)] if isinstance(node, list) else [node]


def forms(secret: str) -> list[bytes]:
    """Returns the forms that reveal a secret: its text, without its prefix, its bytes, in hexadecimal."""
    bare = secret.removeprefix("whsec_")
    raw = base64.b64decode(bare)
    return [secret.encode(), bare.encode(), raw, raw.hex().encode()]


# ---- secrets --------------------------------------------------------------------------------------------------------


def test_a20_a_secret_is_only_in_the_answer_that_shows_it(admin: Person, manager: Person, log: io.StringIO) -> None:
    made = call("POST", WEBHOOKS, VALID_BODIES["create_webhook"], token=admin.token).json
    path = f"{WEBHOOKS}/{made['id']}"
    rotated = call("POST", f"{path}/rotate-secret", token=admin.token).json
    a_delivery(subscription_now(Subscription(id=made["id"])))
    answers = [
        call("PATCH", path, {"description": "x"}, token=admin.token),
        call("POST", f"{path}/test", token=manager.token),
        *(
            call("GET", it, token=who.token)
            for who in (admin, manager)
            for it in (WEBHOOKS, path, f"{path}/deliveries")
        ),
    ]

    secrets = [made["secret"], rotated["secret"]]
    assert all(it.status < 300 for it in answers)
    places = {
        "tables": everything_stored(),
        "answers": "".join(it.text + str(it.headers) for it in answers).encode(),
        "log": log.getvalue().encode(),
    }
    assert b"webhook" in places["tables"]
    assert b'"path":"/api/v1/webhooks' in places["log"]
    for place, content in places.items():
        assert b"whsec_" not in content, place
        assert not [it for secret in secrets for it in forms(secret) if it in content], place
    assert stored_key() not in everything_stored()


def stored_key() -> bytes:
    (key,) = secret_encryption.KEYS.get().values()
    return key.encode()


def test_a_scan_for_secrets_would_find_one(admin: Person) -> None:
    secret = call("POST", WEBHOOKS, VALID_BODIES["create_webhook"], token=admin.token).json["secret"]
    subscribe(description=secret)
    subscribe(secret=base64.b64decode(secret.removeprefix("whsec_")))

    found = everything_stored()

    assert [it in found for it in forms(secret)] == [True, True, True, False]


def test_a_sealed_secret_copied_to_another_subscription_opens_nowhere(admin: Person) -> None:
    """An attacker with write access to the table cannot use another subscription's secret for their own receiver."""
    victim, own = (
        Subscription(id=call("POST", WEBHOOKS, VALID_BODIES["create_webhook"], token=admin.token).json["id"])
        for _ in range(2)
    )
    stolen = subscription_now(victim).secret
    item = subscription_now(own)
    item.secret = stolen
    put_item(item)

    with pytest.raises(secret_encryption.DecryptionError):
        secret_encryption.decrypt(subscription_now(own).secret, subscription_id=own.id)
    assert secret_encryption.decrypt(stolen, subscription_id=victim.id).startswith("whsec_")


def test_rotation_reads_no_secret_to_keep_it(admin: Person) -> None:
    """The encrypted secret is moved unchanged to the other attribute: the process never has the plain text."""
    made = call("POST", WEBHOOKS, VALID_BODIES["create_webhook"], token=admin.token).json
    subscription = Subscription(id=made["id"])
    before = subscription_now(subscription).secret

    call("POST", f"{WEBHOOKS}/{made['id']}/rotate-secret", token=admin.token)

    assert subscription_now(subscription).previous_secret == before


# ---- A27 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [
        ("POST", None, {"url": OUTSIDE, "events": ["*"]}),
        ("PATCH", "", {"url": OUTSIDE}),
        ("PATCH", "", {"events": ["*"]}),
        ("PATCH", "", {"status": "active"}),
        ("POST", "/rotate-secret", None),
        ("DELETE", "", None),
    ],
)
def test_a27_a_manager_turns_no_webhook_to_a_receiver_of_their_own(
    manager: Person, method: str, suffix: str | None, body: Any
) -> None:
    subscription = subscribe("order.*", status="paused")
    before = subscription_now(subscription).serialize()

    path = WEBHOOKS if suffix is None else f"{WEBHOOKS}/{subscription.id}{suffix}"
    assert_problem(call(method, path, body, token=manager.token), 403, "forbidden")

    assert subscription_now(subscription).serialize() == before
    assert len(call("GET", WEBHOOKS, token=manager.token).json["items"]) == 1
    (denial,) = (it for it in audit_entries() if it.action == "access.denied")
    assert (denial.actor_id, denial.target) == (manager.id, f"{method} {path}")


@pytest.mark.parametrize("suffix", ["test", "deliveries/{delivery}/replay", "replay"])
@pytest.mark.parametrize("extra", [{"url": OUTSIDE}, {"to_url": OUTSIDE}, {"secret": "whsec_AAAA"}])
def test_a27_tests_and_replays_go_to_the_address_that_an_admin_has_set(
    manager: Person, suffix: str, extra: dict[str, str]
) -> None:
    subscription = subscribe()
    delivery = a_delivery(subscription)
    body = (VALID_BODIES["replay_webhook"] if suffix == "replay" else {}) | extra
    path = f"{WEBHOOKS}/{subscription.id}/{suffix.format(delivery=delivery.id)}"

    assert_problem(call("POST", path, body, token=manager.token), 422, "validation-failed")


def test_a27_deliveries_do_not_show_their_bodies(manager: Person) -> None:
    subscription = subscribe()
    delivery = a_delivery(subscription)

    shown = call("GET", f"{WEBHOOKS}/{subscription.id}/deliveries", token=manager.token)

    assert json.loads(delivery.body)["data"]["name"] not in shown.text
    assert "body" not in shown.json["items"][0]


@pytest.mark.parametrize("change", [{"status": "disabled"}, {"role": "customer"}, {"role": "manager"}])
def test_a27_a_dismissed_user_changes_and_reads_nothing_from_the_next_request_on(
    admin: Person, change: dict[str, str]
) -> None:
    subscription = subscribe()
    user = get_item(User, user_key(admin.id))
    assert user
    for name, value in change.items():
        setattr(user, name, value)
    put_item(user)

    changed = call("PATCH", f"{WEBHOOKS}/{subscription.id}", {"url": OUTSIDE}, token=admin.token)
    read = call("GET", WEBHOOKS, token=admin.token)

    assert changed.status == (401 if "status" in change else 403)
    assert read.status == {"disabled": 401, "customer": 403, "manager": 200}[next(iter(change.values()))]
    assert subscription_now(subscription).url == subscription.url
