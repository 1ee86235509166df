"""How much is left of a product: three bands of `available`, and the crossings between them. Pure."""

from enum import StrEnum


class Band(StrEnum):
    OK = "ok"
    LOW = "low"
    OUT = "out"


class Crossed(StrEnum):
    """Into which band, as the events name it."""

    LOW = "low"
    OUT = "out"
    REPLENISHED = "replenished"


_INTO = {Band.OK: Crossed.REPLENISHED, Band.LOW: Crossed.LOW, Band.OUT: Crossed.OUT}


def band(available: int, threshold: int | None) -> Band:
    """Out at 0; low at or below the threshold, where there is one."""
    if available <= 0:
        return Band.OUT
    return Band.LOW if threshold is not None and available <= threshold else Band.OK


def crossed(before: Band, after: Band) -> Crossed | None:
    """Consecutive crossings of a stock item never repeat: each leaves the band that the one before it entered."""
    return None if before == after else _INTO[after]
