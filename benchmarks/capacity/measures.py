"""The results of a simulation: offered against served, conflicts, and percentiles of the times."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# A part keeps up with a rate if this share of the work succeeds.
MOSTLY = 0.99


@dataclass(frozen=True)
class Point:
    """The result at one rate. Rates are a second; `succeeded`, `conflicts` and `throttled` are shares, times in ms.

    `conflicts` and `throttled` are shares of the attempts of writes. `hottest` is the partition that refused most.
    """

    offered: float
    served: float
    succeeded: float
    conflicts: float
    throttled: float
    p50: float
    p99: float
    hottest: str = ""

    @property
    def refused(self) -> float:
        return self.conflicts + self.throttled

    @property
    def is_kept_up_with(self) -> bool:
        """Whether nearly all work is served: a queue's latest messages may still be in progress at the end."""
        return self.succeeded >= MOSTLY and self.served >= 0.95 * self.offered


@dataclass
class Outcomes:
    """The pieces of work of one simulation. Those that began before `warm` or after `end` do not count.

    A piece of work is the part `1 / parts` of a unit of the offered rate, as one of the four events of an order.
    """

    warm: float
    end: float
    parts: float = 1
    _done: list[tuple[float, float, bool]] = field(default_factory=list)

    def note(self, begun: float, ended: float, *, ok: bool) -> None:
        self._done.append((begun, ended, ok))

    def point(self, offered: float, counts: Mapping[str, int], refused: Mapping[Any, int]) -> Point:
        """Returns the result: served are the successes that ended before `end`, as a rate of whole units."""
        length = self.end - self.warm
        counted = [(ended - begun, ok, ended) for begun, ended, ok in self._done if self.warm <= begun <= self.end]
        served = sum(ok and self.warm <= ended <= self.end for _, ended, ok in self._done)
        times = sorted(1000 * seconds for seconds, ok, _ in counted if ok)
        writes = max(1, counts.get("writes", 0))
        hottest = Counter(refused).most_common(1)
        return Point(
            offered=offered,
            served=served / self.parts / length,
            succeeded=sum(ok for _, ok, _ in counted) / max(1, len(counted)),
            conflicts=counts.get("conflicts", 0) / writes,
            throttled=counts.get("throttled", 0) / writes,
            p50=percentile(times, 0.5),
            p99=percentile(times, 0.99),
            hottest=" ".join(it for it in hottest[0][0] if it) if hottest else "",
        )


def percentile(ordered: Sequence[float], share: float) -> float:
    """Returns the percentile of sorted values; 0 if there are none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def kept_up(points: Sequence[Point]) -> float:
    """Returns the greatest offered rate, of those below the first that is not kept up with; 0 if there is none."""
    kept = 0.0
    for point in points:
        if not point.is_kept_up_with:
            break
        kept = point.offered
    return kept
