"""A20: the audit log and the functions' logs, after each route was called with and without permission."""

import ast
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from oms.audit import audit_log as audit
from oms.audit import macs
from oms.core import pseudonyms
from oms.core.dynamodb import client
from oms.identity import passwords
from oms.webhooks import secret_encryption
from tests.support import roles
from tests.support.gateway import call
from tests.support.invocation import Answer, Person
from tests.support.roles import RULES, AccessScenario, ask, scenario

__all__ = ["scenario"]

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
    scenario: AccessScenario, person: Callable[..., Person], log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does any function's log. And what is in the audit log, its page names."""
    secrets: set[str] = set()

    def noted(method: str, path: str, body: Any = None, **options: Any) -> Answer:
        answer = call(method, path, body, **options)
        shown = json.loads(answer.text) if answer.text.startswith("{") else {}
        secrets.update(secrets_in(body), secrets_in(shown), filter(None, [options.get("token")]))
        return answer

    monkeypatch.setattr(roles, "call", noted)
    # The check must find drift, in a ledger without movements.
    ask(scenario, "repair_stock", "admin")()
    body = {"adjustment": 1000, "reason": "for all orders to come"}
    assert scenario.shop.manage("PATCH", f"products/{scenario.product_id}/stock", body).status == 200
    for name in sorted(RULES.keys() - {"repair_stock"}, key=lambda it: (it in ENDING_SESSIONS, it)):
        for asker in ("owner", "admin"):
            ask(scenario, name, asker)()

    # No reader may learn the account and the address of a failed login.
    noted("POST", "/api/v1/auth/login", {"email": "ada@example.com", "password": "not the one"}, address="203.0.113.77")

    for keys in (passwords.PEPPERS, macs.KEYS, pseudonyms.KEYS, secret_encryption.KEYS):
        secrets |= set(keys.get().values())
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
        assert not re.findall(r"198\.51\.100\.|203\.0\.113\.", place), "no client's address"
        assert not {"\\r", "\\n"} & {place[at : at + 2] for at in range(len(place))}


def documented() -> set[str]:
    """Returns the actions that the first column of the page's first table names."""
    table = (ROOT / "docs/operate/audit.md").read_text().partition("\n## The chain")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    return {action for row in rows for action in re.findall("`([a-z._-]+)`", row)}


