"""F25: what was changed, removed or added in the audit log, its chain or the bucket is found, and its place named."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from oms.audit import findings, macs, verification
from tests.support.audit_log import Key, Log, head_of, link_of
from tests.support.database import table
from tests.support.ledger_shop import raw_item

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

FIRST, SECOND, THIRD = "2026-01-31", "2026-02-01", "2026-02-02"


@dataclass
class Days:
    """Three days of a log: two with a closed chain, the third with an open one. `entries` are in the order of sealing;
    the first one of the second day was written on the first day.
    """

    log: Log
    entries: dict[str, list[Key]]
    counter: Key


@pytest.fixture
def days(log: Log, few_denials: None) -> Days:
    """Made once; for each test the table, the bucket and the log are put back as they were then."""
    if not MADE:
        MADE.append((make(log), log.snapshot()))
    made, snapshot = MADE[0]
    log.restore(snapshot)
    return replace(made, log=log)


MADE: list[tuple[Days, Any]] = []


def make(log: Log) -> Days:
    entries = {FIRST: log.write(5)}
    log.seal()
    counter = log.deny(4)
    log.hourly()
    log.advance(hours=1)
    log.hourly()
    log.news()
    late = log.write(1)
    log.advance(days=1)
    for day in (SECOND, THIRD):
        entries[day] = late + log.write(5 - len(late))
        log.seal()
        log.hourly()
        log.advance(days=1)
        late = []
    log.advance(days=-1, hours=5)
    assert log.verify() == []
    return Days(log, entries, counter)


def copied(key: Key) -> dict[str, Any]:
    item: dict[str, Any] = json.loads(json.dumps(raw_item("audit", *key)))
    return item


def place(key: Key) -> str:
    return "/".join(key)


type Harm = Callable[[Days], list[tuple[str, str]]]
"""Tampers with the log; returns the code and place of each expected finding."""


def change_entry(days: Days) -> list[tuple[str, str]]:
    key = days.entries[FIRST][2]
    days.log.change(key, actor_id="eve")
    return [("entry-changed", place(key))]


def add_to_entry(days: Days) -> list[tuple[str, str]]:
    key = days.entries[THIRD][4]
    days.log.change(key, note="x")
    return [("entry-changed", place(key))]


def hide_entry(days: Days) -> list[tuple[str, str]]:
    key = days.entries[FIRST][0]
    days.log.change(key, kind="denials", n=1)
    return [("entry-changed", place(key))]


def change_counter(days: Days) -> list[tuple[str, str]]:
    days.log.change(days.counter, n=7)
    return [("entry-changed", place(days.counter))]


def lower_counter(days: Days) -> list[tuple[str, str]]:
    """To so few that none would be listed, before it is sealed."""
    days.log.news()
    counter = days.log.deny(50, "eve")
    days.log.change(counter, n=3)
    days.log.seal()
    return later([("entry-unsealed", place(counter))], days)


def put_counter(**attributes: str | int) -> Harm:
    """Returns a foreign counter is listed, with an actor and an action."""

    def harm(days: Days) -> list[tuple[str, str]]:
        day, sort = days.counter
        key = day, sort + "X"
        table("audit").put(copied(days.counter) | {"sk": {"S": key[1]}})
        days.log.change(key, actor_id="bob", **attributes)
        return later([("entry-unsealed", place(key))], days)

    return harm


def later(found: list[tuple[str, str]], days: Days) -> list[tuple[str, str]]:
    """After the nightly run, which seals what was left out."""
    days.log.advance(hours=4)
    days.log.hourly(hours=100)
    return found


def remove_entry(days: Days) -> list[tuple[str, str]]:
    key = days.entries[SECOND][0]
    days.log.remove(key)
    return [("entry-removed", place(key))]


def add_entry(days: Days) -> list[tuple[str, str]]:
    day, sort = days.entries[FIRST][0]
    table("audit").put(copied((day, sort)) | {"sk": {"S": sort + "X"}})
    return [("entry-unsealed", f"{day}/{sort}X")]


def change_link(attribute: str, value: str | int) -> Harm:
    def harm(days: Days) -> list[tuple[str, str]]:
        key = link_of(days.entries[FIRST][2])
        days.log.change(key, **{attribute: value})
        return [("link-changed", place(key))]

    return harm


def move_link(days: Days) -> list[tuple[str, str]]:
    """Returns the link has a different position, so no link has its own."""
    key = link_of(days.entries[FIRST][2])
    days.log.change(key, position=900)
    return [("link-changed", place(key)), ("link-removed", f"{FIRST}#3")]


def seal_again_without_the_key(days: Days) -> list[tuple[str, str]]:
    """Returns the entry is changed, and the digest in its link with it."""
    key = days.entries[FIRST][2]
    days.log.change(key, actor_id="eve")
    days.log.change(link_of(key), digest=macs.digest(copied(key)))
    return [("link-changed", place(link_of(key)))]


def sign_with_an_own_key(days: Days) -> list[tuple[str, str]]:
    key = link_of(days.entries[FIRST][2])
    days.log.change(key, key="99", mac="")
    return [("link-changed", place(key))]


def corrupt_link(days: Days) -> list[tuple[str, str]]:
    key = link_of(days.entries[FIRST][2])
    table("audit").put({name: copied(key)[name] for name in ("pk", "sk", "kind")})
    return [("link-changed", place(key)), ("link-removed", f"{FIRST}#3")]


def remove_link(days: Days) -> list[tuple[str, str]]:
    key = days.entries[SECOND][2]
    days.log.remove(link_of(key))
    return [("entry-unsealed", place(key)), ("link-removed", f"{SECOND}#3")]


def swap_links(days: Days) -> list[tuple[str, str]]:
    first, second = (link_of(it) for it in days.entries[FIRST][1:3])
    was = copied(first)
    table("audit").put(copied(second) | {"sk": was["sk"]})
    table("audit").put(was | {"sk": copied(second)["sk"]})
    return sorted([("link-changed", place(first)), ("link-changed", place(second))])


def remove_both(days: Days) -> list[tuple[str, str]]:
    key = days.entries[SECOND][2]
    days.log.remove(key, link_of(key))
    return [("link-removed", f"{SECOND}#3")]


def remove_the_last_of_a_day(days: Days) -> list[tuple[str, str]]:
    for key in days.entries[FIRST][3:]:
        days.log.remove(key, link_of(key))
    return [("link-removed", f"{FIRST}#4-5")]


def roll_back(days: Days) -> list[tuple[str, str]]:
    """Returns the newest entries and links are removed, and the older head, which is signed, is put back."""
    before = copied(head_of(THIRD))
    new = days.log.write(2)
    days.log.seal()
    days.log.hourly()
    days.log.remove(*new, *map(link_of, new))
    table("audit").put(before)
    return [("link-removed", f"{THIRD}#6-7")]


def roll_back_and_continue(days: Days) -> list[tuple[str, str]]:
    roll_back(days)
    days.log.news()
    days.log.write(3)
    days.log.seal()
    return [("chain-broken", f"{THIRD}#7")]


def put_an_older_head_back(days: Days) -> list[tuple[str, str]]:
    before = copied(head_of(THIRD))
    days.log.write(2)
    days.log.seal()
    table("audit").put(before)
    return [("head-changed", place(head_of(THIRD)))]


def put_an_older_head_back_and_close(days: Days) -> list[tuple[str, str]]:
    put_an_older_head_back(days)
    days.log.advance(days=1)
    days.log.hourly()
    return [("head-changed", place(head_of(THIRD)))]


def change_head(attribute: str, value: str | int) -> Harm:
    def harm(days: Days) -> list[tuple[str, str]]:
        days.log.change(head_of(SECOND), **{attribute: value})
        return [("head-changed", place(head_of(SECOND)))]

    return harm


def change_the_open_head(days: Days) -> list[tuple[str, str]]:
    days.log.change(head_of(THIRD), position=4)
    return [("head-changed", place(head_of(THIRD)))]


def corrupt_head(days: Days) -> list[tuple[str, str]]:
    key = head_of(SECOND)
    table("audit").put({name: copied(key)[name] for name in ("pk", "sk", "kind")})
    return [("head-changed", place(key))]


def reopen(days: Days) -> list[tuple[str, str]]:
    raw = copied(head_of(SECOND))
    del raw["next"]
    table("audit").put(raw)
    return [("head-changed", place(head_of(SECOND)))]


def remove_head(name: str) -> Harm:
    def harm(days: Days) -> list[tuple[str, str]]:
        days.log.remove(head_of(name))
        return [("head-removed", place(head_of(name)))]

    return harm


def remove_all_heads(days: Days) -> list[tuple[str, str]]:
    days.log.remove(*map(head_of, (FIRST, SECOND, THIRD)))
    return [("head-removed", place(head_of(name))) for name in (FIRST, SECOND, THIRD)]


def remove_a_day(days: Days) -> list[tuple[str, str]]:
    """Removes entries, links and head. The late entry in the next day's chain belongs to that day."""
    keys = days.entries[SECOND]
    days.log.remove(*keys, *map(link_of, keys), head_of(SECOND))
    return [("head-removed", place(head_of(SECOND))), ("link-removed", f"{SECOND}#1-5")]


