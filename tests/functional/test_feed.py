"""The feed: a log without gaps, readable from any position."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.aws_calls import intercepted
from tests.support.database import table
from tests.support.faults import crashes
from tests.support.feed import FEED, an_event, everything, feed_in, ids, read
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Person

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def test_events_come_as_they_were_published_oldest_first(manager: Person) -> None:
    events = [an_event() for _ in range(5)]

    assert feed_in(*events) == {"batchItemFailures": []}

    page = read(manager).json
    assert (page["items"], page["next_cursor"]) == (events, None)
    assert call("GET", f"{FEED}/{events[2]['id']}", token=manager.token).json == events[2]


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_a_reader_continues_after_the_last_event_it_saw(manager: Person, limit: int) -> None:
    events = [an_event() for _ in range(7)]
    feed_in(*events[:4])
    seen = everything(manager, limit=limit)
    feed_in(*events[4:])

    assert seen == ids(events[:4])
    assert everything(manager, f"&after={seen[-1]}", limit) == ids(events[4:])
    assert read(manager, f"&after={events[-1]['id']}").json["items"] == []


def test_an_event_too_large_for_the_bus_is_shown_as_it_was_sent(manager: Person) -> None:
    sent = an_event("product.created") | {"omitted": ["attributes"]}
    feed_in(sent)

    assert read(manager).json["items"] == [sent]
    assert call("GET", f"{FEED}/{sent['id']}", token=manager.token).json == sent


def test_f14_an_event_that_is_repeated_is_written_once(manager: Person) -> None:
    first, second, third = (an_event() for _ in range(3))

    feed_in(first, second, first)
    feed_in(second, third, first)

    assert everything(manager) == ids([first, second, third])


def test_more_events_than_a_transaction_takes_are_several(manager: Person) -> None:
    many = [an_event() for _ in range(120)]
    large = [an_event(size=200_000) for _ in range(40)]

    with intercepted() as calls:
        feed_in(*many, *large)

    assert everything(manager) == ids(many + large)
    writes = [it for it in calls if it.operation == "TransactWriteItems"]
    assert all(len(it.parameters["TransactItems"]) <= 100 for it in writes)
    assert all(len(json.dumps(it.parameters)) < 4 << 20 for it in writes)


def test_f16_a_message_that_is_not_an_event_is_returned_alone(manager: Person) -> None:
    good = an_event()

    strange = [json.dumps(an_event() | it) for it in ({"id": 1}, {"id": "an id"}, {"type": None})]

    answer = feed_in("not json", good, "{}", "[]", *strange)

    assert answer == {"batchItemFailures": [{"itemIdentifier": it} for it in ("0", "2", "3", "4", "5", "6")]}
    assert everything(manager) == [good["id"]]


def test_f13_a_crash_anywhere_leaves_no_gap_and_no_double(
    person: Callable[..., Person], time_machine: Callable[[timedelta], None]
) -> None:
    written: list[str] = []

    def begin() -> list[dict[str, Any]]:
        return [an_event() for _ in range(3)]

    for name, events in crashes(begin, lambda it: feed_in(*it)):
        time_machine(timedelta(minutes=6))  # the queue's visibility time-out
        feed_in(*events)
        written += ids(events)
        assert everything(person("manager")) == written, name


@pytest.mark.parametrize(
    ("query", "types"),
    [
        ("", ["order.created", "stock.low", "order.shipped"]),
        ("&type=order.created", ["order.created"]),
        ("&type=order.*", ["order.created", "order.shipped"]),
        ("&type=stock.low,order.shipped", ["stock.low", "order.shipped"]),
        ("&type=*", ["order.created", "stock.low", "order.shipped"]),
    ],
)
@pytest.mark.parametrize("limit", [1, 100])
def test_a_filter_leaves_out_other_items(manager: Person, query: str, types: list[str], limit: int) -> None:
    events = [an_event(name) for name in ("order.created", "stock.low", "order.shipped")]
    feed_in(*events)

    assert everything(manager, query, limit) == [it["id"] for it in events if it["type"] in types]


@pytest.mark.parametrize("pattern", ["order.unknown", "ord.*", "order", "order.created,", "*.created", "order*"])
def test_a_type_that_there_is_not_is_refused(manager: Person, pattern: str) -> None:
    assert_problem(read(manager, f"&type={pattern}"), 422, "validation-failed")


def test_what_has_expired_is_gone_and_what_never_was_is_not_found(
    person: Callable[..., Person], time_machine: Callable[[timedelta], None]
) -> None:
    old = an_event()
    feed_in(old)
    time_machine(timedelta(days=91))
    new, manager = an_event(), person("manager")
    feed_in(new)

    for path in (f"{FEED}/{old['id']}", f"{FEED}?after={old['id']}"):
        assert_problem(call("GET", path, token=manager.token), 410, "gone")
    unknown = an_event()["id"]
    for missing in (unknown, "nothing", "0" * 24, "Z" * 24):
        status = 410 if missing == "0" * 24 else 404
        assert call("GET", f"{FEED}/{missing}", token=manager.token).status == status, missing
    assert everything(manager) == [new["id"]], "a reader without a position begins with the oldest kept event"


def test_f14_an_event_that_the_feed_has_forgotten_is_not_written_down_again(
    person: Callable[..., Person], time_machine: Callable[[timedelta], None]
) -> None:
    old = an_event()
    feed_in(old)
    time_machine(timedelta(days=89))
    late = an_event()
    table("events").clear()  # all events have expired, with their markers
    time_machine(timedelta(days=2))
    manager = person("manager")

    assert feed_in(old, late) == {"batchItemFailures": []}

    assert everything(manager) == [late["id"]]


def test_f27_the_recipe_of_the_docs_reads_all_of_it_and_nothing_twice(manager: Person) -> None:
    page = Path("docs/integrate/events.md").read_text()
    (recipe,) = re.findall(r"<!-- recipe.*?-->\n```python\n(.*?)```", page, re.DOTALL)
    rounds = [[an_event()], [], [an_event("user.registered") for _ in range(120)], [an_event(), an_event()], [], []]
    seen: list[str] = []
    kept: list[str | None] = [None]

    class OverError(Exception):
        pass

    def get(path: str, query: dict[str, Any]) -> Any:
        answer = call("GET", f"{path}?{urlencode(query)}", token=manager.token)
        return SimpleNamespace(status_code=answer.status, json=lambda: answer.json)

    def sleep(_: float) -> None:
        if not rounds:
            raise OverError
        feed_in(*rounds.pop(0))

    with pytest.raises(OverError):
        exec(  # noqa: S102 - the repository's own text
            recipe,
            {
                "load": lambda: kept[-1],
                "save": kept.append,
                "get": get,
                "sleep": sleep,
                "take_in": lambda event: seen.append(event["id"]),
            },
        )

    assert len(seen) == 3
    assert seen == everything(manager)
    assert read(manager, f"&cursor={kept[-1]}").json["items"] == []


def test_only_admins_get_events_of_users(manager: Person, person: Callable[..., Person]) -> None:
    order, user = an_event(), an_event("user.registered")
    feed_in(order, user)

    assert everything(person("admin")) == ids([order, user])
    assert everything(manager) == ids([order])
    assert call("GET", f"{FEED}/{user['id']}", token=manager.token).status == 404
