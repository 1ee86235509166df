"""The three stock levels of a product, by its available units, and the crossings between them. Pure."""

from enum import StrEnum


class StockLevel(StrEnum):
    OK = "ok"
    LOW = "low"
    OUT = "out"


class ThresholdCrossing(StrEnum):
    """The level that a product enters, as the events name it."""

    LOW = "low"
    OUT = "out"
    REPLENISHED = "replenished"


_CROSSINGS = {
    StockLevel.OK: ThresholdCrossing.REPLENISHED,
    StockLevel.LOW: ThresholdCrossing.LOW,
    StockLevel.OUT: ThresholdCrossing.OUT,
}


def stock_level(available: int, threshold: int | None) -> StockLevel:
    """Out at 0 units; low at or below the threshold, if there is one."""
    if available <= 0:
        return StockLevel.OUT
    return StockLevel.LOW if threshold is not None and available <= threshold else StockLevel.OK


def threshold_crossing(before: StockLevel, after: StockLevel) -> ThresholdCrossing | None:
    """None within one level. Crossings never repeat: each leaves the level that the one before it entered."""
    return None if before == after else _CROSSINGS[after]