def add_head(name: str) -> Harm:
    def harm(days: Days) -> list[tuple[str, str]]:
        table("audit").put(copied(head_of(SECOND)) | {"sk": {"S": name}})
        return [("head-changed", place(head_of(name)))]

    return harm


def name_of_closing(days: Days, day: str) -> str:
    return f"heads/{day}/{days.log.heads()[day]:012d}.json"


def cover_object(content: bytes) -> Harm:
    """By a newer version, which is all that Object Lock leaves to do."""

    def harm(days: Days) -> list[tuple[str, str]]:
        days.log.put_object(name_of_closing(days, SECOND), content)
        return [("object-changed", name_of_closing(days, SECOND))]

    return harm


def change_object(days: Days) -> list[tuple[str, str]]:
    name = name_of_closing(days, SECOND)
    days.log.put_object(name, json.dumps(days.log.objects()[name] | {"position": 4}).encode())
    return [("object-changed", name)]


def lose_object(days: Days) -> list[tuple[str, str]]:
    days.log.lose_object(name_of_closing(days, SECOND))
    return [("object-missing", place(head_of(SECOND)))]


HARMS: dict[str, Harm] = {
    "entry changed": change_entry,
    "attribute added to an entry": add_to_entry,
    "entry made a counter": hide_entry,
    "counter of denials changed": change_counter,
    "counter of denials lowered before it is sealed": lower_counter,
    "counter of few denials listed": put_counter(n=1),
    "counter of another action": put_counter(action="user.role_changed"),
    "counter of no number": put_counter(n=""),
    "entry removed": remove_entry,
    "entry added": add_entry,
    "mac of a link changed": change_link("mac", "0" * 64),
    "digest of a link changed": change_link("digest", "0" * 64),
    "link continues another": change_link("previous", "0" * 64),
    "link in another chain": change_link("previous", "é"),
    "link moved": move_link,
    "entry and digest changed": seal_again_without_the_key,
    "link signed with an own key": sign_with_an_own_key,
    "link corrupt": corrupt_link,
    "link removed": remove_link,
    "links swapped": swap_links,
    "entry and link removed": remove_both,
    "the last of a day removed": remove_the_last_of_a_day,
    "rolled back": roll_back,
    "rolled back and gone on": roll_back_and_continue,
    "older head put back": put_an_older_head_back,
    "older head put back and closed": put_an_older_head_back_and_close,
    "position of a head changed": change_head("position", 3),
    "mac of a head changed": change_head("mac", "0" * 64),
    "seal of a head changed": change_head("seal", "0" * 64),
    "days of a head changed": change_head("earliest", SECOND),
    "head continues another": change_head("previous_mac", "0" * 64),
    "open head changed": change_the_open_head,
    "head corrupt": corrupt_head,
    "head reopened": reopen,
    "first head removed": remove_head(FIRST),
    "head removed": remove_head(SECOND),
    "last head removed": remove_head(THIRD),
    "all heads removed": remove_all_heads,
    "a day removed": remove_a_day,
    "head added": add_head(f"{SECOND}.001"),
    "head of a later day added": add_head("2999-01-01"),
    "head without sense added": add_head("zzz"),
    "head of no day added": add_head("0000-00-00"),
    "object changed": change_object,
    "object covered": cover_object(b"{}"),
    "object covered by noise": cover_object(b"\xff"),
    "object covered by another kind": cover_object(b"[1]"),
    "object lost": lose_object,
}


