"""The sealer crashes, conflicts or is refused at any AWS call: each entry is sealed exactly once."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oms.audit import audit_log as audit
from oms.audit import macs
from oms.core.errors import UnavailableError
from tests.support.audit_log import Log, assert_sealed
from tests.support.aws_calls import Call, intercepted
from tests.support.database import table
from tests.support.examples import examples
from tests.support.faults import between, crashes, failing, lose_answer, reason_at, refuse, timed_out
from tests.support.fixtures import few_denials, log
from tests.support.streams import Record

__all__ = ["few_denials", "log"]

pytestmark = [
    pytest.mark.filterwarnings("ignore:No application metrics to publish"),
]


def test_f25_a_sealer_that_dies_at_any_call_has_sealed_all_or_nothing_and_its_batch_is_retried(log: Log) -> None:
    def begin() -> list[Record]:
        log.write(3)
        return log.news()

    points = 0
    for _, records in crashes(begin, log.seal):
        points += 1
        assert log.found() == [], "nothing seems to be tampered with"
        log.seal(records)
        assert_sealed(log)

    assert points >= 2 * 3, "looks for the links, reads the head, writes"


@pytest.mark.parametrize("what", ["the first entry of a day", "the run of an hour"])
def test_f25_a_sealer_that_dies_as_it_closes_a_day_leaves_it_closed_or_open_and_in_the_bucket(
    log: Log, what: str
) -> None:
    log.write(2)
    log.seal()

    before = log.snapshot()

    def begin() -> list[Record]:
        log.restore(before)
        log.advance(days=1)
        log.write(2)
        return log.news()

    def act(records: list[Record]) -> None:
        log.seal(records) if what == "the first entry of a day" else log.hourly()

    points = 0
    for _, records in crashes(begin, act):
        points += 1
        assert log.found() == [], "a chain that is closed is in the bucket"
        act(records)
        log.seal(records)
        assert_sealed(log)
        assert len(log.heads()) == 2, "a chain for each day"

    assert points >= 2 * 4, "the links or the past, the head, the bucket, and the next head"


def test_a_run_of_an_hour_that_dies_leaves_nothing_out(log: Log, few_denials: None) -> None:
    before = log.snapshot()

    def begin() -> None:
        log.restore(before)
        log.write(2)
        log.deny(4)
        log.news()
        log.advance(minutes=40)

    points = 0
    for _ in crashes(begin, lambda _: log.hourly()):
        points += 1
        log.hourly()
        assert sum(log.heads().values()) == len(log.stored("entry")) + len(log.stored("denials"))
        assert log.verify() == []

    assert points >= 2 * 5


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("is_midnight", [False, True])
@pytest.mark.parametrize("same", [False, True])
def test_f25_two_sealers_that_conflict_at_any_call_make_one_chain(
    log: Log, after: bool, is_midnight: bool, same: bool
) -> None:
    """The other one has the same records, or others; both come to close the day, or there is none to close."""
    log.write(1)
    log.seal()
    for number in range(1, 12):
        if is_midnight:
            log.advance(days=1)
        log.write(2)
        ours = log.news()
        log.write(2)
        theirs = ours if same else log.news()
        with intercepted(between(number, partial(log.seal, theirs), after=after)) as made:
            log.seal(ours)
        log.seal(theirs)
        if same:
            log.seal()

        assert_sealed(log)
        if len(made) < number:
            return
    raise AssertionError("the sealer does not end")


def test_a_sealer_that_read_the_head_before_midnight_adds_nothing_to_a_chain_that_was_closed_since(log: Log) -> None:
    log.write(1)
    log.seal()
    log.write(1)
    slow = log.news()
    before_midnight = log.now

    def others_close() -> None:
        log.advance(days=1)
        log.hourly()
        log.now = before_midnight

    with intercepted(between(3, others_close, after=False)) as made:
        log.seal(slow)

    assert made[2].operation == "TransactWriteItems"
    assert log.heads() == {"2026-01-31": 1, "2026-02-01": 1}
    assert log.verify() == []


@pytest.mark.parametrize("times", [1, 20])
@pytest.mark.parametrize("reason", ["ConditionalCheckFailed", "TransactionConflict"])
def test_a_sealer_that_conflicts_tries_again_at_once(log: Log, no_sleep: list[float], times: int, reason: str) -> None:
    log.write(3)

    with intercepted(refuse("TransactWriteItems", reason_at(0, reason), times=times)):
        log.seal()

    assert_sealed(log)
    assert no_sleep == []


@pytest.mark.parametrize(
    "plan",
    [
        refuse("TransactWriteItems", reason_at(1, "ThrottlingError"), times=3),
        refuse("Query", failing("ProvisionedThroughputExceededException"), times=3),
        refuse("BatchGetItem", failing("ThrottlingException"), times=3),
        lose_answer("TransactWriteItems"),
    ],
)
def test_throttling_and_lost_answers_pass(log: Log, no_sleep: list[float], plan: Callable[[Call], Any]) -> None:
    log.hourly()
    log.write(3)

    with intercepted(plan):
        log.seal()

    assert_sealed(log)
    assert no_sleep


@pytest.mark.parametrize("failure", [failing("SlowDown"), failing("NoSuchBucket"), timed_out])
def test_without_the_bucket_no_day_is_closed_and_the_batch_is_retried(
    log: Log, no_sleep: list[float], failure: Callable[[Call], Exception]
) -> None:
    log.write(1)
    log.seal()
    log.advance(days=1)
    log.write(1)
    records = log.news()

    with intercepted(refuse("PutObject", failure)), pytest.raises((ClientError, UnavailableError)):
        log.seal(records)
    assert log.heads() == {"2026-01-31": 1}
    log.seal(records)

    assert_sealed(log)


def test_without_its_key_nothing_is_sealed_and_the_batch_is_retried(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    log.write(1)
    records = log.news()
    macs.KEYS.forget()

    with intercepted(refuse("GetSecretValue", failing("AccessDeniedException"))), pytest.raises(UnavailableError):
        log.seal(records)
    macs.KEYS.forget()
    log.seal(records)

    assert_sealed(log)


def test_a_burst_is_sealed_99_at_a_time(log: Log) -> None:
    for _ in range(1000):
        table("audit").put(audit.entry("login", actor_id="ada", address=None, target=None).serialize())
    records = log.news()

    with intercepted() as made:
        for start in range(0, 1000, 990):
            log.seal(records[start : start + 990])
        found = log.verify()

    sizes = [len(it.parameters["TransactItems"]) for it in made if it.operation == "TransactWriteItems"]
    assert sizes == [1, *[100] * 10, 11], "the chain is opened; then its head and 99 links, or what is left"
    assert log.heads() == {"2026-01-31": 1000}
    assert found == []


@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_f14_records_that_come_doubled_in_any_order_and_days_late_are_sealed_once(
    log: Log, data: st.DataObject
) -> None:
    log.restore(EMPTY)
    written = [record for _ in range(3) for record in (log.write(2), log.news())[1]]
    brought = data.draw(st.lists(st.sampled_from(written), max_size=12)) + data.draw(st.permutations(written))
    while brought:
        size = data.draw(st.integers(1, 6))
        batch, brought = brought[:size], brought[size:]
        log.advance(hours=data.draw(st.sampled_from([0, 0, 1, 13, 60])))
        log.seal(batch)

    assert_sealed(log)


EMPTY = (Log().now, {}, {}, {})
