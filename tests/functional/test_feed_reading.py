"""Readers of the feed: concurrent writes, expired events, and events that they may not see."""

import base64
import json
import random
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from oms.core import clock
from oms.core.dynamodb import client, get_item, put_item
from oms.core.pages import encode_cursor
from oms.core.settings import settings
from oms.feed import models, service
from oms.feed.models import Day, FeedRow, Marker
from oms.identity import tokens
from oms.identity.models import IdentityItem, Session, session_key
from tests.support.aws_calls import Plan, intercepted
from tests.support.database import table
from tests.support.faults import Crash, timed_out
from tests.support.feed import FEED, an_event, everything, feed_in, ids, read
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Person

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

type TimeMachine = Callable[[timedelta], None]


def unseen(hidden: Collection[str]) -> Plan:
    """Hides these events' rows from Query, as while their transaction is committed item by item."""

    def plan(made: Any) -> Any:
        answer = made.send()
        if made.operation == "Query":
            answer["Items"] = [it for it in answer["Items"] if it.get("event_id", {}).get("S") not in hidden]
        return answer

    return plan


@pytest.mark.parametrize("late", [{0}, {2}, {4}, {1, 3}, {0, 1, 2, 3}])
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_f27_a_reader_waits_for_a_row_that_is_not_to_be_seen_yet(manager: Person, late: set[int], limit: int) -> None:
    events = [an_event() for _ in range(5)]
    feed_in(*events[:3])
    feed_in(*events[3:])

    with intercepted(unseen([events[it]["id"] for it in late])):
        seen = everything(manager, limit=limit)

    assert seen == ids(events)[: min(late)]
    assert everything(manager, f"&after={seen[-1]}" if seen else "", limit) == ids(events)[min(late) :]


@pytest.mark.parametrize("seed", range(10))
def test_f27_rows_that_show_up_in_any_order_are_read_in_theirs(manager: Person, seed: int) -> None:
    chance = random.Random(seed)
    hidden: list[str] = []
    written: list[str] = []
    seen: list[str] = []
    with intercepted(unseen(hidden)):
        for _ in range(15):
            events = [an_event() for _ in range(chance.randrange(6))]
            hidden += ids(events)
            written += ids(events)
            if events:
                feed_in(*events)
            for _ in range(3):
                chance.shuffle(hidden)
                del hidden[: chance.randrange(3)]
                seen += everything(manager, f"&after={seen[-1]}" if seen else "", chance.choice([1, 2, 100]))
        hidden.clear()
        seen += everything(manager, f"&after={seen[-1]}" if seen else "")

    assert seen == written


def test_an_event_whose_row_is_not_to_be_seen_yet_is_not_there_yet(manager: Person) -> None:
    event = an_event()
    feed_in(event)

    def plan(made: Any) -> Any:
        is_row = made.operation == "GetItem" and made.parameters["Key"]["pk"]["S"].startswith("rows#")
        return {} if is_row else made.send()

    with intercepted(plan):
        assert_problem(call("GET", f"{FEED}/{event['id']}", token=manager.token), 404, "not-found")


def test_f27_a_lost_row_is_skipped_once_it_can_no_longer_arrive(
    person: Callable[..., Person], time_machine: TimeMachine
) -> None:
    events = [an_event() for _ in range(5)]
    feed_in(*events)
    remove(events[0], events[2], events[3])

    assert everything(person("manager")) == []
    time_machine(timedelta(minutes=9))
    assert everything(person("manager")) == []
    time_machine(timedelta(minutes=2))
    assert everything(person("manager")) == [events[1]["id"], events[4]["id"]]


