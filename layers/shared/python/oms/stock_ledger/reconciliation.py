"""Whether a product's stock item, movements, orders and adjustments agree. Pure.

`verify` is quick: it needs only the movements after the last closed balance. `reconcile` explains a difference, from
the first movement. Both exclude a time window. An order's transition and its movements have the same time, so the
window excludes the same set on both sides, however long the reading takes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import chain
from typing import NamedTuple

from oms.stock_ledger.effects import DIGEST_MODULUS, NO_UNITS, ParsedMovement, RecordedEffect, Units


class ExcludedWindow(NamedTuple):
    """The times that a check excludes, both ends included, since their changes may still be in the stream.

    A time after `end` is compared: no run takes that long, so it is wrong, and no later check would report it.
    """

    cut: str
    end: str

    def excludes(self, at: str) -> bool:
        return self.cut <= at <= self.end


class Balance(NamedTuple):
    """A place from which a check may start: the units after `version`, up to which the ledger was found correct.

    `digest` is the sum over the movements of orders up to `digest_version`, which equals `version` except after a
    repair: a repair's version is newer than any cut, and digests include only times before a cut. A check ignores
    adjustments from before `at`, since the repair included them.
    """

    version: int
    units: Units
    digest: int
    digest_version: int
    at: str = ""


ZERO_BALANCE = Balance(0, NO_UNITS, 0, 0)


class StoredStock(NamedTuple):
    """The stock item. `at` is the time of its latest movement."""

    version: int
    units: Units
    at: str
    opening: int


@dataclass
class ProductLedger:
    """All records of one stock item.

    `movements` ascend, start after the base's `digest_version`, and are read after `stored`, which is None if the stock
    item is missing or unreadable. `adjustments` by id are those that the movements name, or, if `full`, all. `gone`
    means that the product is missing.
    """

    product_id: str
    stock: str
    stored: StoredStock | None
    base: Balance = ZERO_BALANCE
    movements: Sequence[ParsedMovement] = ()
    adjustments: Mapping[str, RecordedEffect] = field(default_factory=dict)
    full: bool = False
    gone: bool = False

    def comparable_movements(self, window: ExcludedWindow) -> list[ParsedMovement]:
        """The movements up to the stored version, and later ones that are not in the window.

        Later ones in the window came after the item was read. Others show that the item was set back to an older state.
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
    # The stream has not brought all movements yet.
    UNSETTLED = auto()


class Finding(NamedTuple):
    """One inconsistency: the units in the movement or item (`recorded`), and the correct ones (`expected`).

    `last_version` is set where several versions are missing, from `version` on.
    """

    code: str
    version: int | None = None
    ref: str | None = None
    ref_version: int | None = None
    recorded: Units | None = None
    expected: Units | None = None
    last_version: int | None = None


class VersionGap(NamedTuple):
    """Versions without a movement, both included, and the time of the movement or stock item after them."""

    first: int
    last: int
    followed_at: str


@dataclass(frozen=True)
class Drift:
    """The findings about one product. `digest` and `digest_version` are those of a balance that agrees with the orders.

    A repair stores that balance, so that later checks do not report the same findings.
    """

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


def version_gaps(movements: Sequence[ParsedMovement], stored: StoredStock, since: int) -> Iterator[VersionGap]:
    """The versions after `since` that have no movement."""
    following = since + 1
    for movement in movements:
        if movement.version > following:
            yield VersionGap(following, movement.version - 1, movement.effect.at)
        following = movement.version + 1
    if stored.version >= following:
        yield VersionGap(following, stored.version, stored.at)


def verify(ledger: ProductLedger, order_digest: int, window: ExcludedWindow) -> Verdict:
    """`order_digest` is the sum of the digests of all orders' effects on this stock item outside the window."""
    stored, base = ledger.stored, ledger.base
    if stored is None or ledger.gone or stored.version < base.version:
        return Verdict.SUSPECT
    movements = ledger.comparable_movements(window)
    new = [movement for movement in movements if movement.version > base.version]
    missing = list(version_gaps(new, stored, base.version))
    # The stream keeps the order of a stock item's changes: a movement is lost if the next one is old, else only late.
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


def chain_breaks(movements: Sequence[ParsedMovement], before: Units, stored: StoredStock) -> Iterator[Finding]:
    """Each movement that does not start with the units of the one before, and a stock item that differs from the last.

    `before` are the units before the first movement.
    """
    for movement in movements:
        if movement.before != before:
            yield Finding("broken-chain", movement.version, recorded=movement.before, expected=before)
        before = movement.after
    if stored.units != before or (movements and movements[-1].version > stored.version):
        yield Finding("stock-differs", stored.version, recorded=stored.units, expected=before)


def digest_of(effects: Iterable[RecordedEffect], window: ExcludedWindow) -> int:
    """The sum of the digests of the orders' effects outside the window."""
    included = (effect.digest for effect in effects if effect.is_from_order and not window.excludes(effect.at))
    return sum(included) % DIGEST_MODULUS


def _digest(movements: Iterable[ParsedMovement], window: ExcludedWindow) -> int:
    return digest_of((movement.effect for movement in movements), window)


def _all_have_causes(ledger: ProductLedger, movements: Sequence[ParsedMovement]) -> bool:
    """Whether each movement that is not from an order has a cause of its own with the same effect."""
    effects = [movement.effect for movement in movements if not movement.effect.is_from_order]
    opening = opening_effect(ledger)
    causes = {**ledger.adjustments, opening.ref: opening}
    return len({effect.key for effect in effects}) == len(effects) and all(
        causes.get(effect.ref) == effect for effect in effects
    )


