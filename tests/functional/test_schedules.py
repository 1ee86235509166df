"""Schedules in the API, and their entries in EventBridge Scheduler, which follow the items despite any failure."""

import json
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from oms.core import clock
from oms.core.dynamodb import client, get_item, put_item, update_item
from oms.core.settings import settings
from oms.exports.columns import COLUMNS
from oms.identity.models import User, user_key
from oms.schedules import service as schedules
from oms.schedules.models import Schedule, ScheduleCount
from tests.support.aws_calls import changed_meanwhile, intercepted
from tests.support.database import table
from tests.support.event_bus import entries_of
from tests.support.faults import between, crashes, failing, lose_answer, refuse
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Answer, Person
from tests.support.schedules import SCHEDULES, addressed, create, delete, entries_kept, run_message, serve
from tests.support.streams import streamed

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

ADA, BOB = "ada@example.com", "bob@example.com"


@pytest.fixture
def ada(person: Callable[..., Person]) -> Person:
    return addressed(person("manager", email=ADA), ADA)


@pytest.fixture
def bob(person: Callable[..., Person]) -> Person:
    return addressed(person("admin", email=BOB), BOB)


def audited() -> list[tuple[str, str]]:
    items = table("audit").items()
    return sorted((it["action"]["S"], it["target"]["S"]) for it in items)


def stored() -> list[Schedule]:
    items = table("reports").items()
    return [Schedule.from_raw_data(it) for it in items if it["kind"]["S"] == "schedule"]


def counted() -> int:
    count = get_item(ScheduleCount, ScheduleCount.key())
    return count.n if count else 0


# ---- the API --------------------------------------------------------------------------------------------------------


def test_a_schedule_is_answered_as_requested_and_stores_no_address(ada: Person, bob: Person) -> None:
    answer = create(ada, BOB, ADA, schedule="rate(1 day)")

    assert answer.status == 201, answer.text
    shown = answer.json
    assert answer.headers["Location"] == f"{SCHEDULES}/{shown['id']}"
    assert shown == {
        "id": shown["id"],
        "report": "orders",
        "schedule": "rate(1 day)",
        "recipients": [BOB, ADA],
        "format": "csv",
        "bom": False,
        "columns": list(COLUMNS["orders"].default),
        "covered_until": shown["created_at"],
        "created_at": shown["created_at"],
        "created_by": ada.id,
    }
    (item,) = stored()
    assert item.recipients == [bob.id, ada.id]
    assert "@" not in str([table(name).items() for name in ("reports", "audit")])
    assert audited() == [("schedule.created", f"schedule#{shown['id']}")]


def test_one_recipient_in_two_spellings_is_one(ada: Person) -> None:
    assert create(ada, ADA, "Ada@Example.com").json["recipients"] == [ADA]


def test_a27_only_active_managers_and_admins_can_be_recipients(ada: Person, person: Any) -> None:
    addressed(person("customer"), "customer@example.com")
    addressed(person("manager", status="disabled"), "dismissed@example.com")

    answer = create(ada, "customer@example.com", ADA, "dismissed@example.com", "mallory@elsewhere.example")

    assert places(answer) == {"#/recipients/0", "#/recipients/2", "#/recipients/3"}
    details = {it["detail"] for it in answer.json["errors"]}
    assert details == {"is not the address of an active manager or admin"}, "the answer is the same for all three"
    assert (stored(), counted(), audited()) == ([], 0, [])


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"schedule": "at(2026-12-01T08:00:00)"}, "#/schedule"),
        ({"schedule": "rate(30 minutes)"}, "#/schedule"),
        ({"schedule": "cron(0 8 30 2 ? *)"}, "#/schedule"),
        ({"schedule": ""}, "#/schedule"),
        ({"report": "customers"}, "#/report"),
        ({"recipients": []}, "#/recipients"),
        ({"recipients": [f"m{it}@example.com" for it in range(21)]}, "#/recipients"),
        ({"recipients": ["Ada <ada@example.com>"]}, "#/recipients/0"),
        ({"url": "https://elsewhere.example"}, "#/url"),
    ],
)
def test_an_invalid_schedule_is_refused_at_its_place(ada: Person, change: dict[str, Any], place: str) -> None:
    body = {"report": "orders", "schedule": "rate(1 day)", "recipients": [ADA]}

    assert places(call("POST", SCHEDULES, body | change, token=ada.token)) == {place}

    assert stored() == []


