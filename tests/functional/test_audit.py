from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from inventory import handler as inventory
from oms.audit import audit_log as audit
from oms.core import clock
from oms.core.dynamodb import client
from tests.support.audit_addresses import hidden
from tests.support.aws_calls import Call, intercepted
from tests.support.gateway import call
from tests.support.invocation import Person, invoke

PRODUCT = {"sku": "X", "name": "X", "category": "X", "price": "1.00"}


@pytest.fixture(autouse=True)
def advance(cloud: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = datetime.now(UTC).replace(second=0, microsecond=0)

    def move(seconds: float) -> None:
        nonlocal now
        now += timedelta(seconds=seconds)

    monkeypatch.setattr(clock, "now", lambda: now)
    return move


def items(kind: str) -> list[dict[str, Any]]:
    stored = client().scan(TableName="audit")["Items"]
    return [
        {name: next(iter(value.values())) for name, value in item.items()}
        for item in stored
        if item["kind"]["S"] == kind
    ]


def deny(actor_id: str, times: int) -> None:
    actor: Any = SimpleNamespace(id=actor_id, role="customer")
    for _ in range(times):
        audit.record_denial(actor, address="198.51.100.1", target="POST /api/v1/inventory/products")


def test_a_denied_request_leaves_an_entry_with_actor_action_and_address(customer: Person) -> None:
    path = "/api/v1/inventory/products"
    assert invoke(inventory, "POST", path, PRODUCT, token=customer.token).status == 403

    (entry,) = items("entry")
    assert {name: entry[name] for name in ("action", "outcome", "actor_id", "actor_role", "address", "target")} == {
        "action": "access.denied",
        "outcome": "failure",
        "actor_id": customer.id,
        "actor_role": "customer",
        "address": hidden("198.51.100.1", entry["at"]),
        "target": f"POST {path}",
    }


def test_a27_reading_persons_in_bulk_is_on_record_once_an_hour(
    person: Callable[..., Person], advance: Callable[[float], None]
) -> None:
    manager, admin, customer = (person(role) for role in ("manager", "admin", "customer"))

    def read(path: str, who: Person) -> None:
        for _ in range(3):
            assert call("GET", f"/api/v1/{path}", token=who.token).status == 200

    read("orders", customer)
    assert items("entry") == []
    for path in ("orders", "events"):
        read(path, manager)
    for path in ("orders?status=pending", "admin/users"):
        read(path, admin)
    advance(60 * (60 - clock.now().minute))
    read("orders", manager)

    entries = [it for it in items("entry") if it["action"] == "persons.read"]
    assert sorted((it["actor_id"], it["target"]) for it in entries) == sorted(
        [
            (manager.id, "orders"),
            (manager.id, "orders"),
            (manager.id, "events"),
            (admin.id, "orders"),
            (admin.id, "users"),
        ]
    )
    assert {it["address"] for it in entries} == {hidden("198.51.100.1", entries[0]["at"])}


def test_nothing_is_read_in_bulk_that_cannot_be_put_on_record(manager: Person) -> None:
    def refuse(made: Call) -> Any:
        if made.operation == "PutItem":
            raise ReadTimeoutError(endpoint_url="https://dynamodb")
        return made.send()

    with intercepted(refuse) as calls:
        assert call("GET", "/api/v1/orders", token=manager.token).status == 503

    assert "Query" not in [made.operation for made in calls]


def test_a20_beyond_a_hundred_a_minute_denials_are_counted_in_one_item(advance: Callable[[float], None]) -> None:
    deny("mallory", 103)
    deny("trent", 1)
    advance(60)
    deny("mallory", 1)

    assert [entry["actor_id"] for entry in items("entry")].count("mallory") == 101
    assert sorted((item["sk"].rpartition("#")[2], item["n"]) for item in items("denials")) == [
        ("mallory", "1"),
        ("mallory", "103"),
        ("trent", "1"),
    ]
    assert [item["n"] for item in items("denials") if "listing" in item] == ["103"], "it alone is listed"


def test_an_entry_is_stored_under_its_day_and_sorts_by_time(advance: Callable[[float], None]) -> None:
    written = []
    for _ in range(3):
        written.append(audit.entry("login", actor_id="a", address=None, target=None))
        audit.record(written[-1])
        audit.record(written[-1])  # a repetition after a lost answer
        advance(1)

    stored = sorted(items("entry"), key=lambda entry: str(entry["sk"]))
    assert [entry["id"] for entry in stored] == [entry.id for entry in written]
    assert {entry["pk"] for entry in stored} <= {f"day#{entry.at[:10]}" for entry in written}
    assert all(entry["sk"] == f"{entry['at']}#{entry['id']}" for entry in stored)
