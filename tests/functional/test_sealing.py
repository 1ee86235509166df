"""The sealer: each entry has one link, chains follow each other day by day, and the bucket knows how far they went."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.audit_log import Log, link_of

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def test_each_entry_gets_a_link_in_the_order_of_the_stream(log: Log) -> None:
    written = log.write(3)

    log.seal()

    assert [(it["pk"]["S"], it["sk"]["S"]) for it in log.links(log.today)] == [link_of(key) for key in written]
    assert [int(it["position"]["N"]) for it in log.links(log.today)] == [1, 2, 3]
    assert log.heads() == {log.today: 3}
    assert log.verify() == []


def test_records_that_are_repeated_are_sealed_once(log: Log) -> None:
    log.write(3)
    records = log.news()

    log.seal(records)
    log.seal(records[1:] + records)
    log.write(1)
    log.seal(records + log.news())

    assert log.heads() == {log.today: 4}
    assert log.verify() == []


@pytest.mark.parametrize(
    ("moment", "days"),
    [
        (datetime(2026, 6, 30, 23, 59, tzinfo=UTC), ("2026-06-30", "2026-07-01")),
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), ("2026-12-31", "2027-01-01")),
        (datetime(2028, 2, 28, 23, 59, tzinfo=UTC), ("2028-02-28", "2028-02-29")),
    ],
)
def test_f21_after_midnight_the_chain_is_put_into_the_bucket_and_the_next_one_follows(
    log: Log, moment: datetime, days: tuple[str, str]
) -> None:
    log.now = moment
    log.write(2)
    log.seal()
    log.advance(minutes=2)
    log.write(1)

    log.seal()

    old, new = log.stored("head")
    assert log.heads() == {days[0]: 2, days[1]: 1}
    assert (old["next"]["S"], new["previous_day"]["S"], new["previous_mac"]) == (days[1], days[0], old["mac"])
    ((name, content),) = log.objects().items()
    assert name == f"heads/{days[0]}/000000000002.json"
    assert (content["day"], content["position"], content["mac"]) == (days[0], 2, old["mac"]["S"])
    assert log.verify() == []


def test_an_entry_written_before_midnight_and_sealed_after_it_is_in_the_open_chain(log: Log) -> None:
    log.write(1)
    log.seal()
    (late,) = log.write(1)
    log.advance(days=2)

    log.seal()

    assert log.heads() == {"2026-01-31": 1, "2026-02-02": 1}
    (link,) = log.links("2026-02-02")
    assert (link["pk"]["S"], link["sk"]["S"]) == link_of(late)
    assert log.verify() == []
    assert log.verify("2026-02-02", "2026-02-02") == []
    assert log.verify("2026-01-31", "2026-01-31") == []


def test_a_sealer_whose_clock_is_behind_continues_the_open_chain(log: Log) -> None:
    log.now = datetime(2026, 2, 1, 0, 0, 1, tzinfo=UTC)
    log.write(1)
    log.seal()
    log.advance(seconds=-3)
    log.write(1)

    log.seal()

    assert log.heads() == {"2026-02-01": 2}
    assert log.verify() == []


def test_each_hour_the_bucket_gets_to_know_how_far_the_open_chain_is(log: Log) -> None:
    log.write(2)
    log.seal()
    log.hourly()
    log.advance(hours=1)
    log.write(1)
    log.seal()

    log.hourly()
    log.hourly()

    assert list(log.objects()) == [f"heads/{log.today}/{position:012d}.json" for position in (2, 3)]
    assert log.verify() == []


def test_a_quiet_day_has_a_chain_too(log: Log) -> None:
    for _ in range(3):
        log.hourly()
        log.advance(days=1)

    assert log.heads() == {"2026-01-31": 0, "2026-02-01": 0, "2026-02-02": 0}
    assert log.verify() == []


def test_f25_each_hour_entries_that_the_stream_lost_are_sealed_once_they_have_settled(log: Log) -> None:
    log.write(2)
    log.news()
    log.hourly()
    assert log.heads() == {log.today: 0}

    log.advance(minutes=16)
    log.hourly()
    log.hourly()

    assert log.heads() == {log.today: 2}
    assert log.verify() == []


def test_denials_that_are_only_counted_are_sealed_in_the_hour_after(log: Log, few_denials: None) -> None:
    log.deny(5, "mallory")
    log.deny(3, "trent")
    log.seal()
    assert log.heads() == {log.today: 6}, "each that has an entry"

    log.advance(minutes=30)
    log.hourly()
    log.advance(hours=4)

    assert log.heads() == {log.today: 7}
    assert log.verify() == []


def test_left_out_entries_of_two_days_are_found_around_midnight(log: Log) -> None:
    log.now = datetime(2026, 1, 31, 23, 50, tzinfo=UTC)
    log.write(1)
    log.advance(minutes=20)
    log.write(1)
    log.news()
    log.advance(minutes=30)

    log.hourly()

    assert log.heads() == {"2026-02-01": 2}
    assert log.verify() == []


def test_an_unreadable_record_is_quarantined_and_its_neighbours_are_sealed(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside: list[Any] = []
    monkeypatch.setattr("oms.events.streams.quarantine", lambda record, *_: aside.append(record))
    log.write(2)
    first, second = log.news()
    del first["dynamodb"]["NewImage"]["kind"]

    log.seal([first, second])

    assert aside == [first]
    assert log.heads() == {log.today: 1}