def test_schedules_are_listed_newest_first_with_the_addresses_as_they_are(
    ada: Person, bob: Person, person: Any, time_machine: Callable[[timedelta], None]
) -> None:
    made = []
    for report in ("orders", "inventory", "sales"):
        made.append(create(ada, ADA, BOB, report=report).json)
        time_machine(timedelta(seconds=1))

    first = call("GET", f"{SCHEDULES}?limit=2", token=bob.token).json
    rest = call("GET", f"{SCHEDULES}?limit=2&cursor={first['next_cursor']}", token=bob.token).json

    assert [*first["items"], *rest["items"]] == made[::-1]
    assert rest["next_cursor"] is None


def test_a_schedule_is_deleted_once(ada: Person, bob: Person) -> None:
    schedule_id = create(ada, ADA).json["id"]

    assert delete(bob, schedule_id).status == 204
    assert_problem(delete(bob, schedule_id), 404, "not-found")

    assert (stored(), counted()) == ([], 0)
    assert [action for action, _ in audited()] == ["schedule.created", "schedule.deleted"]


def test_there_are_fifty_schedules_at_most(ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "MAX_SCHEDULES", 2)
    first = create(ada, ADA).json["id"]
    assert create(ada, ADA).status == 201

    assert_problem(create(ada, ADA), 409, "too-many-schedules")

    assert delete(ada, first).status == 204
    assert create(ada, ADA).status == 201
    assert counted() == len(stored()) == 2


def test_a_schedule_whose_answer_was_lost_is_made_once_and_gone_once(ada: Person) -> None:
    with intercepted(lose_answer("TransactWriteItems")):
        schedule_id = create(ada, ADA).json["id"]
    assert counted() == len(stored()) == 1

    with intercepted(lose_answer("TransactWriteItems")):
        assert delete(ada, schedule_id).status == 204
    assert (counted(), stored()) == (0, [])
    assert len(audited()) == 2


def test_a_created_or_deleted_schedule_sends_a_message_to_its_worker_alone(ada: Person) -> None:
    with streamed("reports") as records:
        schedule_id = create(ada, ADA).json["id"]
        moved = stored()[0]
        moved.covered_until = "2027-01-01T00:00:00.000Z"
        put_item(moved)
        delete(ada, schedule_id)

    messages = [(it["Source"], it["DetailType"], json.loads(it["Detail"])) for it in entries_of(records)]

    assert messages == [("oms.internal", "schedule.look", {"schedule": schedule_id})] * 2


# ---- idempotency keys -----------------------------------------------------------------------------------------------

DAILY = {"report": "orders", "schedule": "rate(1 day)", "recipients": [ADA]}


def keyed(who: Person, key: str = "k-1", **changes: Any) -> Answer:
    return call("POST", SCHEDULES, DAILY | changes, token=who.token, headers={"Idempotency-Key": key})


def is_replay(answer: Answer) -> bool:
    return answer.headers.get("Idempotency-Replayed") == "true"


def test_a_schedule_sent_again_is_the_same_schedule(ada: Person, bob: Person) -> None:
    first, again = keyed(ada), keyed(ada)

    assert (first.status, is_replay(first)) == (201, False)
    assert (again.status, is_replay(again), again.json) == (201, True, first.json)
    assert again.headers["Location"] == first.headers["Location"]
    assert counted() == len(stored()) == len(audited()) == 1
    assert not is_replay(keyed(bob)), "a key belongs to its user"
    assert not is_replay(keyed(ada, "k-2"))


