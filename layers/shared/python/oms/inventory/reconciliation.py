"""Whether a product's stock, its book, and the orders and adjustments behind it agree. Pure.

`verify` is quick and reads only what is new since the last closed balance; `reconcile` explains, from the beginning,
what does not agree. Both compare what happened before a cut in time: an order's entry and its movements carry the same
time, so "before the cut" is the same set on both sides, however long reading them takes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import chain
from typing import NamedTuple

from oms.inventory.facts import NOTHING, WRAP, Fact, Line, Units


class Balance(NamedTuple):
    """Where a check may begin: the units after `version`, up to which the book was found right.

    `digest` adds up the orders' movements up to `digest_version`. That is `version`, but for the balance that a repair
    leaves: its version is newer than any cut, while digests are always those before a cut.
    """

    version: int
    units: Units
    digest: int
    digest_version: int


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

    `records` are the adjustments and repairs by id; None for `stored` is an item that is gone or cannot be read.
    """

    product_id: str
    stock: str
    stored: Stored | None
    base: Balance = BEGINNING
    lines: Sequence[Line] = ()
    records: Mapping[str, Fact] = field(default_factory=dict)

    def known(self) -> list[Line]:
        """The lines up to what is stored: later ones came after it was read."""
        return [line for line in self.lines if self.stored is None or line.version <= self.stored.version]


class Verdict(Enum):
    SOUND = auto()
    SUSPECT = auto()
    # The stream has not brought all movements yet.
    UNSETTLED = auto()


class Finding(NamedTuple):
    """One thing that is wrong. `recorded` is what the book (or the item) says, `expected` what is true."""

    code: str
    version: int | None = None
    ref: str | None = None
    ref_version: int | None = None
    recorded: Units | None = None
    expected: Units | None = None


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


def gaps(lines: Sequence[Line], stored: Stored, since: int) -> Iterator[tuple[int, str]]:
    """The versions after `since` that have no movement, each with the time of what follows it."""
    following = since + 1
    for line in lines:
        yield from ((version, line.fact.at) for version in range(following, line.version))
        following = line.version + 1
    yield from ((version, stored.at) for version in range(following, stored.version + 1))


def verify(account: Account, entered: int, cut: str) -> Verdict:
    """`entered` is the sum of the digests of what orders say of this stock item before the cut."""
    stored, base = account.stored, account.base
    if stored is None or stored.version < base.version:
        return Verdict.SUSPECT
    lines = account.known()
    new = [line for line in lines if line.version > base.version]
    missing = list(gaps(new, stored, base.version))
    # Movements of a stock item arrive in order: one is lost when what follows it is old, and only late when it is new.
    if any(at >= cut for _, at in missing):
        return Verdict.UNSETTLED
    told = (base.digest + _digest(lines, cut)) % WRAP
    sound = not missing and told == entered and not any(breaks(new, base.units, stored)) and _proven(account, new)
    return Verdict.SOUND if sound else Verdict.SUSPECT


def breaks(lines: Sequence[Line], before: Units, stored: Stored) -> Iterator[Finding]:
    """Where a movement does not begin with what the one before it ended with, and an item that is not as its last."""
    for line in lines:
        if line.before != before:
            yield Finding("broken-chain", line.version, recorded=line.before, expected=before)
        before = line.after
    if stored.units != before:
        yield Finding("stock-differs", stored.version, recorded=stored.units, expected=before)


def _digest(lines: Iterable[Line], cut: str) -> int:
    return sum(line.fact.digest for line in lines if line.fact.of_order and line.fact.at < cut) % WRAP


def _proven(account: Account, lines: Sequence[Line]) -> bool:
    """Whether every movement that no order caused has its own cause, and each cause one movement."""
    others = [line for line in lines if not line.fact.of_order]
    opening = opening_fact(account)
    proofs = {**account.records, opening.ref: opening}
    return len({line.fact.key for line in others}) == len(others) and all(
        proofs.get(line.fact.ref) == line.fact for line in others
    )


def opening_fact(account: Account) -> Fact:
    """What the book's first line must say: the stock that the product was created with."""
    first = next((line.fact for line in account.lines if line.version == 1), None)
    actor, at = (first.actor, first.at) if first else ("", "")
    opening = account.stored.opening if account.stored else (first.available if first else 0)
    return Fact(account.stock, account.product_id, 1, "product-created", actor, at, opening, 0)


def closing(account: Account, cut: str) -> Balance | None:
    """The newest balance that a sound account can be closed at; None where nothing new is before the cut."""
    base = account.base
    version, units, digest = base.digest_version, base.units, base.digest
    for line in account.known():
        if line.fact.at >= cut:
            break
        version, units = line.version, line.after
        digest = (digest + (line.fact.digest if line.fact.of_order else 0)) % WRAP
    return Balance(version, units, digest, version) if version > base.version else None


def reconcile(account: Account, entries: Iterable[Fact], cut: str) -> Drift:
    """Why an account is suspect, and what its stock should be.

    `account` begins at the beginning; `entries` are what orders say of it. What should be there is the sum of what
    orders, adjustments and the opening say, with the movements after the cut, which are taken at their word. Repairs
    do not count: they bring the stock to just this.
    """
    opening = opening_fact(account)
    truths = {fact.key: fact for fact in chain(entries, account.records.values(), [opening])}
    lines = account.known()
    expected, findings, seen = NOTHING, list(_of_the_chain(account, lines)), set()
    for line in lines:
        fact, truth = line.fact, truths.get(line.fact.key)
        if truth is None and fact.of_order and fact.at >= cut:
            expected = expected.plus(fact.units)
            continue
        finding, effect = _judge(line, truth, repeated=fact.key in seen)
        seen.add(fact.key)
        expected = expected.plus(effect)
        findings += [finding] if finding else []
    for fact in truths.values():
        if fact.key not in seen and fact.at < cut:
            findings.append(Finding("missing-movement", None, fact.ref, fact.ref_version, None, fact.units))
            expected = expected.plus(_effect(fact))
    stored = account.stored.units if account.stored else NOTHING
    if not findings:
        findings = [Finding("differing-balance")]
    digest, digest_version = _digest_to_go_on_from(lines, truths.values(), cut)
    version = account.stored.version if account.stored else 0
    return Drift(account.product_id, version, stored, expected, findings, digest, digest_version)


def _of_the_chain(account: Account, lines: Sequence[Line]) -> Iterator[Finding]:
    if account.stored is None:
        yield Finding("missing-stock-item")
        return
    for version, _ in gaps(lines, account.stored, 0):
        yield Finding("missing-version", version)
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


def _effect(fact: Fact) -> Units:
    return NOTHING if fact.cause == "repaired" else fact.units


def _digest_to_go_on_from(lines: Sequence[Line], truths: Iterable[Fact], cut: str) -> tuple[int, int]:
    """A digest, and the version it belongs to, with which the lines after that version add up to what orders say."""
    frozen = next((number for number, line in enumerate(lines) if line.fact.at >= cut), len(lines))
    entered = sum(fact.digest for fact in truths if fact.of_order and fact.at < cut)
    version = lines[frozen - 1].version if frozen else 0
    return (entered - _digest(lines[frozen:], cut)) % WRAP, version
