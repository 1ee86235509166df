"""Whether a product's stock, its book, and the orders and adjustments behind it agree. Pure.

`verify` is quick and reads only what is new since the last closed balance; `reconcile` explains, from the beginning,
what does not agree. Both leave out a window of time: an order's entry and its movements carry the same time, so that is
the same set on both sides, however long reading them takes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import chain
from typing import NamedTuple

from oms.stock_ledger.effects import NOTHING, WRAP, Fact, Line, Units


class Window(NamedTuple):
    """The time that a check leaves out, both ends included: what happened then may still be on its way.

    What is newer than the end did not happen then, since no run takes so long. It is compared, or it never would be.
    """

    cut: str
    end: str

    def leaves_out(self, at: str) -> bool:
        return self.cut <= at <= self.end


class Balance(NamedTuple):
    """Where a check may begin: the units after `version`, up to which the book was found right.

    `digest` adds up the orders' movements up to `digest_version`. That is `version`, but for the balance that a repair
    leaves: its version is newer than any cut, while digests are always those before a cut. Adjustments older than `at`
    were judged when it was made.
    """

    version: int
    units: Units
    digest: int
    digest_version: int
    at: str = ""


BEGINNING = Balance(0, NOTHING, 0, 0)


class Stored(NamedTuple):
    """The stock item. `at` is when it last moved, `opening` what its product was created with."""

    version: int
    units: Units
    at: str
    opening: int


@dataclass
class Account:
    """All there is about one stock item. `lines` ascend and begin after the base's digest; `stored` is older than they.

    `records` are the adjustments and repairs by id: those that the lines name, or all there are where it is `full`.
    None for `stored` is an item that is gone or cannot be read; `gone` is the product itself.
    """

    product_id: str
    stock: str
    stored: Stored | None
    base: Balance = BEGINNING
    lines: Sequence[Line] = ()
    records: Mapping[str, Fact] = field(default_factory=dict)
    full: bool = False
    gone: bool = False

    def known(self, window: Window) -> list[Line]:
        """The lines up to what is stored. Later ones came after it was read, but for those that are too old for that:
        then the item was put back to an earlier state."""
        last = self.stored.version if self.stored else 0
        return [
            line
            for line in self.lines
            if self.stored is None or line.version <= last or not window.leaves_out(line.fact.at)
        ]


class Verdict(Enum):
    SOUND = auto()
    SUSPECT = auto()
    # The stream has not brought all movements yet.
    UNSETTLED = auto()


class Finding(NamedTuple):
    """One thing that is wrong. `recorded` is what the book (or the item) says, `expected` what is true.

    `last_version` is set where several versions from `version` on are missing.
    """

    code: str
    version: int | None = None
    ref: str | None = None
    ref_version: int | None = None
    recorded: Units | None = None
    expected: Units | None = None
    last_version: int | None = None


class Gap(NamedTuple):
    """Versions without a movement, both included, and the time of what follows them."""

    first: int
    last: int
    followed_at: str


@dataclass(frozen=True)
class Drift:
    """What does not agree about a product. `digest` and `digest_version` make a balance that the orders agree with."""

    product_id: str
    version: int
    stored: Units
    expected: Units
    findings: Sequence[Finding]
    digest: int
    digest_version: int

    @property
    def difference(self) -> Units:
        return self.stored.minus(self.expected)


def gaps(lines: Sequence[Line], stored: Stored, since: int) -> Iterator[Gap]:
    """The versions after `since` that have no movement."""
    following = since + 1
    for line in lines:
        if line.version > following:
            yield Gap(following, line.version - 1, line.fact.at)
        following = line.version + 1
    if stored.version >= following:
        yield Gap(following, stored.version, stored.at)


def verify(account: Account, entered: int, window: Window) -> Verdict:
    """`entered` is the sum of the digests of what orders say of this stock item outside the window."""
    stored, base = account.stored, account.base
    if stored is None or account.gone or stored.version < base.version:
        return Verdict.SUSPECT
    lines = account.known(window)
    new = [line for line in lines if line.version > base.version]
    missing = list(gaps(new, stored, base.version))
    # Movements of a stock item arrive in order: one is lost when what follows it is old, and only late when it is new.
    if any(window.leaves_out(gap.followed_at) for gap in missing):
        return Verdict.UNSETTLED
    told = (base.digest + _digest(lines, window)) % WRAP
    sound = not missing and told == entered and not any(breaks(new, base.units, stored))
    sound = sound and _proven(account, new) and _booked(account, window)
    return Verdict.SOUND if sound else Verdict.SUSPECT


def breaks(lines: Sequence[Line], before: Units, stored: Stored) -> Iterator[Finding]:
    """Where a movement does not begin with what the one before it ended with, and an item that is not as its last."""
    for line in lines:
        if line.before != before:
            yield Finding("broken-chain", line.version, recorded=line.before, expected=before)
        before = line.after
    if stored.units != before or (lines and lines[-1].version > stored.version):
        yield Finding("stock-differs", stored.version, recorded=stored.units, expected=before)


def digest_of(facts: Iterable[Fact], window: Window) -> int:
    """The sum of the digests of what orders did outside the window."""
    return sum(fact.digest for fact in facts if fact.of_order and not window.leaves_out(fact.at)) % WRAP


def _digest(lines: Iterable[Line], window: Window) -> int:
    return digest_of((line.fact for line in lines), window)


def _proven(account: Account, lines: Sequence[Line]) -> bool:
    """Whether every movement that no order caused has its own cause, and no two have the same."""
    others = [line for line in lines if not line.fact.of_order]
    opening = opening_fact(account)
    proofs = {**account.records, opening.ref: opening}
    return len({line.fact.key for line in others}) == len(others) and all(
        proofs.get(line.fact.ref) == line.fact for line in others
    )


def _booked(account: Account, window: Window) -> bool:
    """Whether each adjustment has a movement, where all are there to be asked."""
    if not account.full:
        return True
    made = {line.fact.key for line in account.lines}
    asked = (fact for fact in account.records.values() if fact.at >= account.base.at)
    return all(fact.key in made or window.leaves_out(fact.at) for fact in asked)


def opening_fact(account: Account) -> Fact:
    """What the book's first line must say: the stock that the product was created with."""
    first = next((line.fact for line in account.lines if line.version == 1), None)
    actor, at = (first.actor, first.at) if first else ("", "")
    opening = account.stored.opening if account.stored else (first.available if first else 0)
    return Fact(account.stock, account.product_id, 1, "product-created", actor, at, opening, 0)


