"""The three stock levels of a product, by its available units, and the crossings between them. Pure functions."""

from enum import StrEnum


class StockLevel(StrEnum):
    OK = "ok"
    LOW = "low"
    OUT = "out"


class ThresholdCrossing(StrEnum):
    """The level that a product enters, with its name in events."""

    LOW = "low"
    OUT = "out"
    REPLENISHED = "replenished"


_CROSSINGS = {
    StockLevel.OK: ThresholdCrossing.REPLENISHED,
    StockLevel.LOW: ThresholdCrossing.LOW,
    StockLevel.OUT: ThresholdCrossing.OUT,
}


def stock_level(available: int, threshold: int | None) -> StockLevel:
    """Returns the stock level: out at 0 units, low at or below the threshold if there is one, else ok."""
    if available <= 0:
        return StockLevel.OUT
    return StockLevel.LOW if threshold is not None and available <= threshold else StockLevel.OK


def threshold_crossing(before: StockLevel, after: StockLevel) -> ThresholdCrossing | None:
    """Returns the crossing between two levels, or None if they are equal.

    A crossing never repeats: the next one leaves the level that it entered.
    """
    return None if before == after else _CROSSINGS[after]