def _all_have_movements(ledger: ProductLedger, window: ExcludedWindow) -> bool:
    """Whether each adjustment has a movement. True for a ledger that is not `full`, which lacks the others."""
    if not ledger.full:
        return True
    moved = {movement.effect.key for movement in ledger.movements}
    adjustments = (effect for effect in ledger.adjustments.values() if effect.at >= ledger.base.at)
    return all(effect.key in moved or window.excludes(effect.at) for effect in adjustments)


def opening_effect(ledger: ProductLedger) -> RecordedEffect:
    """The expected effect of the first movement: the product's opening stock."""
    first = next((movement.effect for movement in ledger.movements if movement.version == 1), None)
    actor, at = (first.actor, first.at) if first else ("", "")
    opening = ledger.stored.opening if ledger.stored else (first.available if first else 0)
    return RecordedEffect(ledger.stock, ledger.product_id, 1, "product-created", actor, at, opening, 0)


def closed_balance(ledger: ProductLedger, window: ExcludedWindow) -> Balance | None:
    """The newest balance before the cut of a sound ledger. None if no movement is new."""
    base = ledger.base
    version, units, digest = base.digest_version, base.units, base.digest
    for movement in ledger.comparable_movements(window):
        if movement.effect.at >= window.cut:
            break
        version, units = movement.version, movement.after
        digest = (digest + (movement.effect.digest if movement.effect.is_from_order else 0)) % DIGEST_MODULUS
    return Balance(version, units, digest, version) if version > base.version else None


def reconcile(ledger: ProductLedger, order_effects: Iterable[RecordedEffect], window: ExcludedWindow) -> Drift:
    """The findings about a suspect ledger, and the stock that the product should have.

    `ledger` is full and has all movements. The expected stock is the sum of the effects of orders, adjustments and the
    opening stock. Movements in the window count as they are. Repairs do not count: each set the stock to this sum.
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
    room = sum(gap.last - gap.first + 1 for gap in missing) + sum(it.code in _WITHOUT_CAUSE for it in findings)
    for finding, units in _judge_unseen(unseen, room=room):
        findings.append(finding)
        expected = expected.plus(units)
    version, stored = (ledger.stored.version, ledger.stored.units) if ledger.stored else (0, NO_UNITS)
    digest, digest_version = _digest_after_repair(movements, version, causes.values(), window)
    findings = findings or [Finding("differing-balance")]
    return Drift(ledger.product_id, version, stored, expected, findings, digest, digest_version)


def _causes(ledger: ProductLedger, order_effects: Iterable[RecordedEffect]) -> Mapping[tuple[str, int], RecordedEffect]:
    effects = chain(order_effects, ledger.adjustments.values(), [opening_effect(ledger)])
    return {effect.key: effect for effect in effects}


_WITHOUT_CAUSE = ("unexplained-movement", "repeated-movement")


def _item_findings(
    ledger: ProductLedger, movements: Sequence[ParsedMovement], missing: Sequence[VersionGap]
) -> Iterator[Finding]:
    """The findings that need no causes: missing items and versions, and breaks between movements."""
    if ledger.gone:
        yield Finding("missing-product")
    if ledger.stored is None:
        yield Finding("missing-stock-item")
        return
    for gap in missing:
        yield Finding("missing-version", gap.first, last_version=gap.last if gap.last > gap.first else None)
    yield from chain_breaks(movements, NO_UNITS, ledger.stored)


def _judge(movement: ParsedMovement, cause: RecordedEffect | None, *, repeated: bool) -> tuple[Finding | None, Units]:
    """The finding about a movement, if any, and the units that the movement should add."""
    effect = movement.effect
    if cause is None or repeated:
        code = "repeated-movement" if repeated else "unexplained-movement"
        return Finding(code, movement.version, *effect.key, effect.units, NO_UNITS), NO_UNITS
    if effect != cause:
        finding = Finding("differing-movement", movement.version, *effect.key, effect.units, cause.units)
        return finding, _counted_units(cause)
    return None, _counted_units(cause)


def _judge_unseen(causes: Sequence[RecordedEffect], *, room: int) -> Iterator[tuple[Finding, Units]]:
    """A finding for each cause without a movement, and the units that it should have added.

    Orders count. Adjustments count only if their movements can be among the `room` versions that are missing or have no
    cause. Else they were written without the API, and a repair would put forged units on sale.
    """
    manual = [cause for cause in causes if cause.cause in ("adjusted", "repaired")]
    are_plausible = len(manual) <= room - (len(causes) - len(manual))
    for cause in causes:
        if are_plausible or cause not in manual:
            yield Finding("missing-movement", None, *cause.key, None, cause.units), _counted_units(cause)
        else:
            yield Finding("unexplained-adjustment", None, *cause.key, cause.units, NO_UNITS), NO_UNITS


def _counted_units(cause: RecordedEffect) -> Units:
    return NO_UNITS if cause.cause == "repaired" else cause.units


def _digest_after_repair(
    movements: Sequence[ParsedMovement], stored_version: int, causes: Iterable[RecordedEffect], window: ExcludedWindow
) -> tuple[int, int]:
    """A digest and its version. With the movements after that version it equals the digest of the orders.

    Without a movement in the window, the version is the newest, so that movements up to `stored_version` that arrive
    late are not added again. Else it is the version before the first movement in the window.
    """
    order_digest = digest_of(causes, window)
    versions = [movement.version for movement in movements]
    first = next((place for place, movement in enumerate(movements) if window.excludes(movement.effect.at)), None)
    if first is None:
        return order_digest, max([stored_version, *versions])
    return (order_digest - _digest(movements[first:], window)) % DIGEST_MODULUS, versions[first - 1] if first else 0
