"""Foreign items in the audit log and its chain: the sealer raises an alarm, ignores them, and continues to seal."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from oms.core.errors import UnavailableError
from sealer import handler as sealer
from tests.support.audit_log import NOON, Log, entries_and_links, head_of, link_of
from tests.support.aws_calls import intercepted
from tests.support.database import table
from tests.support.faults import between
from tests.support.fixtures import few_denials, log
from tests.support.ledger_shop import raw_item
from tests.support.streams import Record, record

__all__ = ["few_denials", "log"]

pytestmark = [
    pytest.mark.filterwarnings("ignore:No application metrics to publish"),
]


def alarms_of(log: Log, monkeypatch: pytest.MonkeyPatch, records: list[Record] | None = None) -> list[str]:
    """Returns the places that the sealer raises the alarm for."""
    places: list[str] = []
    monkeypatch.setattr(sealer, "report_tampering", lambda _, place: places.append(place))
    log.seal(records)
    return places


def test_an_entry_or_link_that_is_changed_or_removed_raises_an_alarm_at_once(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = log.write(3)
    log.seal()
    log.news()

    log.change(first, actor_id="eve")
    log.remove(second)
    log.change(link_of(third), mac="0")
    log.remove(head_of(log.today))

    expected = ["/".join(it) for it in (first, second, link_of(third), head_of(log.today))]
    assert sorted(alarms_of(log, monkeypatch)) == sorted(expected)


@pytest.mark.parametrize("change", [{"n": 49}, {"n": ""}, {"actor_id": "bob"}, {"note": "x"}, {"kind": "x"}])
def test_a_counter_that_is_lowered_or_changed_before_it_is_sealed_raises_an_alarm_at_once(
    log: Log, few_denials: None, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    counter = log.deny(50)
    log.seal()

    log.change(counter, **change)

    assert alarms_of(log, monkeypatch) == ["/".join(counter)]


def test_a_counter_that_is_no_longer_listed_raises_an_alarm_at_once(
    log: Log, few_denials: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = log.deny(50)
    log.seal()

    counted = raw_item("audit", *counter)
    table("audit").put({name: value for name, value in counted.items() if name != "listing"})

    assert alarms_of(log, monkeypatch) == ["/".join(counter)]


def test_a_foreign_counter_is_left_unsealed_and_raises_an_alarm_each_hour(
    log: Log, few_denials: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = log.deny(5)
    log.change(counter, action="user.role_changed")
    places = alarms_of(log, monkeypatch, [])
    log.advance(minutes=30)

    log.hourly()

    assert places == ["/".join(counter)]
    assert log.heads() == {log.today: 3}, "each that has an entry"


NOW = "2026-01-31T12:00:00.000Z#x"


@pytest.mark.parametrize(
    ("partition", "sort"),
    [
        ("day#2026-01-30", NOW),
        ("links#2026-01-31", NOW),
        ("x", NOW),
        ("day#zzz", "zzz"),
        ("day#2026-W05-6", "2026-W05-6"),
        ("day#0001-01-01", "0001-01-01T12:00:00.000Z#x"),
        ("day#9999-12-31", "9999-12-31T12:00:00.000Z#x"),
    ],
)
def test_an_entry_under_an_impossible_key_raises_an_alarm_and_is_not_sealed(
    log: Log, monkeypatch: pytest.MonkeyPatch, partition: str, sort: str
) -> None:
    (key,) = log.write(1)
    log.seal()
    table("audit").put(raw_item("audit", *key) | {"pk": {"S": partition}, "sk": {"S": sort}})

    places = alarms_of(log, monkeypatch)

    assert places == [f"{partition}/{sort}"]
    assert log.heads() == {log.today: 1}
    run = log.verification()
    assert len(list(run.run())) == (partition == "links#2026-01-31"), "it alone is where the verifier looks"
    assert "2020" < run.first <= log.today


def test_the_systems_own_writes_raise_no_alarm(log: Log, few_denials: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        log.write(3)
        for _ in range(3):
            log.deny(5)
            assert alarms_of(log, monkeypatch) == []
        log.hourly()
        log.advance(days=1)
    assert alarms_of(log, monkeypatch) == []


@pytest.mark.parametrize(
    "change",
    [
        {"position": 1},
        {"mac": "0"},
        {"seal": "0"},
        {"next": "zzz"},
        {"next": "2999-01-01"},
        {"kind": "link"},
        {"seal": None},
    ],
)
def test_no_chain_continues_a_foreign_head(log: Log, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]) -> None:
    log.write(2)
    log.seal()
    log.change(head_of(log.today), **change)
    log.write(2)
    log.news()

    places = alarms_of(log, monkeypatch, unsealed(log))

    assert places == [f"chain/{log.today}"]
    assert {name: at for name, at in log.heads().items() if name != log.today} == {f"{log.today}.001": 2}
    log.write(1)
    assert alarms_of(log, monkeypatch) == [], "once"


FOREIGN = ["2026-01-31.abc", "2026-01-31 x", "2026-01-31~", "2026-01-31.999", "2026-01-31.1000", "2026-02-01.999"]


def put_foreign_heads(*names: str, **attributes: Any) -> None:
    for name in names:
        table("audit").put({"pk": {"S": "chain"}, "sk": {"S": name}, "kind": {"S": "head"}} | attributes)


@pytest.mark.parametrize("name", [*FOREIGN, "2026-01-31", "2026-02-01"])
@pytest.mark.parametrize("is_first", [False, True])
@pytest.mark.parametrize("is_copy", [False, True])
def test_a_foreign_head_raises_an_alarm_and_is_skipped(
    log: Log, monkeypatch: pytest.MonkeyPatch, name: str, is_first: bool, is_copy: bool
) -> None:
    if not is_first:
        log.now -= timedelta(days=name == log.today)
        log.write(1)
        log.seal()
    copy = log.stored("head")[0] if is_copy and not is_first else {}
    put_foreign_heads(name, **copy | {"sk": {"S": name}})
    log.now = NOON

    alarms = []
    for _ in range(4):
        log.write(2)
        alarms.append([*alarms_of(log, monkeypatch)])
        log.write(1)
        log.hourly()
        log.seal()
        log.advance(days=1)

    assert alarms[0] == [f"chain/{name}"], "at once"
    assert alarms[-1] == [], "and not for ever"
    entries, links = entries_and_links(log)
    assert entries == links
    assert log.found() == [("head-changed", f"chain/{name}")]
    days = [f"2026-0{day}" for day in ("1-31", "2-01", "2-02", "2-03")]
    assert {it[: len(days[0])] for it in log.heads() if it != name} >= set(days), "each day has its chain"


@pytest.mark.parametrize("chain", [None, "open", "of yesterday"])
def test_f25_two_sealers_that_conflict_beside_foreign_heads_make_one_chain(log: Log, chain: str | None) -> None:
    if chain:
        log.write(1)
        log.seal()
    if chain == "of yesterday":
        log.advance(days=1)
    names = [*FOREIGN, log.today + ".001"] if chain == "open" else [*FOREIGN, log.today, log.today + ".001"]
    for number in range(1, 12):
        put_foreign_heads(*names)
        log.write(2)
        ours = log.news()
        log.write(2)
        theirs = log.news()
        with intercepted(between(number, partial(log.seal, theirs), after=False)) as made:
            log.seal(ours)
        log.seal(theirs)
        log.write(1)
        log.seal()
        log.advance(days=chain == "of yesterday")

        entries, links = entries_and_links(log)
        assert entries == links
        assert {place for _, place in log.found()} <= {f"chain/{name}" for name in names}
        if len(made) < number:
            return
    raise AssertionError("the sealer does not end")


def test_a_thousand_foreign_heads_are_read_once_and_raise_ten_alarms(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    log.write(1)
    log.seal()
    put_foreign_heads(*(f"{log.today} {number:03d}" for number in range(1000)))
    log.write(1)

    with intercepted() as made:
        places = alarms_of(log, monkeypatch)

    assert [it.parameters["Limit"] for it in made if it.operation == "Query"] == [1, 10, 100, 1000]
    assert len(places) == 10
    assert log.heads()[log.today] == 2


def test_a_day_whose_names_are_all_taken_is_sealed_under_one_of_the_next(log: Log) -> None:
    put_foreign_heads(log.today, *(f"{log.today}.{number:03d}" for number in range(1, 1000)))
    for _ in range(2):
        log.write(1)
        log.seal()
        log.advance(days=1)

    assert {name: at for name, at in log.heads().items() if at} == {"2026-02-01": 2}


def test_where_no_name_is_free_the_batch_is_retried(log: Log) -> None:
    days = ("2026-01-31", "2026-02-01")
    put_foreign_heads(*days, *(f"{day}.{number:03d}" for day in days for number in range(1, 1000)))
    log.write(1)
    records = log.news()

    with pytest.raises(UnavailableError):
        log.seal(records)
    log.advance(days=2)
    log.seal(records)

    entries, links = entries_and_links(log)
    assert entries == links


def unsealed(log: Log) -> list[Record]:
    links = {(it["pk"]["S"], it["sk"]["S"]) for it in log.stored("link")}
    entries = [it for it in log.stored("entry") if link_of((it["pk"]["S"], it["sk"]["S"])) not in links]
    return [record(None, it, of="audit") for it in entries]


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_after_a_head_was_removed_sealing_continues(log: Log, gone: int) -> None:
    for _ in range(3):
        log.write(2)
        log.seal()
        log.advance(days=1)
    log.advance(days=-1)
    log.remove(head_of(list(log.heads())[gone]))
    log.write(2)
    log.news()
    log.seal(unsealed(log))

    entries, links = entries_and_links(log)
    assert entries == links
    assert ("head-removed", f"chain/2026-0{1 if gone == 0 else 2}-{(31, '01', '02')[gone]}") in log.found()


def test_a_head_of_a_day_to_come_does_not_hold_up_the_sealer(log: Log) -> None:
    log.write(1)
    log.seal()
    item = log.stored("head")[0]
    table("audit").put(item | {"sk": {"S": "2999-01-01"}})
    log.write(2)

    log.seal()

    assert log.heads() == {"2026-01-31": 3, "2999-01-01": 1}
