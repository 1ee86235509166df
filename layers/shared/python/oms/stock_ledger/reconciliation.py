"""Compares a product's stock item, movements, orders and adjustments. Pure functions.

`verify` is quick: it needs only the movements after the last closed balance. `reconcile` explains a difference, from
the first movement on. Both exclude a time window. An order's transition and its movements have the same time, so the
window excludes the same changes on both sides, regardless of when they are read.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import chain
from typing import NamedTuple

from oms.inventory.models import shard_of_key
from oms.stock_ledger.effects import DIGEST_MODULUS, NO_UNITS, ParsedMovement, RecordedEffect, Units


class ExcludedWindow(NamedTuple):
    """The times that a check excludes, both ends included, since their changes may still be in the stream.

    Times after `end` are not excluded. No run takes that long, so such a time is wrong, and later checks would exclude
    it too.
    """

    cut: str
    end: str

    def excludes(self, at: str) -> bool:
        return self.cut <= at <= self.end


class Balance(NamedTuple):
    """A point from which a check may start: the ledger was found correct up to `version`, after which there were these
    units.

    `digest` is the sum over the movements of orders up to `digest_version`, which equals `version` except after a
    repair: a repair's version is newer than any cut, but digests include only times before a cut. A check ignores
    adjustments from before `at`, because the repair included them.
    """

    version: int
    units: Units
    digest: int
    digest_version: int
    at: str = ""


ZERO_BALANCE = Balance(0, NO_UNITS, 0, 0)


class StoredStock(NamedTuple):
    """A stored stock item. `at` is the time of its latest movement."""

    version: int
    units: Units
    at: str
    opening: int
    is_sharded: bool = False


@dataclass
class ProductLedger:
    """All records of one stock item.

    `stored` is None if the stock item is missing or unreadable. `movements` ascend, start after the base's
    `digest_version`, and are read after `stored`. `adjustments` has those that the movements name, or all if `full`, by
    id. `gone` means that the product is missing.
    """

    product_id: str
    stock: str
    stored: StoredStock | None
    base: Balance = ZERO_BALANCE
    movements: Sequence[ParsedMovement] = ()
    adjustments: Mapping[str, RecordedEffect] = field(default_factory=dict)
    full: bool = False
    gone: bool = False

    @property
    def shard(self) -> int:
        return shard_of_key(self.stock)

    def comparable_movements(self, window: ExcludedWindow) -> list[ParsedMovement]:
        """Returns the movements up to the stored version, and later ones that are not in the window.

        Later movements in the window happened after the item was read. Other later ones show that the item was set back
        to an older state.
        """
        last = self.stored.version if self.stored else 0
        return [
            movement
            for movement in self.movements
            if self.stored is None or movement.version <= last or not window.excludes(movement.effect.at)
        ]


class Verdict(Enum):
    SOUND = auto()
    SUSPECT = auto()
    # The stream has not delivered all movements yet.
    UNSETTLED = auto()


class LedgerFinding(NamedTuple):
    """One inconsistency: the units in the movement or item (`recorded`), and the correct ones (`expected`).

    `last_version` is set if several versions are missing, from `version` on.
    """

    code: str
    version: int | None = None
    ref: str | None = None
    ref_version: int | None = None
    recorded: Units | None = None
    expected: Units | None = None
    last_version: int | None = None


class VersionGap(NamedTuple):
    """A range of versions without movements, both ends inclusive, and the time of the next movement or stock item."""

    first: int
    last: int
    followed_at: str


@dataclass(frozen=True)
class Drift:
    """The findings about one shard of a product's stock.

    A balance with `digest` and `digest_version` agrees with the orders. A repair stores this balance, so that
    later checks do not report the same findings.
    """

    product_id: str
    shard: int
    version: int
    stored: Units
    expected: Units
    findings: Sequence[LedgerFinding]
    digest: int
    digest_version: int

    @property
    def difference(self) -> Units:
        return self.stored.minus(self.expected)


def version_gaps(movements: Sequence[ParsedMovement], stored: StoredStock, since: int) -> Iterator[VersionGap]:
    """Yields the versions after `since` that have no movement."""
    following = since + 1
    for movement in movements:
        if movement.version > following:
            yield VersionGap(following, movement.version - 1, movement.effect.at)
        following = movement.version + 1
    if stored.version >= following:
        yield VersionGap(following, stored.version, stored.at)


def verify(ledger: ProductLedger, order_digest: int, window: ExcludedWindow) -> Verdict:
    """Returns the verdict on a ledger.

    `order_digest` is the sum of the digests of all orders' effects on this stock item outside the window.
    """
    stored, base = ledger.stored, ledger.base
    if stored is None or ledger.gone or stored.version < base.version:
        return Verdict.SUSPECT
    movements = ledger.comparable_movements(window)
    new = [movement for movement in movements if movement.version > base.version]
    missing = list(version_gaps(new, stored, base.version))
    # The stream delivers the changes of a stock item in order. So a missing movement is lost if the next one is old,
    # else late.
    if any(window.excludes(gap.followed_at) for gap in missing):
        return Verdict.UNSETTLED
    ledger_digest = (base.digest + _digest(movements, window)) % DIGEST_MODULUS
    is_sound = (
        not missing
        and ledger_digest == order_digest
        and not any(chain_breaks(new, base.units, stored))
        and _all_have_causes(ledger, new)
        and _all_have_movements(ledger, window)
    )
    return Verdict.SOUND if is_sound else Verdict.SUSPECT


def chain_breaks(movements: Sequence[ParsedMovement], before: Units, stored: StoredStock) -> Iterator[LedgerFinding]:
    """Yields a finding for each movement that does not start with the units after the previous one, and for a different
    stock item.

    `before` are the units before the first movement.
    """
    for movement in movements:
        if movement.before != before:
            yield LedgerFinding("broken-chain", movement.version, recorded=movement.before, expected=before)
        before = movement.after
    if stored.units != before or (movements and movements[-1].version > stored.version):
        yield LedgerFinding("stock-differs", stored.version, recorded=stored.units, expected=before)


def digest_of(effects: Iterable[RecordedEffect], window: ExcludedWindow) -> int:
    """Returns the sum of the digests of the orders' effects outside the window."""
    included = (effect.digest for effect in effects if effect.is_from_order and not window.excludes(effect.at))
    return sum(included) % DIGEST_MODULUS