def found(log: Log) -> list[tuple[str, str]]:
    """Without the versions of objects."""
    return sorted({(code, name.partition(" (")[0]) for code, name in log.found()})


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS.keys())
def test_f25_tampering_is_found_and_its_place_named(days: Days, harm: Harm) -> None:
    expected = harm(days)

    assert found(days.log) == expected


# Each rule of the verifier, and a harm that it alone finds.
RULES = {
    "of_pair": "entry changed",
    "of_unsealed": "entry added",
    "of_chain": "entry and link removed",
    "_missing": "rolled back",
    "_ends": "older head put back",
    "of_heads": "open head changed",
    "of_lost_head": "last head removed",
    "of_object": "object changed",
    "of_anchor": "rolled back and gone on",
    "of_closing": "object lost",
}


@pytest.mark.parametrize(("rule", "harm"), RULES.items(), ids=RULES.keys())
def test_a_verifier_without_one_of_its_rules_is_noticed(
    days: Days, monkeypatch: pytest.MonkeyPatch, rule: str, harm: str
) -> None:
    """Planted in the verifier, the lack of any rule makes the test above fail."""
    expected = HARMS[harm](days)
    gone = findings.AuditFinding("", "", "")
    replacement = (
        (lambda *_: gone) if rule in ("of_unsealed", "of_lost_head", "of_object") else (lambda *_, **__: iter(()))
    )
    monkeypatch.setattr(findings, rule, replacement)

    assert found(days.log) != expected