@pytest.mark.parametrize("limit", [2, 4, 5, 100])
@pytest.mark.parametrize("lost", [{4}, {3, 4}, {4, 5}, {2, 3, 4, 5}])
def test_a_lost_end_of_a_block_is_stepped_over_as_well(
    person: Callable[..., Person],
    time_machine: TimeMachine,
    monkeypatch: pytest.MonkeyPatch,
    lost: set[int],
    limit: int,
) -> None:
    monkeypatch.setattr(models, "ROWS_PER_BLOCK", 6)  # the first one has the positions up to 5
    monkeypatch.setattr(service, "_LOOK_BEYOND_SHARE", 1)
    events = [an_event() for _ in range(9)]
    feed_in(*events)
    remove(*(events[it] for it in lost))
    kept = [event["id"] for number, event in enumerate(events) if number not in lost]

    assert everything(person("manager"), limit=limit) == kept[: min(lost)], "it may still arrive"
    time_machine(timedelta(minutes=11))

    manager = person("manager")
    assert everything(manager, limit=limit) == kept
    assert everything(manager, f"&after={kept[1]}", limit) == kept[2:]
    assert everything(manager, f"&after={events[min(lost)]['id']}", limit) == kept[min(lost) :], "of a lost row's event"
    monkeypatch.setattr(service, "_LOOK_BEYOND_SHARE", 0)
    for event in kept[-2:]:
        with intercepted() as calls:
            read(manager, f"&after={event}")
        assert [it.operation for it in calls] == ["BatchGetItem", "GetItem", "Query"], "few reads search for a lost row"


def test_a_reader_of_a_feed_that_just_begins_misses_nothing(manager: Person) -> None:
    """After each of its first reads an event is written."""
    events = [an_event() for _ in range(3)]
    waiting = list(events)
    is_writing = False

    def plan(made: Any) -> Any:
        nonlocal is_writing
        answer = made.send()
        if made.operation in ("Query", "GetItem") and waiting and not is_writing:
            is_writing = True
            feed_in(waiting.pop(0))
            is_writing = False
        return answer

    seen: list[str] = []
    cursor: str | None = None
    with intercepted(plan):
        for _ in range(5):
            found, cursor = follow(manager, cursor)
            seen += found

    assert seen == ids(events)


def remove(*events: Any) -> None:
    """Removes items as in a table that was restored to a time within a transaction."""
    for event in events:
        marker = get_item(Marker, Marker.key(event["id"]))
        assert marker
        delete(*FeedRow.key(marker.position))


def expire() -> None:
    """Removes all items that time to live may have removed so far."""
    for item in list(table(settings().events_table).items()):
        raw = item
        if int(raw.get("ttl", {"N": "9" * 12})["N"]) < clock.now().timestamp():
            delete(raw["pk"]["S"], raw["sk"]["S"])


def delete(partition: str, sort: str) -> None:
    client().delete_item(TableName=settings().events_table, Key={"pk": {"S": partition}, "sk": {"S": sort}})


@pytest.mark.parametrize("removed", [True, False])
def test_nothing_expires_that_a_reader_may_come_across(
    person: Callable[..., Person], time_machine: TimeMachine, monkeypatch: pytest.MonkeyPatch, removed: bool
) -> None:
    """Regardless of whether DynamoDB has removed expired items: it does so in any order, days late."""
    monkeypatch.setattr(models, "ROWS_PER_BLOCK", 5)
    start, written = clock.now(), list[tuple[datetime, str]]()
    for day in (*range(8), 85, 86):
        time_machine(start + timedelta(days=day) - clock.now())
        for _ in range(4):
            event = an_event()
            written.append((clock.now(), event["id"]))
            feed_in(event)
            time_machine(timedelta(hours=6))

    time_machine(start + timedelta(days=92) - clock.now())
    for _ in range(7):
        if removed:
            expire()
        first_day = (clock.now() - timedelta(days=90)).date()
        kept = [event_id for at, event_id in written if at.date() >= first_day]
        manager = person("manager")
        seen = everything(manager)
        assert seen == kept
        assert everything(manager, f"&after={seen[0]}") == kept[1:], (
            "an event that was shown is a valid place to continue"
        )
        gone = written[len(written) - len(kept) - 1][1]
        assert_problem(read(manager, f"&after={gone}"), 410, "gone")
        assert_problem(call("GET", f"{FEED}/{gone}", token=manager.token), 410, "gone")
        time_machine(timedelta(hours=5))


