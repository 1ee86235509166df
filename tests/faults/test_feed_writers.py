"""Writers of the feed that conflict with each other at its head, and their failures."""

import json
from typing import Any

import pytest

from oms.core import clock
from oms.core.errors import UnavailableError
from oms.events.envelope import PublishedEvent
from oms.feed import service
from tests.support.aws_calls import intercepted
from tests.support.faults import lose_answer, reason_at, refuse
from tests.support.feed import an_event, everything, feed_in, ids
from tests.support.invocation import Person

pytestmark = [
    pytest.mark.filterwarnings("ignore:No application metrics to publish"),
    pytest.mark.usefixtures("cloud"),
]

# Without an answer: twice a connection and a read.
LONGEST_CALL = 6


@pytest.mark.parametrize("reason", ["ConditionalCheckFailed", "TransactionConflict"])
def test_a_writer_that_conflicts_again_and_again_gives_up_in_time(
    monkeypatch: pytest.MonkeyPatch, no_sleep: list[float], reason: str
) -> None:
    """Of several transactions in one batch only the last conflicts; each call takes a while."""
    passed = 0.0
    events = [an_event(size=200_000) for _ in range(45)]

    def plan(made: Any) -> Any:
        nonlocal passed
        passed += 0.2
        if made.operation == "TransactWriteItems" and passed > 20:
            raise reason_at(0, reason)(made)
        if made.operation == "TransactWriteItems":
            passed += 10
        return made.send()

    monkeypatch.setattr(clock, "monotonic", lambda: passed)
    with pytest.raises(UnavailableError), intercepted(plan):
        feed_in(*events)

    assert passed > service._DEADLINE_SECONDS, "it did try"
    assert passed < service._DEADLINE_SECONDS + LONGEST_CALL


@pytest.mark.parametrize("times", [1, 30])
@pytest.mark.parametrize("reason", ["ConditionalCheckFailed", "TransactionConflict"])
def test_f22_a_writer_that_meets_another_tries_again_at_once_and_often(
    manager: Person, no_sleep: list[float], times: int, reason: str
) -> None:
    event = an_event()

    with intercepted(refuse("TransactWriteItems", reason_at(0, reason), times=times)):
        feed_in(event)

    assert everything(manager) == [event["id"]]
    assert no_sleep == []


def test_other_writers_at_each_call_delay_none(manager: Person, no_sleep: list[float]) -> None:
    ours, theirs, others_write = an_event(), list[Any](), False

    def plan(made: Any) -> Any:
        nonlocal others_write
        if not others_write:
            others_write, other = True, an_event()
            service.append([PublishedEvent.read(json.dumps(other))])
            theirs.append(other)
            others_write = False
        return made.send()

    with intercepted(plan) as calls:
        feed_in(ours)

    assert sorted(everything(manager)) == sorted(ids([ours, *theirs]))
    assert len(theirs) == 4, "none of our calls was repeated"
    assert len(calls) > 4 * len(theirs)


def test_f22_throttling_is_retried_until_the_deadline(
    manager: Person, monkeypatch: pytest.MonkeyPatch, no_sleep: list[float]
) -> None:
    """The alternative is to wait six minutes for the next delivery."""
    event = an_event()
    monkeypatch.setattr(clock, "monotonic", lambda: sum(no_sleep))

    with intercepted(refuse("TransactWriteItems", reason_at(0, "ThrottlingError"), times=40)):
        feed_in(event)

    assert everything(manager) == [event["id"]]
    assert 10 < sum(no_sleep) < service._DEADLINE_SECONDS
    with pytest.raises(UnavailableError), intercepted(refuse("TransactWriteItems", reason_at(0, "ThrottlingError"))):
        feed_in(an_event())


def test_f22_throttling_and_lost_answers_pass(manager: Person, no_sleep: list[float]) -> None:
    first, second = an_event(), an_event()

    with intercepted(refuse("TransactWriteItems", reason_at(1, "ThrottlingError"), times=3)):
        feed_in(first)
    with intercepted(lose_answer("TransactWriteItems")):
        feed_in(second)

    assert everything(manager) == ids([first, second])
    assert len(no_sleep) == 4
