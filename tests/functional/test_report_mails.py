"""The mails of scheduled reports: recipients and number, and that they have no personal data."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from oms.core import clock
from oms.core.dynamodb import get_item, put_item, update_item
from oms.exports import service
from oms.exports.models import Export
from oms.identity.models import IdentityItem, user_key
from oms.schedules import runs
from tests.support.event_bus import entries_of
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Person
from tests.support.mail import Ses, mails, notify, set_up
from tests.support.schedules import addressed, create, due, serve
from tests.support.streams import streamed

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

ADA, BOB = "ada@example.com", "bob@example.com"
EXPORTS = "/api/v1/reports/exports"


@pytest.fixture(autouse=True)
def ses(monkeypatch: pytest.MonkeyPatch) -> Ses:
    return set_up(monkeypatch)


@pytest.fixture
def ada(person: Callable[..., Person]) -> Person:
    return addressed(person("manager", email=ADA, email_verified=True, first_name="Ada"), ADA)


@pytest.fixture
def bob(person: Callable[..., Person]) -> Person:
    return addressed(person("admin", email=BOB, email_verified=True, first_name="Bob"), BOB)


@pytest.fixture
def export(ada: Person, bob: Person, time_machine: Callable[[timedelta], None]) -> Export:
    """Returns the running export of a schedule for both."""
    schedule_id = create(ada, ADA, BOB).json["id"]
    time_machine(timedelta(minutes=30))
    assert serve(due(schedule_id, clock.now())) == []
    (found,) = service.list_exports(limit=10, after=None).items
    return found


def finish(export: Export, status: str = "done") -> list[dict[str, Any]]:
    """Ends an export, and returns the events of the publisher."""
    with streamed("reports") as records:
        update_item(
            export,
            [
                Export.status.set(status),
                Export.rows.set(1284),
                Export.finished_at.set(clock.timestamp(clock.now())),
                Export.version.add(1),
            ],
        )
    return entries_of(records)


def asked(entries: list[dict[str, Any]]) -> list[str]:
    """Returns the messages that cause mails."""
    return [it["Detail"] for it in entries if it["DetailType"] == "report.mail"]


def change(who: Person, **attributes: Any) -> None:
    user = get_item(IdentityItem, user_key(who.id))
    assert user is not None
    for name, value in attributes.items():
        setattr(user, name, value)
    put_item(user)


def test_a_report_that_is_ready_is_published_and_mailed_to_its_recipients(
    export: Export, ada: Person, bob: Person, ses: Ses
) -> None:
    entries = finish(export)

    assert [it["DetailType"] for it in entries] == ["report.ready", "report.mail", "report.mail"]
    assert notify(*asked(entries)) == []

    assert ses.recipients == [ADA, BOB]
    assert set(ses.subjects) == {"Your scheduled report is ready: orders"}
    for text, name in zip(ses.texts, ("Ada", "Bob"), strict=True):
        assert f"Hello {name}," in text
        assert f"https://shop.example/exports/{export.id}\n" in text
        assert "Lines     1284" in text
        assert f"DELETE /api/v1/reports/schedules/{export.schedule_id}" in text


def test_a27_neither_mail_nor_event_nor_message_has_a_link_to_the_file_or_an_address(export: Export, ses: Ses) -> None:
    entries = finish(export)
    notify(*asked(entries))

    details = json.dumps([it["Detail"] for it in entries])
    assert "@" not in details
    assert "recipients" not in details
    for said in (details, str([it["Content"] for it in ses.sent])):
        assert "X-Amz" not in said
        assert "amazonaws" not in said


def test_a27_a_recipient_disabled_or_demoted_meanwhile_gets_nothing_and_the_others_do(
    export: Export, ada: Person, bob: Person, ses: Ses
) -> None:
    messages = asked(finish(export))
    change(bob, status="disabled")
    assert notify(*messages) == []
    assert ses.recipients == [ADA]

    change(ada, role="customer")
    assert notify(*messages) == []

    assert ses.recipients == [ADA]


def test_a27_a_recipient_who_has_become_a_customer_gets_nothing(export: Export, ada: Person, ses: Ses) -> None:
    change(ada, role="customer")

    notify(*asked(finish(export)))

    assert ses.recipients == [BOB]


def test_a27_the_page_of_an_old_mail_is_for_current_managers(export: Export, ada: Person, bob: Person) -> None:
    finish(export)
    path = f"{EXPORTS}/{export.id}"
    assert call("GET", path, token=ada.token).status == 200

    change(ada, role="customer")
    change(bob, status="disabled")

    assert_problem(call("GET", path), 401, "unauthenticated")
    assert_problem(call("GET", path, token=ada.token), 403, "forbidden")
    assert_problem(call("GET", path, token=bob.token), 401, "unauthenticated")


def test_f14_each_recipient_is_mailed_once_of_an_export_however_often_its_end_is_published(
    export: Export, ses: Ses
) -> None:
    messages = asked(finish(export))

    assert notify(*messages, *messages) == []
    assert notify(*reversed(messages)) == []

    assert sorted(ses.recipients) == [ADA, BOB]
    assert len(mails()) == 2


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_an_export_that_ends_otherwise_is_not_mailed(export: Export, status: str) -> None:
    assert asked(finish(export, status)) == []


def test_an_export_that_was_ready_a_week_ago_or_is_gone_is_not_mailed(
    export: Export, ses: Ses, time_machine: Callable[[timedelta], None]
) -> None:
    messages = asked(finish(export))
    gone = json.dumps({"report": "GONE", "user": json.loads(messages[0])["user"]})
    time_machine(timedelta(days=7, seconds=1))

    assert notify(*messages, gone) == []

    assert (ses.sent, mails()) == ([], [])


def test_an_export_that_a_user_requested_is_not_mailed(ada: Person, ses: Ses) -> None:
    made = call("POST", EXPORTS, {"report": "orders"}, token=ada.token)
    assert made.status == 202
    found = get_item(Export, Export.key(made.json["id"]))
    assert found is not None

    assert [it["DetailType"] for it in finish(found)] == ["report.ready"]


def test_the_daily_report_says_which_setting_names_its_recipients(
    ada: Person, ses: Ses, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = replace(runs.settings(), daily_report_to=(ADA,))
    monkeypatch.setattr(runs, "settings", lambda: known)
    serve(due("daily", clock.now()))
    (found,) = service.list_exports(limit=10, after=None).items

    notify(*asked(finish(found)))

    assert ses.recipients == [ADA]
    assert "to whom the setting daily_report_to names" in ses.texts[0]
    assert "DELETE" not in ses.texts[0]
