"""Readers of the feed: what is being written while they read, what has expired, and what they are not shown."""

import base64
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
from oms.feed.models import Marker, Row
from oms.identity import tokens
from oms.identity.models import IdentityItem, Session, session_key
from tests.support.aws_calls import Plan, intercepted
from tests.support.database import table
from tests.support.feed import FEED, an_event, everything, feed_in, ids, read
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Person

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

type TimeMachine = Callable[[timedelta], None]


def unseen(hidden: Collection[str]) -> Plan:
    """A Query does not have these events' rows yet: their transaction is being committed, item by item."""

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
        is_row = made.operation == "GetItem" and made.parameters["Key"]["pk"]["S"].startswith("log#")
        return {} if is_row else made.send()

    with intercepted(plan):
        assert_problem(call("GET", f"{FEED}/{event['id']}", token=manager.token), 404, "not-found")


def test_f27_a_row_that_is_lost_is_stepped_over_once_it_cannot_come_any_more(
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
def test_a_lost_end_of_a_partition_is_stepped_over_as_well(
    person: Callable[..., Person],
    time_machine: TimeMachine,
    monkeypatch: pytest.MonkeyPatch,
    lost: set[int],
    limit: int,
) -> None:
    monkeypatch.setattr(models, "ROWS_PER_PARTITION", 6)  # the first one has the positions up to 5
    events = [an_event() for _ in range(9)]
    feed_in(*events)
    remove(*(events[it] for it in lost))
    kept = [event["id"] for number, event in enumerate(events) if number not in lost]

    assert everything(person("manager"), limit=limit) == kept[: min(lost)], "it may come yet"
    time_machine(timedelta(minutes=11))

    manager = person("manager")
    assert everything(manager, limit=limit) == kept
    assert everything(manager, f"&after={kept[1]}", limit) == kept[2:]
    assert everything(manager, f"&after={events[min(lost)]['id']}", limit) == kept[min(lost) :], "of a lost row's event"
    monkeypatch.setattr(service, "MAX_EVENTS", 1)
    for event in kept[-2:]:
        with intercepted() as calls:
            read(manager, f"&after={event}")
        assert [it.operation for it in calls] == ["BatchGetItem", "GetItem", "Query"], (
            "where it can be none, none looks"
        )


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
    """As in a table that was restored to a moment within a transaction."""
    for event in events:
        marker = get_item(Marker, Marker.key(event["id"]))
        assert marker
        delete(*Row.key(marker.position))


def expire() -> None:
    """What time to live may have taken away by now, all of it."""
    for item in list(table(settings().events_table).items()):
        raw = item
        if int(raw.get("ttl", {"N": "9" * 12})["N"]) < clock.now().timestamp():
            delete(raw["pk"]["S"], raw["sk"]["S"])


def delete(partition: str, sort: str) -> None:
    client().delete_item(TableName=settings().events_table, Key={"pk": {"S": partition}, "sk": {"S": sort}})


@pytest.mark.parametrize("taken_away", [True, False])
def test_nothing_expires_that_a_reader_may_come_across(
    person: Callable[..., Person], time_machine: TimeMachine, monkeypatch: pytest.MonkeyPatch, taken_away: bool
) -> None:
    """Whether or not DynamoDB has taken away what is over its time: that comes in any order, days late."""
    monkeypatch.setattr(models, "ROWS_PER_PARTITION", 5)
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
        if taken_away:
            expire()
        first_day = (clock.now() - timedelta(days=90)).date()
        kept = [event_id for at, event_id in written if at.date() >= first_day]
        manager = person("manager")
        seen = everything(manager)
        assert seen == kept
        assert everything(manager, f"&after={seen[0]}") == kept[1:], "what was shown is a place to go on from"
        gone = written[len(written) - len(kept) - 1][1]
        assert_problem(read(manager, f"&after={gone}"), 410, "gone")
        assert_problem(call("GET", f"{FEED}/{gone}", token=manager.token), 410, "gone")
        time_machine(timedelta(hours=5))


def signed_in_anew(who: Person) -> Person:
    session = cast(Session, get_item(IdentityItem, session_key(who.id, who.session_id)))
    session.expires_at = int((clock.now() + timedelta(days=7)).timestamp())
    put_item(session)
    token = tokens.issue(user_id=who.id, session_id=who.session_id, role=who.role, now=clock.now())
    return replace(who, token=token)


@pytest.mark.parametrize("taken_away", [True, False])
def test_a_cursor_whose_place_has_expired_is_gone(admin: Person, time_machine: TimeMachine, taken_away: bool) -> None:
    feed_in(an_event(), an_event())
    cursor = read(admin, limit=1).json["next_cursor"]
    time_machine(timedelta(days=89))
    feed_in(an_event())
    again = signed_in_anew(admin)
    assert len(read(again, f"&cursor={cursor}").json["items"]) == 2

    time_machine(timedelta(days=4))
    if taken_away:
        expire()

    assert_problem(read(signed_in_anew(admin), f"&cursor={cursor}"), 410, "gone")


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
    read_in_all = answered = 0

    def plan(made: Any) -> Any:
        nonlocal read_in_all
        answer = made.send()
        if made.operation == "Query":
            read_in_all += sum(len(str(item)) for item in answer["Items"])
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
    assert read_in_all < 1.5 * answered


def follow(who: Person, cursor: str | None, query: str = "") -> tuple[list[str], str | None]:
    """What there is from a cursor on, and the cursor to poll on with."""
    seen: list[str] = []
    while True:
        page = read(who, query + (f"&cursor={cursor}" if cursor else ""), limit=20)
        assert page.status == 200, page.text
        seen += ids(page.json["items"])
        cursor = page.json["resume_cursor"] or cursor
        if page.json["next_cursor"] is None:
            return seen, cursor


@pytest.mark.parametrize("wanted", ["", "&type=order.created", "&type=stock.low"])
def test_a_reader_goes_on_behind_what_it_was_not_shown(manager: Person, wanted: str) -> None:
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
    assert calls[1].send()["Count"] == 1, "only where it stands"


def test_a_rare_type_is_looked_for_in_many_rows_of_a_page(manager: Person) -> None:
    for _ in range(6):
        feed_in(*(an_event() for _ in range(49)))
    rare = an_event("stock.low")
    feed_in(rare)

    with intercepted() as calls:
        seen, _ = follow(manager, None, "&type=stock.low")

    assert seen == [rare["id"]]
    assert len([it for it in calls if it.operation == "Query"]) == 5, "where it begins, then twice 20 rows and 250"


def test_who_polls_on_for_a_type_that_does_not_come_is_not_told_that_something_was_missed(
    admin: Person, time_machine: TimeMachine
) -> None:
    feed_in(an_event("stock.low"))
    _, cursor = follow(admin, None, "&type=stock.low")
    for _ in range(4):
        time_machine(timedelta(days=60))
        feed_in(an_event())
        found, cursor = follow(signed_in_anew(admin), cursor, "&type=stock.low")
        assert found == []


def test_a_manager_learns_of_events_of_users_only_that_something_stands_there(manager: Person) -> None:
    hidden = [an_event("user.registered") for _ in range(3)]
    feed_in(*hidden)

    page = read(manager)

    assert page.json["items"] == []
    cursor = page.json["resume_cursor"]
    shown = page.text + str(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    assert not any(it["id"] in shown for it in hidden)
