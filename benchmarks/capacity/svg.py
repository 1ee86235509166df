"""Plots of a part as SVG text: offered against served, the 99th percentile, and the refused attempts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10

from benchmarks.capacity.measures import Point

type Curves = Sequence[tuple[str, Sequence[Point]]]
"""The points of each variant, by its name."""

_COLOURS = ("#1f5fa8", "#c2561a", "#2d7d46", "#7a4a9e", "#8a6d1f")
_WIDTH, _HEIGHT = 240, 180
_LEFT, _TOP, _GAP = 50, 62, 62
_STYLE = "font-family:sans-serif;font-size:11px;fill:#333"


@dataclass(frozen=True)
class _Axis:
    """A logarithmic axis, or a linear one from 0, of `length` pixels."""

    low: float
    high: float
    length: float
    is_log: bool = True

    def place(self, value: float) -> float:
        if not self.is_log:
            return self.length * value / self.high
        bounded = min(max(value, self.low), self.high)
        return self.length * (log10(bounded) - log10(self.low)) / (log10(self.high) - log10(self.low))

    def ticks(self) -> list[float]:
        if not self.is_log:
            return [self.high * share / 4 for share in range(5)]
        steps = [1, 2, 5] if self.high / self.low < 200 else [1]
        powers = range(floor(log10(self.low)), floor(log10(self.high)) + 1)
        return [step * 10**power for power in powers for step in steps if self.low <= step * 10**power <= self.high]


def log_axis(values: Sequence[float], length: float) -> _Axis:
    """Returns an axis from the 1, 2 or 5 below the values to the one above them."""
    positive = [value for value in values if value > 0] or [1.0]
    bounds = [step * 10**power for power in range(-2, 8) for step in (1, 2, 5)]
    low = max(it for it in bounds if it <= min(positive))
    high = min(it for it in bounds if it >= max(positive))
    return _Axis(low, high if high > low else 10 * low, length)


def plot(title: str, unit: str, curves: Curves) -> str:
    """Returns the picture: three panels with a curve for each variant, over the offered rate."""
    everything = [point for _, points in curves for point in points]
    offered = log_axis([point.offered for point in everything], _WIDTH)
    rates = [rate for point in everything for rate in (point.offered, point.served)]
    width = _LEFT + 3 * _WIDTH + 2 * _GAP + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_TOP + _HEIGHT + 46}" role="img">',
        f"<title>{escape(title)}</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{_LEFT}" y="20" style="{_STYLE};font-size:14px">{escape(title)}</text>',
        _legend([name for name, _ in curves]),
    ]
    panels: tuple[tuple[str, _Axis, Callable[[Point], float]], ...] = (
        (f"{unit} served a second", log_axis(rates, _HEIGHT), lambda point: point.served),
        ("99th percentile, ms", log_axis([it.p99 for it in everything], _HEIGHT), lambda point: point.p99),
        ("refused attempts of writes, %", _Axis(0, 100, _HEIGHT, is_log=False), lambda point: 100 * point.refused),
    )
    for number, (name, vertical, value) in enumerate(panels):
        left = _LEFT + number * (_WIDTH + _GAP)
        parts.append(f'<g transform="translate({left},{_TOP})">')
        parts.append(_frame(name, f"{unit} offered a second", offered, vertical))
        if number == 0:
            ends = [max(offered.low, vertical.low), min(offered.high, vertical.high)]
            parts.append(_line([(offered.place(it), _HEIGHT - vertical.place(it)) for it in ends], "#999", "4 3"))
        for (_, points), colour in zip(curves, _COLOURS, strict=False):
            places = [(offered.place(it.offered), _HEIGHT - vertical.place(value(it))) for it in points]
            parts.append(_line(places, colour))
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in places]
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _legend(names: Sequence[str]) -> str:
    parts, x = [], _LEFT
    for name, colour in zip(names, _COLOURS, strict=False):
        parts.append(f'<rect x="{x}" y="31" width="14" height="3" fill="{colour}"/>')
        parts.append(f'<text x="{x + 19}" y="37" style="{_STYLE}">{escape(name)}</text>')
        x += 36 + 6 * len(name)
    return "\n".join(parts)


def _frame(name: str, below: str, horizontal: _Axis, vertical: _Axis) -> str:
    parts = [
        f'<text x="0" y="-7" style="{_STYLE}">{escape(name)}</text>',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="#bbb"/>',
        f'<text x="{_WIDTH / 2}" y="{_HEIGHT + 32}" text-anchor="middle" style="{_STYLE}">{escape(below)}</text>',
    ]
    for tick in horizontal.ticks():
        x = horizontal.place(tick)
        parts.append(_line([(x, 0), (x, _HEIGHT)], "#eee"))
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT + 15}" text-anchor="middle" style="{_STYLE}">{tick:,g}</text>')
    for tick in vertical.ticks():
        y = _HEIGHT - vertical.place(tick)
        parts.append(_line([(0, y), (_WIDTH, y)], "#eee"))
        parts.append(f'<text x="-5" y="{y + 4:.1f}" text-anchor="end" style="{_STYLE}">{tick:,g}</text>')
    return "\n".join(parts)


def _line(places: Sequence[tuple[float, float]], colour: str, dashes: str = "none") -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-dasharray="{dashes}"/>'