def test_every_rule_of_the_verifier_is_one_whose_lack_is_noticed() -> None:
    rules = {name for name in vars(findings) if name.startswith("of_")}

    assert rules <= RULES.keys()


def test_a_verifier_that_takes_every_link_for_signed_is_noticed(days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = change_link("digest", "0" * 64)(days)
    monkeypatch.setattr(macs, "is_authentic_link", lambda *_: True)

    assert found(days.log) != expected


def test_only_the_requested_days_are_read(days: Days) -> None:
    change_entry(days)
    harmed = add_to_entry(days)

    assert days.log.found(SECOND, SECOND) == []
    assert days.log.found(SECOND, THIRD) == harmed


def test_an_entry_that_was_sealed_late_is_verified_with_the_day_of_its_chain_and_its_own(days: Days) -> None:
    late = days.entries[SECOND][0]
    assert late[0] == f"day#{FIRST}"
    days.log.change(late, actor_id="eve")

    for day in (FIRST, SECOND):
        assert days.log.found(day, day) == [("entry-changed", place(late))]
    assert days.log.found(THIRD, THIRD) == []


def test_an_entry_of_a_moment_ago_need_not_be_sealed_yet(days: Days) -> None:
    (key,) = days.log.write(1)
    assert days.log.verify() == []

    days.log.advance(minutes=16)

    assert days.log.found() == [("entry-unsealed", place(key))]


def test_the_verifier_says_how_much_it_has_seen(days: Days) -> None:
    run = days.log.verification()
    assert list(run.run()) == []

    links = len(days.log.stored("link"))
    assert links == len(days.log.stored("entry")) + 1, "each entry, and the counter"
    assert (run.entries, run.links, run.chains, run.objects) == (links, links, 3, days.log.versions())


def test_entries_that_are_sealed_while_the_verifier_reads_are_no_finding(
    days: Days, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the last day it has read the entries, and then the links: one more than entries."""
    read = verification.entry_link_pairs

    def meanwhile(day: str) -> Any:
        pairs = list(read(day))
        if day == THIRD:
            days.log.news()
            days.log.write(1)
            days.log.seal()
            yield from (
                (sort, None if sort not in {it[0] for it in pairs} else entry, link) for sort, entry, link in read(day)
            )
        else:
            yield from pairs

    monkeypatch.setattr(verification, "entry_link_pairs", meanwhile)

    assert days.log.verify() == []
