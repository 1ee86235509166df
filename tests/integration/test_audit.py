"""The audit log, from the requests to its chain and bucket, and `make verify-audit` over all of it."""

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from local.demo import PASSWORD
from local.system import LocalSystem
from tests.support.local_cloud.accounts import NEW_PASSWORD as PASSWORD_OF_MAIL
from tests.support.local_cloud.accounts import PASSWORD as PASSWORD_OF_AUTH
from tests.support.local_cloud.commands import run_command
from tests.support.local_cloud.shop import CLIENTS, at_once, wait_until
from tests.support.local_cloud.subscriber import subscribed

AUDIT = "/api/v1/admin/audit"
ACCOUNT_PASSWORD = "three quiet lighthouses"
# The line that each command prints before it acts.
ACTING = "Account 000000000000, region us-east-1, stage local\n"


def table_of(system: LocalSystem) -> str:
    return system.environment("Sealer")["OMS_AUDIT_TABLE"]


def item(system: LocalSystem, entry: dict[str, Any], partition: str) -> dict[str, Any] | None:
    key = {"pk": {"S": partition + entry["at"][:10]}, "sk": {"S": f"{entry['at']}#{entry['id']}"}}
    found: dict[str, Any] | None = (
        system.client("dynamodb").get_item(TableName=table_of(system), Key=key, ConsistentRead=True).get("Item")
    )
    return found


def is_sealed(system: LocalSystem, entry: dict[str, Any]) -> bool:
    return item(system, entry, "links#") is not None


def log_in(http: httpx.Client, password: str = PASSWORD) -> int:
    body = {"email": "bob@demo.example", "password": password}
    return http.post("/api/v1/auth/login", json=body).status_code


@pytest.fixture
def tampered(system: LocalSystem, signed_in: Callable[[str], httpx.Client]) -> Iterator[tuple[str, str]]:
    """The key of an entry whose actor was tampered with. It is restored afterwards, for the later tests."""
    assert log_in(signed_in("alice")) == 200
    (entry,) = signed_in("admin").get(f"{AUDIT}?action=login&limit=1").json()["items"]
    wait_until(lambda: is_sealed(system, entry), bool)
    was = item(system, entry, "day#")
    assert was
    client = system.client("dynamodb")
    client.put_item(TableName=table_of(system), Item=was | {"actor_id": {"S": "somebody-else"}})
    yield was["pk"]["S"], was["sk"]["S"]
    client.put_item(TableName=table_of(system), Item=was)


def test_actions_of_users_are_listed_at_once_and_sealed_within_seconds(
    system: LocalSystem, client: Callable[..., httpx.Client], signed_in: Callable[[str], httpx.Client]
) -> None:
    admin, alice, stranger = signed_in("admin"), signed_in("alice"), client()
    account = {"email": f"audit-{time.time_ns()}@example.com", "password": ACCOUNT_PASSWORD}
    user = stranger.post("/api/v1/auth/register", json=account | {"first_name": "Lu"}).json()["id"]
    assert admin.patch(f"/api/v1/admin/users/{user}/role", json={"role": "manager"}).status_code == 200
    assert stranger.post("/api/v1/auth/login", json=account | {"password": "wrong"}).status_code == 401
    tokens = stranger.post("/api/v1/auth/login", json=account).json()
    assert stranger.post("/api/v1/auth/logout", json={"refresh_token": tokens["refresh_token"]}).status_code == 204
    assert alice.get(AUDIT).status_code == 403

    def listed() -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = admin.get(f"{AUDIT}?limit=20").json()["items"]
        return [it for it in items if user in str(it) or it["action"] in ("login", "access.denied")]

    entries = wait_until(listed, lambda it: {"user.registered", "logout", "access.denied"} <= {e["action"] for e in it})

    ours = [(it["action"], it["outcome"]) for it in entries if user in str(it)]
    assert ours[::-1] == [
        ("user.registered", "success"),
        ("user.role_changed", "success"),
        ("login", "failure"),
        ("login", "success"),
        ("logout", "success"),
    ]
    assert (entries[0]["action"], entries[0]["target"]) == ("access.denied", f"GET {AUDIT}")
    by_actor = admin.get(f"{AUDIT}?actor={user}&action=login,logout").json()["items"]
    assert [it["action"] for it in by_actor] == ["logout", "login"]
    sealed = wait_until(lambda: [is_sealed(system, it) for it in entries], all)
    assert all(sealed)


def test_f25_the_verifier_finds_nothing_then_the_entry_that_was_changed(
    system: LocalSystem, tampered: tuple[str, str]
) -> None:
    found = run_command(system, "local.verify_audit")

    assert found.returncode == 1
    (line,) = found.stdout.splitlines()
    assert line.split()[:2] == ["entry-changed", "/".join(tampered) + ":"]
    assert "1 places differ from the sealed state" in found.stderr