def _digest(movements: Iterable[ParsedMovement], window: ExcludedWindow) -> int:
    return digest_of((movement.effect for movement in movements), window)


def _all_have_causes(ledger: ProductLedger, movements: Sequence[ParsedMovement]) -> bool:
    """Returns whether each movement that is not from an order has a separate cause with the same effect."""
    effects = [movement.effect for movement in movements if not movement.effect.is_from_order]
    opening = opening_effect(ledger)
    causes = {**ledger.adjustments, opening.ref: opening}
    return len({effect.key for effect in effects}) == len(effects) and all(
        causes.get(effect.ref) == effect for effect in effects
    )


def _all_have_movements(ledger: ProductLedger, window: ExcludedWindow) -> bool:
    """Returns whether each adjustment has a movement.

    True for a ledger that is not `full`, since it has only adjustments with movements.
    """
    if not ledger.full:
        return True
    moved = {movement.effect.key for movement in ledger.movements}
    adjustments = (effect for effect in ledger.adjustments.values() if effect.at >= ledger.base.at)
    return all(effect.key in moved or window.excludes(effect.at) for effect in adjustments)


def opening_effect(ledger: ProductLedger) -> RecordedEffect:
    """Returns the expected effect of the first movement: the product's opening stock, or a new shard without units."""
    first = next((movement.effect for movement in ledger.movements if movement.version == 1), None)
    actor, at = (first.actor, first.at) if first else ("", "")
    opening = ledger.stored.opening if ledger.stored else (first.available if first else 0)
    cause = "shard-created" if ledger.shard else "product-created"
    return RecordedEffect(ledger.stock, ledger.product_id, 1, cause, actor, at, opening, 0)


def closed_balance(ledger: ProductLedger, window: ExcludedWindow) -> Balance | None:
    """Returns the newest balance before the cut of a sound ledger, or None if no movement is new."""
    base = ledger.base
    version, units, digest = base.digest_version, base.units, base.digest
    for movement in ledger.comparable_movements(window):
        if movement.effect.at >= window.cut:
            break
        version, units = movement.version, movement.after
        digest = (digest + (movement.effect.digest if movement.effect.is_from_order else 0)) % DIGEST_MODULUS
    return Balance(version, units, digest, version) if version > base.version else None