def signed_in_again(who: Person) -> Person:
    session = cast(Session, get_item(IdentityItem, session_key(who.id, who.session_id)))
    session.expires_at = int((clock.now() + timedelta(days=7)).timestamp())
    put_item(session)
    token = tokens.issue(user_id=who.id, session_id=who.session_id, role=who.role, now=clock.now())
    return replace(who, token=token)


@pytest.mark.parametrize("removed", [True, False])
def test_a_cursor_whose_place_has_expired_is_gone(admin: Person, time_machine: TimeMachine, removed: bool) -> None:
    feed_in(an_event(), an_event())
    cursor = read(admin, limit=1).json["next_cursor"]
    time_machine(timedelta(days=89))
    feed_in(an_event())
    again = signed_in_again(admin)
    assert len(read(again, f"&cursor={cursor}").json["items"]) == 2

    time_machine(timedelta(days=4))
    if removed:
        expire()

    assert_problem(read(signed_in_again(admin), f"&cursor={cursor}"), 410, "gone")


def test_a_feed_that_has_been_quiet_for_long_is_empty(person: Callable[..., Person], time_machine: TimeMachine) -> None:
    feed_in(an_event())
    time_machine(timedelta(days=91))

    assert everything(person("manager")) == []


@pytest.mark.parametrize("position", ["abc", "1", "-00000000001", "00000000000١", "0" * 13, "1_0000000000", "%"])
def test_a_forged_cursor_is_refused(manager: Person, position: str) -> None:
    feed_in(an_event())
    cursor = encode_cursor(position, [manager.id, FEED, []])

    assert_problem(read(manager, f"&cursor={cursor}"), 422, "validation-failed")


@pytest.mark.parametrize("types", ["", "&type=stock.low"])
def test_a_page_of_large_events_reads_little_more_than_it_answers(manager: Person, types: str) -> None:
    events = [an_event("stock.low", size=200_000) for _ in range(20)]
    feed_in(*events)
    read_in_total = answered = 0

    def plan(made: Any) -> Any:
        nonlocal read_in_total
        answer = made.send()
        if made.operation == "Query":
            read_in_total += sum(len(str(item)) for item in answer["Items"])
        return answer

    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        with intercepted(plan):
            page = read(manager, types + (f"&cursor={cursor}" if cursor else ""))
        answered += len(page.text)
        assert len(page.text) < 1 << 21
        seen += ids(page.json["items"])
        cursor = page.json["next_cursor"]

    assert seen == ids(events)
    assert read_in_total < 1.5 * answered


def follow(who: Person, cursor: str | None, query: str = "") -> tuple[list[str], str | None]:
    """Returns the ids after a cursor, and the cursor for the next poll."""
    seen: list[str] = []
    while True:
        page = read(who, query + (f"&cursor={cursor}" if cursor else ""), limit=20)
        assert page.status == 200, page.text
        seen += ids(page.json["items"])
        cursor = page.json["resume_cursor"] or cursor
        if page.json["next_cursor"] is None:
            return seen, cursor


@pytest.mark.parametrize("wanted", ["", "&type=order.created", "&type=stock.low"])
def test_a_reader_continues_after_events_that_it_may_not_see(manager: Person, wanted: str) -> None:
    cursor: str | None = None
    seen: list[str] = []
    expected: list[str] = []
    for types in ("", "oos", "", "u", "o" * 40, "uuuu", "s", ""):
        names = {"o": "order.created", "s": "stock.low", "u": "user.registered"}
        events = [an_event(names[it]) for it in types]
        if events:
            feed_in(*events)
        expected += [it["id"] for it in events if it["type"] in (wanted[6:] or ("order.created", "stock.low"))]

        found, cursor = follow(manager, cursor, wanted)
        seen += found

        assert seen == expected
    with intercepted() as calls:
        assert follow(manager, cursor, wanted) == ([], cursor)
    assert [it.operation for it in calls] == ["BatchGetItem", "Query"]
    assert calls[1].send()["Count"] == 1, "only at its position"