@pytest.mark.full
def test_a_change_of_an_entry_raises_an_alarm_within_seconds(system: LocalSystem, tampered: tuple[str, str]) -> None:
    place = "/".join(tampered)

    lines = wait_until(lambda: [line for line in system.logs("Sealer") if place in line], bool)

    assert "an item of the audit log was changed" in lines[0]


@pytest.mark.full
def test_sealers_of_many_requests_at_once_make_one_chain_without_findings(
    system: LocalSystem, signed_in: Callable[[str], httpx.Client]
) -> None:
    admin, alice = signed_in("admin"), signed_in("alice")
    before = len(admin.get(f"{AUDIT}?action=access.denied&limit=100").json()["items"])

    refused = at_once([lambda: alice.get(AUDIT).status_code] * 60, clients=CLIENTS)

    assert set(refused) == {403}
    entries = admin.get(f"{AUDIT}?action=access.denied&limit=100").json()["items"]
    assert len(entries) >= min(100, before + 60)
    wait_until(lambda: [is_sealed(system, it) for it in entries[:60]], all)
    found = run_command(system, "local.verify_audit")
    assert (found.returncode, found.stderr) == (0, ACTING), found.stdout
    assert found.stdout.endswith(": nothing was changed or removed.\n")


@pytest.mark.full
def test_how_far_the_chain_is_goes_into_the_bucket_and_stays_there(system: LocalSystem) -> None:
    system.invoke("Sealer", {"hours": 2})

    s3, bucket = system.client("s3"), system.deployment.outputs["AuditBucket"]
    versions = s3.list_object_versions(Bucket=bucket, Prefix="heads/")["Versions"]
    assert versions
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=bucket, Key=versions[0]["Key"], VersionId=versions[0]["VersionId"])


# The form of each secret that users get: access tokens; those of refresh, devices and mails; secrets of webhooks;
# signed URLs; and keys as text.
FORMS = re.compile(
    r"eyJ[\w-]+\.eyJ[\w-]+|[0-9A-Z]{20}\.[\w-]{43}\b|whsec_[\w+/]{20}|X-Amz-Signature=|-----BEGIN|[Bb]earer [\w.-]{10}"
)
PASSWORDS = {PASSWORD, PASSWORD_OF_AUTH, PASSWORD_OF_MAIL, ACCOUNT_PASSWORD}


def kept_secrets(system: LocalSystem) -> set[str]:
    """Returns the texts of all secrets in Secrets Manager, plain and as in JSON; without ids."""
    secrets = system.client("secretsmanager")
    found: set[str] = set()
    for name in [it["Name"] for it in secrets.list_secrets()["SecretList"]]:
        value = secrets.get_secret_value(SecretId=name)["SecretString"]
        kept = [it for it in texts_in(json.loads(value)) if len(it) > 50] if value.startswith("{") else [value]
        lines = [line for text in kept for line in text.splitlines() if len(line) >= 30 and "-----" not in line]
        assert lines, f"{name} has no secret to search for"
        found |= {shown for line in lines for shown in (line, json.dumps(line)[1:-1])}
    return found


def texts_in(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list):
        for inner in node.values() if isinstance(node, dict) else node:
            yield from texts_in(inner)


@pytest.mark.full
@pytest.mark.last
def test_a20_after_all_tests_no_log_holds_a_secret_and_the_audit_log_neither_and_is_whole(
    system: LocalSystem, client: Callable[..., httpx.Client], signed_in: Callable[[str], httpx.Client]
) -> None:
    # So that there are secrets to find, also without the other tests: a secret of a webhook, tokens, a refusal.
    with subscribed(signed_in("admin"), ["order.*"]):
        pass
    http = client()
    tokens = http.post("/api/v1/auth/login", json={"email": "bob@demo.example", "password": PASSWORD}).json()
    http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    assert http.get(AUDIT).status_code == 403
    assert http.get("/api/v1/orders").status_code == 200
    assert http.post("/api/v1/auth/logout").status_code == 204
    places = {f"log {name}": "\n".join(system.logs(name)) for name in system.deployment.functions}
    pages = system.client("dynamodb").get_paginator("scan").paginate(TableName=table_of(system))
    entries = [it for page in pages for it in page["Items"] if it["kind"] == {"S": "entry"}]
    places["audit"] = json.dumps(entries, ensure_ascii=False)
    secrets = kept_secrets(system) | PASSWORDS

    assert len(secrets) >= 5 + len(PASSWORDS), "each of the stack's is among them"
    assert {place for place, text in places.items() if any(secret in text for secret in secrets)} == set()
    assert {(place, found[0]) for place, text in places.items() if (found := FORMS.search(text))} == set()
    assert "@" not in places["audit"]
    # The search finds other values.
    assert all('"path":"/api/v1/' in places[f"log {name}"] for name in ("Auth", "Passwords", "Orders", "Webhooks"))
    assert {"login", "logout", "access.denied", "webhook.created"} <= {it["action"]["S"] for it in entries}
    whole = run_command(system, "local.verify_audit")
    assert (whole.returncode, whole.stderr) == (0, ACTING), whole.stdout