_CHANGES = "functional/test_webhook_changes.py::test_every_change_is_audited_without_possible_secrets"
_DOWNLOADS = "functional/test_export_routes.py::test_a27_a_link_is_signed_again_each_time_and_its_reader_is_audited"
_FORMS = "functional/auth/test_addresses_command.py"
_FIRST = "functional/auth/test_first_admin.py"
_KEYS = "functional/test_service_keys.py::test_every_change_is_audited_without_a_secret"
_LOGINS = "functional/auth/test_login.py"
_USERS = "functional/auth/test_admin_users.py"
_EMAIL = "functional/auth/test_email_change.py"
# The test file of each action that reads the audit log afterwards and expects the action. A search for the word is not
# enough: many actions are names of events too.
HELD = {
    "access.denied": "functional/test_audit.py::test_a_denied_request_leaves_an_entry_with_actor_action_and_address",
    "account.locked": f"{_LOGINS}::test_a20_the_audit_log_has_success_failure_and_lock_without_the_address",
    "address-key.destroyed": "functional/test_pseudonyms.py::test_the_command_destroys_a_past_year_alone_and_audits_it",
    "address-keys.created": "functional/auth/test_keys.py::test_the_command_makes_rotates_and_audits",
    "account.unlocked": f"{_USERS}::test_an_unlock_lifts_every_lock",
    "email.change_requested": f"{_EMAIL}::test_nothing_changes_before_the_new_address_is_confirmed",
    "email.changed": f"{_EMAIL}::test_the_confirmed_address_counts_and_the_old_one_does_not",
    "email.claimed": f"{_FORMS}::test_an_international_address_moves_to_its_key_in_two_runs",
    "email.moved": f"{_FORMS}::test_an_international_address_moves_to_its_key_in_two_runs",
    "email.released": f"{_FORMS}::test_a26_a_look_alike_is_released_and_its_victim_can_register",
    "email.taken_back": f"{_EMAIL}::test_a37_the_old_address_takes_a_completed_change_back",
    "email.verified": "functional/auth/test_recovery.py::test_the_same_token_verifies_again_and_again_and_writes_once",
    "export.cancelled": "functional/test_export_routes.py"
    "::test_a_cancelled_export_stays_to_be_seen_and_one_that_is_done_cannot_be_cancelled",
    "export.downloaded": _DOWNLOADS,
    "export.requested": _DOWNLOADS,
    "import.cancelled": "functional/test_import_routes.py"
    "::test_a_cancelled_import_stays_to_be_seen_and_its_file_is_deleted",
    "import.started": "functional/test_import_routes.py::test_an_import_starts_once_and_a_second_start_changes_nothing",
    "first-admin.linked": f"{_FIRST}::test_the_link_is_valid_for_half_an_hour",
    "first-admin.made": f"{_FIRST}::test_the_first_admin_is_made_without_a_password_and_sets_one_by_the_link",
    "first-admin.promoted": f"{_FIRST}::test_an_account_that_is_there_is_promoted",
    "login": f"{_LOGINS}::test_a20_the_audit_log_has_success_failure_and_lock_without_the_address",
    "logout": "functional/auth/test_sessions.py::test_logout_ends_both_tokens_of_this_session_only",
    "password.changed": "functional/auth/test_password_change.py::test_success_is_audited_and_counted_as_a_version",
    "password.reset": "functional/auth/test_recovery.py::test_a_user_who_resets_the_password_has_read_the_mail",
    "refresh-token.replayed": "security/test_refresh.py"
    "::test_a07_a_replay_after_the_grace_ends_the_family_and_is_audited",
    "persons.read": "functional/test_audit.py::test_a27_reading_persons_in_bulk_is_on_record_once_an_hour",
    "product.price_changed": "functional/test_inventory.py::test_a27_a_change_of_price_is_audited_and_no_other_edit",
    "schedule.created": "functional/test_schedules.py::test_a_schedule_is_answered_as_requested_and_stores_no_address",
    "schedule.deleted": "functional/test_schedules.py::test_a_schedule_is_deleted_once",
    "service-key.changed": _KEYS,
    "service-key.created": _KEYS,
    "service-key.deleted": _KEYS,
    "service-key.rotated": _KEYS,
    "session.ended": "functional/auth/test_me.py::test_an_ended_session_is_gone_at_once",
    "signing-key.created": "functional/auth/test_keys.py::test_the_command_makes_rotates_and_audits",
    "signing-key.rotated": "functional/auth/test_keys.py::test_the_command_makes_rotates_and_audits",
    "stock.repaired": "functional/test_stock_repair.py"
    "::test_f24_a_repair_corrects_once_and_adds_a_movement_and_the_next_check_is_clean",
    "user.created": "functional/auth/test_register.py"
    "::test_the_system_makes_users_of_any_role_whose_addresses_are_unique_too",
    "user.registered": "functional/auth/test_register.py::test_an_answer_lost_after_the_commit_is_still_a_success",
    "user.role_changed": f"{_USERS}::test_a_change_is_audited_with_the_former_value",
    "user.limits_changed": "functional/test_open_orders_limit.py::test_a_change_of_a_limit_is_audited_once",
    "user.status_changed": f"{_USERS}::test_a_change_is_audited_with_the_former_value",
    "webhook.changed": _CHANGES,
    "webhook.created": _CHANGES,
    "webhook.deleted": _CHANGES,
    "webhook.disabled": "functional/test_webhook_health.py::ends_audited",
    "webhook.replayed": "functional/test_delivery_admin.py::test_requests_that_make_it_send_are_audited",
    "webhook.secret_rotated": _CHANGES,
    "webhook.tested": "functional/test_delivery_admin.py::test_requests_that_make_it_send_are_audited",
}


def test_every_action_that_the_page_names_has_a_test() -> None:
    assert documented() == HELD.keys()


@pytest.mark.parametrize(("action", "place"), HELD.items(), ids=HELD.keys())
def test_what_holds_an_action_reads_the_audit_log_and_expects_it(action: str, place: str) -> None:
    name, _, holder = place.partition("::")
    text = (ROOT / "tests" / name).read_text()
    sources = [
        ast.get_source_segment(text, it) or ""
        for it in ast.walk(ast.parse(text))
        if isinstance(it, ast.FunctionDef) and it.name == holder
    ]

    assert len(sources) == 1, f"{place} is gone: name the test of the action"
    (source,) = sources
    assert f'"{action}"' in source
    assert re.search(r"\b(audit_entries|audited|items|all_items)\(", source)


def test_a_search_for_secrets_would_find_one(scenario: AccessScenario) -> None:
    (secret, *_) = secrets_in({"refresh_token": scenario.tokens["refresh_token"]})
    audit.record(audit.entry("x", actor_id=None, address=None, target=None, details={"oops": secret}))

    assert secret in json.dumps(audit_log())


def test_a20_line_ends_in_a_path_reach_no_entry(customer: Person) -> None:
    assert call("GET", "/api/v1/admin/users/a\r\nb", token=customer.token).status == 404
    assert call("GET", "/api/v1/admin/users/a b", token=customer.token).status == 403

    (entry,) = audit_log()
    assert entry["target"]["S"] == "GET /api/v1/admin/users/a%20b"