def reconcile(ledger: ProductLedger, order_effects: Iterable[RecordedEffect], window: ExcludedWindow) -> Drift:
    """Returns the findings about a suspect ledger, and the stock that the product should have.

    `ledger` is full and has all movements. The expected stock is the sum of the opening stock and the effects of orders
    and adjustments. Movements in the window count without a check. Repairs do not count, since each of them set the
    stock to this sum.
    """
    causes = _causes(ledger, order_effects)
    movements = ledger.comparable_movements(window)
    missing = list(version_gaps(movements, ledger.stored, 0)) if ledger.stored else []
    expected, findings, seen = NO_UNITS, list(_item_findings(ledger, movements, missing)), set()
    for movement in movements:
        effect, cause = movement.effect, causes.get(movement.effect.key)
        if cause is None and effect.is_from_order and window.excludes(effect.at):
            expected = expected.plus(effect.units)
            continue
        finding, units = _judge(movement, cause, repeated=effect.key in seen)
        seen.add(effect.key)
        expected = expected.plus(units)
        findings += [finding] if finding else []
    unseen = [cause for key, cause in causes.items() if key not in seen and not window.excludes(cause.at)]
    room = sum(gap.last - gap.first + 1 for gap in missing) + sum(
        finding.code in _WITHOUT_CAUSE for finding in findings
    )
    for finding, units in _judge_unseen(unseen, room=room):
        findings.append(finding)
        expected = expected.plus(units)
    version, stored = (ledger.stored.version, ledger.stored.units) if ledger.stored else (0, NO_UNITS)
    digest, digest_version = _digest_after_repair(movements, version, causes.values(), window)
    findings = findings or [LedgerFinding("differing-balance")]
    return Drift(ledger.product_id, ledger.shard, version, stored, expected, findings, digest, digest_version)


def _causes(ledger: ProductLedger, order_effects: Iterable[RecordedEffect]) -> Mapping[tuple[str, int], RecordedEffect]:
    effects = chain(order_effects, ledger.adjustments.values(), [opening_effect(ledger)])
    return {effect.key: effect for effect in effects}


# The causes that adjustments record.
_MANUAL = ("adjusted", "counted", "repaired", "moved", "resharded")
_WITHOUT_CAUSE = ("unexplained-movement", "repeated-movement")


def _item_findings(
    ledger: ProductLedger, movements: Sequence[ParsedMovement], missing: Sequence[VersionGap]
) -> Iterator[LedgerFinding]:
    """Yields the findings that do not depend on causes: missing items and versions, and breaks between movements."""
    if ledger.gone:
        yield LedgerFinding("missing-product")
    if ledger.stored is None:
        yield LedgerFinding("missing-stock-item")
        return
    for gap in missing:
        yield LedgerFinding("missing-version", gap.first, last_version=gap.last if gap.last > gap.first else None)
    yield from chain_breaks(movements, NO_UNITS, ledger.stored)


def _judge(
    movement: ParsedMovement, cause: RecordedEffect | None, *, repeated: bool
) -> tuple[LedgerFinding | None, Units]:
    """Returns the finding about a movement, if any, and the units that the movement should add."""
    effect = movement.effect
    if cause is None or repeated:
        code = "repeated-movement" if repeated else "unexplained-movement"
        return LedgerFinding(code, movement.version, *effect.key, effect.units, NO_UNITS), NO_UNITS
    if effect != cause:
        finding = LedgerFinding("differing-movement", movement.version, *effect.key, effect.units, cause.units)
        return finding, _counted_units(cause)
    return None, _counted_units(cause)


def _judge_unseen(causes: Sequence[RecordedEffect], *, room: int) -> Iterator[tuple[LedgerFinding, Units]]:
    """Yields a finding for each cause without a movement, and the units that it should have added.

    Orders always count. Adjustments count only if their movements can be among the `room` versions that are missing or
    have no cause. Otherwise they were written without the API, and a repair would put forged units on sale.
    """
    manual = [cause for cause in causes if cause.cause in _MANUAL]
    are_plausible = len(manual) <= room - (len(causes) - len(manual))
    for cause in causes:
        if are_plausible or cause not in manual:
            yield LedgerFinding("missing-movement", None, *cause.key, None, cause.units), _counted_units(cause)
        else:
            yield LedgerFinding("unexplained-adjustment", None, *cause.key, cause.units, NO_UNITS), NO_UNITS


def _counted_units(cause: RecordedEffect) -> Units:
    return NO_UNITS if cause.cause == "repaired" else cause.units


def _digest_after_repair(
    movements: Sequence[ParsedMovement], stored_version: int, causes: Iterable[RecordedEffect], window: ExcludedWindow
) -> tuple[int, int]:
    """Returns a digest and its version. The digest plus the movements after that version equals the digest of the
    orders.

    Without a movement in the window, the version is the newest, so that movements up to `stored_version` that arrive
    late are not added again. Else it is the version before the first movement in the window.
    """
    order_digest = digest_of(causes, window)
    versions = [movement.version for movement in movements]
    first = next((place for place, movement in enumerate(movements) if window.excludes(movement.effect.at)), None)
    if first is None:
        return order_digest, max([stored_version, *versions])
    return (order_digest - _digest(movements[first:], window)) % DIGEST_MODULUS, versions[first - 1] if first else 0
