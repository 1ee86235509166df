"""A20: what the audit log and the functions' logs hold after every route was asked by who may and who may not."""

import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from oms import audit
from oms.auditing import macs
from oms.dynamodb import client
from oms.identity import passwords
from oms.webhooks import vault
from tests.functional.gateway import call
from tests.functional.harness import Answer, Person
from tests.security import test_roles
from tests.security.test_roles import RULES, World, ask, world
from tests.security.test_webhook_secrets import log

__all__ = ["log", "world"]

pytestmark = pytest.mark.usefixtures("webhooks")

ROOT = Path(__file__).parents[2]
ENDING_SESSIONS = {"change_password", "change_status", "end_session", "log_out"}
SECRET_FIELDS = {"password", "new_password", "current_password", "token", "secret"}


def secrets_in(node: Any) -> Iterator[str]:
    """Passwords, tokens and secrets of a body or an answer; of a token also each part, of a secret its text alone."""
    if isinstance(node, list):
        for inner in node:
            yield from secrets_in(inner)
    elif isinstance(node, dict):
        for name, value in node.items():
            if isinstance(value, str) and (name in SECRET_FIELDS or name.endswith("_token")):
                yield value
                yield value.removeprefix("whsec_")
                yield value.rpartition(".")[2]
            yield from secrets_in(value)


def audit_log() -> list[dict[str, Any]]:
    return [it for it in client().scan(TableName="audit")["Items"] if it["kind"] == {"S": "entry"}]


def test_a20_it_holds_no_password_token_secret_pepper_key_or_address(
    world: World, person: Callable[..., Person], log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does any function's log. And what is in the audit log, its page names."""
    secrets: set[str] = set()

    def noted(method: str, path: str, body: Any = None, **options: Any) -> Answer:
        answer = call(method, path, body, **options)
        shown = json.loads(answer.text) if answer.text.startswith("{") else {}
        secrets.update(secrets_in(body), secrets_in(shown), filter(None, [options.get("token")]))
        return answer

    monkeypatch.setattr(test_roles, "call", noted)
    # What is to be repaired is found in a book that nobody has written in yet.
    ask(world, "repair_stock", "admin")()
    body = {"adjustment": 1000, "reason": "for all orders to come"}
    assert world.shop.manage("PATCH", f"products/{world.product_id}/stock", body).status == 200
    for name in sorted(RULES.keys() - {"repair_stock"}, key=lambda it: (it in ENDING_SESSIONS, it)):
        for asker in ("owner", "admin"):
            ask(world, name, asker)()

    secrets |= {*passwords._peppers.get().values(), *macs.KEYS.get().values(), *vault._keys.get().values()}
    entries = audit_log()
    actions = {it["action"]["S"] for it in entries}
    assert {"login", "access.denied", "password.changed", "password.reset", "webhook.secret_rotated"} <= actions
    assert actions <= documented()
    stored = json.dumps(entries, ensure_ascii=False)
    shown = call("GET", "/api/v1/admin/audit?limit=100", token=person("admin").token).text
    assert len(secrets) > 20
    logged = log.getvalue()
    assert logged.count('"path":"/api/v1/') > len(RULES)
    for place in (stored, shown, logged):
        assert not [secret for secret in secrets if len(secret) > 3 and secret in place]
        assert "@" not in place, "no e-mail address"
        assert not {"\\r", "\\n"} & {place[at : at + 2] for at in range(len(place))}


def documented() -> set[str]:
    """The actions that the first column of the table names."""
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "docs/audit.md").read_text(), re.MULTILINE)
    return {action for row in rows for action in re.findall("`([a-z._-]+)`", row)}


def test_every_action_that_the_page_names_is_held_by_a_test() -> None:
    tests = "".join(it.read_text() for it in sorted((ROOT / "tests").rglob("test_*.py")))

    assert len(documented()) > 30
    assert {action for action in documented() if f'"{action}"' not in tests} == set()


def test_a_search_for_secrets_would_find_one(world: World) -> None:
    (secret, *_) = secrets_in({"refresh_token": world.tokens["refresh_token"]})
    audit.record(audit.entry("x", actor_id=None, address=None, target=None, details={"oops": secret}))

    assert secret in json.dumps(audit_log())


def test_a20_line_ends_in_a_path_reach_no_entry(customer: Person) -> None:
    assert call("GET", "/api/v1/admin/users/a\r\nb", token=customer.token).status == 404
    assert call("GET", "/api/v1/admin/users/a b", token=customer.token).status == 403

    (entry,) = audit_log()
    assert entry["target"]["S"] == "GET /api/v1/admin/users/a%20b"