def closing(account: Account, window: Window) -> Balance | None:
    """The newest balance that a sound account can be closed at; None where nothing new is before the cut."""
    base = account.base
    version, units, digest = base.digest_version, base.units, base.digest
    for line in account.known(window):
        if line.fact.at >= window.cut:
            break
        version, units = line.version, line.after
        digest = (digest + (line.fact.digest if line.fact.of_order else 0)) % WRAP
    return Balance(version, units, digest, version) if version > base.version else None


def reconcile(account: Account, entries: Iterable[Fact], window: Window) -> Drift:
    """Why an account is suspect, and what its stock should be.

    `account` is full and begins at the beginning; `entries` are what orders say of it. What should be there is the sum
    of what orders, adjustments and the opening say, with the movements in the window, which are taken at their word.
    Repairs do not count: they bring the stock to just this.
    """
    opening = opening_fact(account)
    truths = {fact.key: fact for fact in chain(entries, account.records.values(), [opening])}
    lines = account.known(window)
    missing = list(gaps(lines, account.stored, 0)) if account.stored else []
    expected, findings, seen = NOTHING, list(_of_the_chain(account, lines, missing)), set()
    for line in lines:
        fact, truth = line.fact, truths.get(line.fact.key)
        if truth is None and fact.of_order and window.leaves_out(fact.at):
            expected = expected.plus(fact.units)
            continue
        finding, effect = _judge(line, truth, repeated=fact.key in seen)
        seen.add(fact.key)
        expected = expected.plus(effect)
        findings += [finding] if finding else []
    unseen = [fact for key, fact in truths.items() if key not in seen and not window.leaves_out(fact.at)]
    room = sum(gap.last - gap.first + 1 for gap in missing) + sum(it.code in _WITHOUT_CAUSE for it in findings)
    for finding, effect in _judge_unseen(unseen, room=room):
        findings.append(finding)
        expected = expected.plus(effect)
    stored = account.stored.units if account.stored else NOTHING
    version = account.stored.version if account.stored else 0
    digest, digest_version = _digest_to_go_on_from(lines, version, truths.values(), window)
    findings = findings or [Finding("differing-balance")]
    return Drift(account.product_id, version, stored, expected, findings, digest, digest_version)


_WITHOUT_CAUSE = ("unexplained-movement", "repeated-movement")


def _of_the_chain(account: Account, lines: Sequence[Line], missing: Sequence[Gap]) -> Iterator[Finding]:
    if account.gone:
        yield Finding("missing-product")
    if account.stored is None:
        yield Finding("missing-stock-item")
        return
    for gap in missing:
        yield Finding("missing-version", gap.first, last_version=gap.last if gap.last > gap.first else None)
    yield from breaks(lines, NOTHING, account.stored)


def _judge(line: Line, truth: Fact | None, *, repeated: bool) -> tuple[Finding | None, Units]:
    """What is wrong with a movement, and what it should have done."""
    fact = line.fact
    if truth is None or repeated:
        code = "repeated-movement" if repeated else "unexplained-movement"
        return Finding(code, line.version, *fact.key, fact.units, NOTHING), NOTHING
    if fact != truth:
        return Finding("differing-movement", line.version, *fact.key, fact.units, truth.units), _effect(truth)
    return None, _effect(truth)


def _judge_unseen(facts: Sequence[Fact], *, room: int) -> Iterator[tuple[Finding, Units]]:
    """What is wrong with causes that have no movement, and what they should have done.

    Orders are believed. An adjustment is believed only if its movement can be among the `room` versions that are
    missing or without a cause: else it was put there past the API, and a repair would put units on sale for nothing.
    """
    by_hand = [fact for fact in facts if fact.cause in ("adjusted", "repaired")]
    believed = len(by_hand) <= room - (len(facts) - len(by_hand))
    for fact in facts:
        if believed or fact not in by_hand:
            yield Finding("missing-movement", None, *fact.key, None, fact.units), _effect(fact)
        else:
            yield Finding("unexplained-adjustment", None, *fact.key, fact.units, NOTHING), NOTHING


def _effect(fact: Fact) -> Units:
    return NOTHING if fact.cause == "repaired" else fact.units


def _digest_to_go_on_from(
    lines: Sequence[Line], stored: int, truths: Iterable[Fact], window: Window
) -> tuple[int, int]:
    """A digest, and the version it belongs to, with which the lines after that version add up to what orders say.

    Movements up to the version `stored` that come after all are counted already, unless one of the window is there.
    """
    versions = [line.version for line in lines]
    left_out = next((number for number, line in enumerate(lines) if window.leaves_out(line.fact.at)), None)
    if left_out is None:
        return digest_of(truths, window), max([stored, *versions])
    version = versions[left_out - 1] if left_out else 0
    return (digest_of(truths, window) - _digest(lines[left_out:], window)) % WRAP, version