def test_the_key_of_a_schedule_with_another_body_is_refused(ada: Person) -> None:
    keyed(ada)

    assert_problem(keyed(ada, schedule="rate(2 days)"), 422, "idempotency-key-reused")

    assert counted() == len(stored()) == 1


def test_a_replay_comes_before_every_check_of_state(ada: Person, bob: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is reached, and the recipient has become a customer."""
    first = keyed(ada, recipients=[BOB])
    monkeypatch.setattr(schedules, "MAX_SCHEDULES", 1)
    assert_problem(keyed(ada, "k-2"), 409, "too-many-schedules")
    update_item(User(*user_key(bob.id)), [User.role.set("customer")])

    again = keyed(ada, recipients=[BOB])

    assert (again.status, is_replay(again), again.json) == (201, True, first.json)


def test_the_key_of_a_deleted_schedule_creates_another_one(ada: Person) -> None:
    """Its id is new, so late messages and the entry of the deleted one are not its own."""
    first = keyed(ada)
    assert delete(ada, first.json["id"]).status == 204

    again = keyed(ada, schedule="rate(2 days)")

    assert (again.status, is_replay(again), again.json["schedule"]) == (201, False, "rate(2 days)")
    assert again.json["id"] != first.json["id"]
    assert delete(ada, again.json["id"]).status == 204
    assert [it["kind"]["S"] for it in table("reports").items()] == ["schedule-count"]


@pytest.mark.parametrize("every", ["rate(1 day)", "rate(2 days)"])
def test_a_key_whose_schedule_is_gone_creates_another_one(ada: Person, every: str) -> None:
    """As after a restore that brought back the item of the key, but not its schedule."""
    first = keyed(ada)
    key = next(it for it in table("reports").items() if it["kind"]["S"] == "schedule-key")
    delete(ada, first.json["id"])
    client().put_item(TableName=settings().reports_table, Item=key)

    again = keyed(ada, schedule=every)

    assert (again.status, is_replay(again), again.json["schedule"]) == (201, False, every)
    assert again.json["id"] != first.json["id"]
    assert keyed(ada, schedule=every).json == again.json
    assert counted() == len(stored()) == 1


def test_f02_a_schedule_is_created_once_after_a_crash_at_any_call(ada: Person) -> None:
    keys = count()

    points = 0
    for point, key in crashes(lambda: str(next(keys)), lambda it: keyed(ada, it)):
        points += 1
        answer = keyed(ada, key)
        assert answer.status == 201, point
        assert keyed(ada, key).json == answer.json, point
        assert counted() == len(stored()) == len(audited()) == points, point
    assert points >= 6


def test_f04_requests_with_one_key_at_once_create_one_schedule(ada: Person) -> None:
    """The second request runs just before the write of the first."""
    others: list[Answer] = []

    with changed_meanwhile("TransactWriteItems", lambda: others.append(keyed(ada))):
        answer = keyed(ada)

    assert (is_replay(others[0]), is_replay(answer)) == (False, True)
    assert answer.json == others[0].json
    assert counted() == len(stored()) == 1


def test_f03_a_keyed_schedule_whose_responses_are_lost_is_found(ada: Person) -> None:
    with intercepted(lose_answer("TransactWriteItems")):
        first = keyed(ada)

    assert (first.status, is_replay(first)) == (201, False)
    assert keyed(ada).json == first.json
    assert counted() == len(stored()) == 1


def test_a_key_costs_no_call(ada: Person) -> None:
    with intercepted() as with_key:
        keyed(ada)
    with intercepted() as without:
        create(ada, ADA)

    assert [it.operation for it in with_key] == [it.operation for it in without]


# ---- entries --------------------------------------------------------------------------------------------------------


def test_the_entry_of_a_schedule_sends_its_runs_with_their_time(ada: Person) -> None:
    schedule_id = create(ada, ADA, schedule="cron(30 6 ? * MON-FRI *)").json["id"]

    with entries_kept() as kept:
        assert serve(run_message(schedule_id), run_message(schedule_id)) == []

    entry = kept[schedule_id]
    assert entry["ScheduleExpression"] == "cron(30 6 ? * MON-FRI *)"
    assert (entry["ScheduleExpressionTimezone"], entry["FlexibleTimeWindow"]) == ("UTC", {"Mode": "OFF"})
    assert "StartDate" not in entry
    assert json.loads(entry["Target"]["Input"]) == {"schedule": schedule_id, "time": "<aws.scheduler.scheduled-time>"}
    assert entry["Target"]["Arn"].endswith(":runs")
    assert entry["Target"]["DeadLetterConfig"]["Arn"].endswith(":runs-dead-letters")


@pytest.mark.parametrize(("late", "periods"), [(0, 1), (7199, 1), (7200, 2), (3 * 7200 + 5, 4)])
def test_a_rate_begins_a_whole_number_of_periods_after_its_creation_however_late_it_is_processed(
    ada: Person, late: int, periods: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = clock.now().replace(microsecond=0)
    monkeypatch.setattr(clock, "now", lambda: made)
    schedule_id = create(ada, ADA, schedule="rate(2 hours)").json["id"]
    monkeypatch.setattr(clock, "now", lambda: made + timedelta(seconds=late))

    with entries_kept() as kept:
        serve(run_message(schedule_id))

    assert kept[schedule_id]["StartDate"] == made + timedelta(hours=2 * periods)


def test_the_entry_goes_with_its_schedule_and_stays_gone(ada: Person) -> None:
    schedule_id = create(ada, ADA).json["id"]

    with entries_kept() as kept:
        serve(run_message(schedule_id))
        delete(ada, schedule_id)
        assert serve(run_message(schedule_id), run_message(schedule_id)) == []

    assert kept == {}


def test_a_schedule_that_is_deleted_at_any_moment_while_it_is_processed_leaves_no_entry(ada: Person) -> None:
    """The consumer of the deletion runs at once, perhaps before the entry exists."""
    calls = 0
    for number in range(1, 20):
        schedule_id = create(ada, ADA).json["id"]

        def go(gone: str = schedule_id) -> None:
            delete(ada, gone)
            serve(run_message(gone))

        with entries_kept() as kept, intercepted(between(number, go, after=False)) as made:
            serve(run_message(schedule_id))
            happened = len(made) >= number
        if not happened:
            break
        calls += 1
        assert kept == {}, f"before call {number}"
    assert calls >= 3


@pytest.mark.parametrize("gone", [False, True])
def test_f13_after_a_crash_at_any_call_and_a_retry_the_entry_is_as_the_schedule_says(ada: Person, gone: bool) -> None:
    def begin() -> str:
        schedule_id = str(create(ada, ADA).json["id"])
        serve(run_message(schedule_id))
        if gone:
            delete(ada, schedule_id)
        else:
            kept.pop(schedule_id)
        return schedule_id

    points = 0
    with entries_kept() as kept:
        for point, schedule_id in crashes(begin, lambda it: serve(run_message(it))):
            points += 1
            assert serve(run_message(schedule_id)) == []
            assert (schedule_id in kept) is not gone, point
            if not gone:
                delete(ada, schedule_id)

    assert points >= 4


def test_a_message_that_the_scheduler_refuses_is_returned_and_its_neighbours_are_not(ada: Person) -> None:
    first, second = (create(ada, ADA).json["id"] for _ in range(2))

    with entries_kept(refuse("CreateSchedule", failing("ThrottlingException"), times=1)) as kept:
        assert serve(run_message(first), run_message(second)) == ["0"]
        assert serve(run_message(first)) == []

    assert kept.keys() == {first, second}


@pytest.mark.parametrize("body", ["no JSON", "[]", "{}", '{"schedule": "S", "time": "noon"}'])
def test_f16_a_message_that_is_none_comes_back_alone(ada: Person, body: str) -> None:
    schedule_id = create(ada, ADA).json["id"]

    with entries_kept() as kept:
        assert serve(body, run_message(schedule_id)) == ["0"]

    assert kept.keys() == {schedule_id}
