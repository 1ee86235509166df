"""Scheduled reports on the deployed system: from the schedule over its run to the mail, the webhook and the file."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from local.system import LocalSystem
from oms.schedules.scheduler_entries import SCHEDULED_TIME
from tests.support.local_cloud.accounts import PASSWORD, log_in
from tests.support.local_cloud.mailbox import mails_to
from tests.support.local_cloud.queues import wait_until_at_rest
from tests.support.local_cloud.shop import create_product, order_of, wait_until
from tests.support.local_cloud.subscriber import subscribed

SCHEDULES, EXPORTS = "/api/v1/reports/schedules", "/api/v1/reports/exports"
# So far ahead that no run starts on its own during a test.
AHEAD = timedelta(minutes=50)

# On a busy machine the first requests and messages wait for workers to start.
pytestmark = pytest.mark.full

type ClientFactory = Callable[..., httpx.Client]
type SignedIn = Callable[[str], httpx.Client]


@pytest.fixture
def new_manager(client: ClientFactory, signed_in: SignedIn) -> Callable[[], tuple[httpx.Client, str, str]]:
    """A factory of signed-in managers: client, address, id."""

    def make() -> tuple[httpx.Client, str, str]:
        http, email = client(), f"{uuid4().hex}@example.com"
        body = {"email": email, "password": PASSWORD, "first_name": "Grace"}
        user_id = http.post("/api/v1/auth/register", json=body).json()["id"]
        made = signed_in("admin").patch(f"/api/v1/admin/users/{user_id}/role", json={"role": "manager"})
        assert made.status_code == 200, made.text
        http.headers["Authorization"] = f"Bearer {log_in(http, email).json()['access_token']}"
        return http, email, user_id

    return make


def entry_of(system: LocalSystem, schedule_id: str) -> dict[str, Any] | None:
    scheduler = system.client("scheduler")
    try:
        found = scheduler.get_schedule(
            Name=schedule_id, GroupName=system.environment("Scheduler")["OMS_SCHEDULE_GROUP"]
        )
    except scheduler.exceptions.ResourceNotFoundException:
        return None
    return dict(found)


def run_now(system: LocalSystem, entry: dict[str, Any]) -> None:
    """Lets the scheduler run this entry now, without waiting for its time.

    Uses a second entry, as the emulator never fires an `at` entry that it has read before.
    """
    due = f"{datetime.now(UTC) + timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}"
    same = {name: entry[name] for name in ("GroupName", "FlexibleTimeWindow")}
    # The time, which AWS inserts and the emulator does not. The run may be sent in the minute in which the schedule was
    # # created: such a run has nothing to report yet.
    target = entry["Target"] | {"Input": entry["Target"]["Input"].replace(SCHEDULED_TIME, f"{due}Z")}
    system.client("scheduler").create_schedule(
        Name=f"now-{entry['Name']}",
        ScheduleExpression=f"at({due})",
        ActionAfterCompletion="DELETE",
        Target=target,
        **same,
    )


def reports_to(system: LocalSystem, email: str) -> list[str]:
    return [it["BodyText"] for it in mails_to(system, email) if "scheduled report" in it["Subject"]]


def rows_of(url: str) -> list[dict[str, str]]:
    with httpx.Client(trust_env=False) as http:
        file = http.get(url)
    assert file.status_code == 200
    return list(csv.DictReader(io.StringIO(file.text, newline="")))


def test_a27_a_scheduled_report_reaches_active_recipients_and_no_disabled_one(
    system: LocalSystem, signed_in: SignedIn, new_manager: Callable[[], tuple[httpx.Client, str, str]]
) -> None:
    grace, address, _ = new_manager()
    leaver, leavers_address, leavers_id = new_manager()
    customer, admin = signed_in("alice"), signed_in("admin")
    product = create_product(grace, stock=10)

    with subscribed(admin, ["report.ready"]) as subscriber:
        minute = (datetime.now(UTC) + AHEAD).minute
        body = {
            "report": "orders",
            "schedule": f"cron({minute} * * * ? *)",
            "recipients": [address, leavers_address],
        }
        made = grace.post(SCHEDULES, json=body)
        assert made.status_code == 201, made.text
        schedule = made.json()
        placed = customer.post("/api/v1/orders", json=order_of((product, 3))).json()
        disabled = admin.patch(f"/api/v1/admin/users/{leavers_id}/status", json={"status": "disabled"})
        assert disabled.status_code == 200
        entry = wait_until(lambda: entry_of(system, schedule["id"]), bool)
        assert entry
        assert entry["ScheduleExpression"] == body["schedule"]
        run_now(system, entry)

        (mail,) = wait_until(lambda: reports_to(system, address), bool)
        (page,) = [line.strip() for line in mail.splitlines() if "/exports/" in line]
        export_id = page.rpartition("/")[2]
        assert page == f"{system.environment('Notifier')['OMS_PUBLIC_URL']}/exports/{export_id}"
        (event,) = wait_until(lambda: subscriber.of(export_id), bool)

    shown = grace.get(f"{EXPORTS}/{export_id}").json()
    assert (shown["status"], shown["report"]) == ("done", "orders")
    rows = rows_of(shown["url"])
    assert shown["rows"] == len(rows) == event["data"]["rows"]
    assert [(it["quantity"], it["line_total"]) for it in rows if it["order_id"] == placed["id"]] == [("3", "15.00")]
    assert {it["created_at"] >= schedule["created_at"] for it in rows} == {True}
    assert "url" not in event["data"]
    assert "X-Amz" not in mail

    assert leaver.get(f"{EXPORTS}/{export_id}").status_code == 401

    listed = {it["id"]: it for it in grace.get(f"{SCHEDULES}?limit=100").json()["items"]}
    assert listed[schedule["id"]]["covered_until"] == shown["filters"]["to"]
    assert grace.delete(f"{SCHEDULES}/{schedule['id']}").status_code == 204
    assert wait_until(lambda: entry_of(system, schedule["id"]), lambda it: it is None) is None
    wait_until_at_rest(system, "EventsMail")
    assert len(reports_to(system, address)) == 1
    assert reports_to(system, leavers_address) == []


def test_the_daily_run_is_deployed_and_reports_the_previous_day(system: LocalSystem, signed_in: SignedIn) -> None:
    scheduler, manager = system.client("scheduler"), signed_in("manager")
    group = system.environment("Scheduler")["OMS_SCHEDULE_GROUP"]
    (found,) = (it for it in scheduler.list_schedules(GroupName=group)["Schedules"] if "Daily" in it["Name"])
    daily = scheduler.get_schedule(Name=found["Name"], GroupName=group)
    assert daily["ScheduleExpression"] == "cron(30 0 * * ? *)"

    # Sent at that time, so that a test can wait for it.
    url = system.client("sqs").get_queue_url(QueueName=daily["Target"]["Arn"].rpartition(":")[2])["QueueUrl"]
    for _ in range(2):
        system.client("sqs").send_message(QueueUrl=url, MessageBody=daily["Target"]["Input"])

    today = f"{datetime.now(UTC):%Y-%m-%d}T00:00:00.000Z"

    def of_the_day_before() -> list[Any]:
        exports = manager.get(f"{EXPORTS}?limit=100").json()["items"]
        return [it for it in exports if it["filters"]["to"] == today and it["created_by"] == "system"]

    (export,) = wait_until(of_the_day_before, lambda it: bool(it) and it[0]["status"] == "done")
    assert export["status"] == "done"
    assert export["filters"]["from"] == f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}T00:00:00.000Z"