def test_a_rare_type_is_looked_for_in_many_rows_of_a_page(manager: Person) -> None:
    for _ in range(6):
        feed_in(*(an_event() for _ in range(49)))
    rare = an_event("stock.low")
    feed_in(rare)

    with intercepted() as calls:
        seen, _ = follow(manager, None, "&type=stock.low")

    assert seen == [rare["id"]]
    assert len([it for it in calls if it.operation == "Query"]) == 5 + 2, (
        "at its beginning, then twice 20 rows and 250, of up to three blocks"
    )


def test_a_poll_for_a_type_that_does_not_occur_reports_no_missed_event(
    admin: Person, time_machine: TimeMachine
) -> None:
    feed_in(an_event("stock.low"))
    _, cursor = follow(admin, None, "&type=stock.low")
    for _ in range(4):
        time_machine(timedelta(days=60))
        feed_in(an_event())
        found, cursor = follow(signed_in_again(admin), cursor, "&type=stock.low")
        assert found == []


def test_a_manager_sees_of_events_of_users_only_that_they_exist(manager: Person) -> None:
    hidden = [an_event("user.registered") for _ in range(3)]
    feed_in(*hidden)

    page = read(manager)

    assert page.json["items"] == []
    cursor = page.json["resume_cursor"]
    shown = page.text + str(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    assert not any(it["id"] in shown for it in hidden)


def stored_as_before_shards(events: list[Any]) -> None:
    """Stores the items that the feed had for these events before its rows were spread over shards."""
    ends = int((clock.now() + timedelta(days=92)).timestamp())
    for position, event in enumerate(events, 1):
        put_item(Marker(*Marker.key(event["id"]), position=position, expires_at=ends))
        row = FeedRow(
            *FeedRow.old_key(position),
            event_id=event["id"],
            type=event["type"],
            body=json.dumps(event),
            expires_at=ends,
        )
        put_item(row)
    put_item(Day(*Day.key(clock.now().date().isoformat()), position=1, expires_at=ends))
    head = {"pk": {"S": "head"}, "sk": {"S": "head"}, "kind": {"S": "head"}, "position": {"N": str(len(events))}}
    client().put_item(TableName=settings().events_table, Item=head)


@pytest.mark.parametrize("before", [1, 5, 6, 7, 13])
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_rows_of_the_time_before_shards_are_read_and_continued(
    manager: Person, monkeypatch: pytest.MonkeyPatch, before: int, limit: int
) -> None:
    monkeypatch.setattr(models, "ROWS_PER_BLOCK", 6)
    monkeypatch.setattr(models, "_ROWS_PER_OLD_PARTITION", 12)
    old, new = [an_event() for _ in range(before)], [an_event() for _ in range(15)]
    stored_as_before_shards(old)
    assert everything(manager, limit=limit) == ids(old)
    cursor = read(manager, limit=1).json["resume_cursor"]

    feed_in(old[-1], *new)

    assert everything(manager, limit=limit) == ids(old + new)
    assert follow(manager, cursor)[0] == ids((old + new)[1:])
    for number, event in enumerate(old + new):
        assert everything(manager, f"&after={event['id']}", limit) == ids((old + new)[number + 1 :])
        assert call("GET", f"{FEED}/{event['id']}", token=manager.token).json == event


def test_rows_that_a_restored_head_of_the_time_before_shards_lacks_are_kept(manager: Person) -> None:
    old, new = [an_event() for _ in range(3)], an_event()
    stored_as_before_shards(old)
    head = {"pk": {"S": "head"}, "sk": {"S": "head"}, "kind": {"S": "head"}, "position": {"N": "1"}}
    client().put_item(TableName=settings().events_table, Item=head)
    delete(*Marker.key(old[2]["id"]))

    feed_in(old[2], new)

    assert everything(manager) == ids([*old, new])


def test_a_page_within_a_block_is_one_query_and_one_across_two_blocks_two(manager: Person) -> None:
    """Each reads no more than one consistent Query of all its rows would, and at most two units more across blocks."""
    events = [an_event(size=1200) for _ in range(250)]
    feed_in(*events)
    queries = []
    cursor = None
    while cursor or not queries:
        with intercepted() as calls:
            page = read(manager, f"&cursor={cursor}" if cursor else "", limit=20)
        found = [it for it in calls if it.operation == "Query" and "days" not in str(it.parameters)]
        bytes_read = [sum(len(str(row)) for row in it.send()["Items"]) for it in found]
        units = sum(-(-size // 4096) for size in bytes_read)
        queries.append(len(found))
        assert units <= -(-sum(bytes_read) // 4096) + len(found) - 1
        assert sum(it.send()["Count"] for it in found) <= 22
        cursor = page.json["next_cursor"]

    assert len(queries) == 13
    assert sorted(queries) == [1] * 11 + [2] * 2


def begin_after_latest(who: Person, query: str = "") -> str | None:
    """Returns the cursor of an empty page, which is the place after the newest event."""
    page = read(who, f"&after=latest{query}")
    assert page.status == 200, page.text
    assert (page.json["items"], page.json["next_cursor"]) == ([], None)
    cursor: str | None = page.json["resume_cursor"]
    return cursor


@pytest.mark.parametrize("wanted", ["", "&type=order.created", "&type=stock.low"])
@pytest.mark.parametrize("number", [1, 3, 5, 6, 20])
def test_a_reader_that_begins_after_the_latest_event_gets_later_ones_alone(
    manager: Person, monkeypatch: pytest.MonkeyPatch, wanted: str, number: int
) -> None:
    monkeypatch.setattr(models, "ROWS_PER_BLOCK", 6)
    feed_in(*(an_event() for _ in range(number - 1)), an_event("user.registered"))
    cursor = begin_after_latest(manager, wanted)
    assert follow(manager, cursor, f"&after=latest{wanted}") == ([], cursor)

    events = [an_event(), an_event("user.registered"), an_event("stock.low")]
    feed_in(*events)

    seen, _ = follow(manager, cursor, f"&after=latest{wanted}")
    assert seen == [it["id"] for it in events if it["type"] in (wanted[6:] or ("order.created", "stock.low"))]
    for other in ("", "&type=order.*", f"&after={events[0]['id']}"):
        assert_problem(read(manager, f"{other}&cursor={cursor}"), 422, "validation-failed")


def test_after_the_latest_of_no_events_a_reader_begins_with_the_first(
    person: Callable[..., Person], time_machine: TimeMachine
) -> None:
    assert begin_after_latest(person("manager")) is None
    feed_in(an_event())
    for removed in (False, True):
        time_machine(timedelta(days=91))
        if removed:
            expire()
        assert begin_after_latest(person("manager")) is None

    event = an_event()
    feed_in(event)

    assert everything(person("manager")) == [event["id"]]


@pytest.mark.parametrize("late", [{0}, {2}, {4}, {1, 3}, {0, 1, 2, 3, 4}])
@pytest.mark.parametrize("before", [0, 1, 9])
def test_f27_after_the_latest_no_row_of_a_transaction_in_progress_is_skipped(
    manager: Person, monkeypatch: pytest.MonkeyPatch, late: set[int], before: int
) -> None:
    """Another writer has finished behind it. The rows of the first one appear one by one, in any order."""
    monkeypatch.setattr(models, "ROWS_PER_BLOCK", 6)
    earlier, events, behind = ([an_event() for _ in range(number)] for number in (before, 5, 2))
    if earlier:
        feed_in(*earlier)
    begun: list[tuple[str | None, list[str]]] = []

    def plan(made: Any) -> Any:
        if made.operation != "TransactWriteItems" or begun:
            return made.send()
        begun.append((None, []))
        feed_in(*behind)
        answer = made.send()
        with intercepted(unseen([events[it]["id"] for it in late])):
            begun.append((begin_after_latest(manager), everything(manager)))
        return answer

    with intercepted(plan):
        feed_in(*events)

    cursor, seen = begun[-1]
    assert seen == ids(earlier + events)[: before + min(late)]
    found = follow(manager, cursor, "&after=latest")[0] if cursor else everything(manager)
    assert found == ids(events + behind)[min(late) if cursor else 0 :]


def test_f27_after_a_lost_answer_a_visible_marker_is_no_proof_of_its_row(manager: Person) -> None:
    """The writer finds its markers, while a Query does not return all rows yet."""
    first, late = an_event(), [an_event(), an_event()]
    feed_in(first)
    hidden = [late[0]["id"]]

    def plan(made: Any) -> Any:
        answer = made.send()
        if made.operation == "TransactWriteItems":
            raise timed_out(made)
        if made.operation == "BatchGetItem":
            for found in answer["Responses"].values():
                found[:] = [it for it in found if it.get("event_id", {}).get("S") not in hidden]
        return answer

    with intercepted(plan):
        feed_in(*late)
    with intercepted(unseen(hidden)):
        cursor = begin_after_latest(manager)

    assert follow(manager, cursor, "&after=latest")[0] == ids(late)


def test_after_the_latest_is_behind_a_gap_that_readers_step_over(
    person: Callable[..., Person], time_machine: TimeMachine
) -> None:
    """A writer has crashed, and no later one has filled its positions."""
    first, behind = an_event(), [an_event(), an_event()]
    feed_in(first)

    def crash(_: Any) -> Any:
        raise Crash

    with pytest.raises(Crash), intercepted(lambda it: crash(it) if it.operation == "TransactWriteItems" else it.send()):
        feed_in(an_event())
    feed_in(*behind)
    manager = person("manager")
    assert follow(manager, begin_after_latest(manager), "&after=latest")[0] == []
    cursor = begin_after_latest(manager)
    time_machine(timedelta(minutes=11))

    manager = signed_in_again(manager)
    assert follow(manager, cursor, "&after=latest")[0] == ids(behind)
    cursor = begin_after_latest(manager)
    assert follow(manager, cursor, "&after=latest")[0] == []
    later = an_event()
    feed_in(later)
    assert follow(manager, cursor, "&after=latest")[0] == [later["id"]]


@pytest.mark.parametrize("lost", [1, 3, 5])
@pytest.mark.parametrize("total", [10, 11, 12, 13])
def test_after_the_latest_of_a_restored_table_is_its_last_row(
    person: Callable[..., Person], time_machine: TimeMachine, monkeypatch: pytest.MonkeyPatch, lost: int, total: int
) -> None:
    monkeypatch.setattr(models, "ROWS_PER_BLOCK", 6)
    monkeypatch.setattr(service, "_LOOK_BEYOND_SHARE", 1)
    events = [an_event() for _ in range(total)]
    feed_in(*events)
    remove(*events[-lost:])
    manager = person("manager")

    cursor = begin_after_latest(manager)
    assert cursor == read(manager, "&after=latest").json["resume_cursor"]
    assert cursor
    later = an_event()
    feed_in(later)
    time_machine(timedelta(minutes=11))

    assert follow(signed_in_again(manager), cursor, "&after=latest")[0] == [later["id"]]


@pytest.mark.parametrize("before", [2, 6, 13])
@pytest.mark.parametrize("late", [0, 1, 2])
def test_after_the_latest_row_of_the_time_before_shards(
    manager: Person, monkeypatch: pytest.MonkeyPatch, before: int, late: int
) -> None:
    """Its head may be visible before the last rows of its transaction."""
    monkeypatch.setattr(models, "ROWS_PER_BLOCK", 6)
    monkeypatch.setattr(models, "_ROWS_PER_OLD_PARTITION", 12)
    old, new = [an_event() for _ in range(before)], [an_event() for _ in range(3)]
    stored_as_before_shards(old)
    with intercepted(unseen(ids(old)[before - late :][:1])):
        cursor = begin_after_latest(manager)

    feed_in(*new)

    if cursor is None:
        assert before == late
        assert everything(manager) == ids(old + new)
    else:
        assert follow(manager, cursor, "&after=latest")[0] == ids((old + new)[before - late :])
        assert follow(manager, begin_after_latest(manager), "&after=latest")[0] == []
