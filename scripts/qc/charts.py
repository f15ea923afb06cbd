"""A chart as data: curves or points over two axes, which the template draws in the page's own colors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

# Okabe and Ito's palette, which color-blind readers can tell apart, the shades that also show on a dark page first.
PALETTE = ("#2b8cc9", "#e69f00", "#0aa37f", "#cc79a7", "#d55e00", "#7a6ff0", "#9c8a00", "#8c8c8c")
BEFORE, AFTER, TARGET, CHANCE = "#8c8c8c", "#2b8cc9", "#e69f00", "#c9c9c9"
SHAPES = ("circle", "square", "triangle", "diamond")

Range = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One curve; where `y` is NaN it has a gap."""

    name: str
    color: str
    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Point:
    """One point of a scatter plot; `group` is the place of its group among all, which decides color and shape.

    The target, which has none, is a cross. `name` shows when pointed at.
    """

    x: float
    y: float
    group: int | None
    name: str


@dataclass(frozen=True)
class Chart:
    """Curves and points within two ranges, in a picture with room for ticks and labels at its left and bottom."""

    kind: ClassVar[str] = "chart"
    left: ClassVar[int] = 44
    top: ClassVar[int] = 10
    x_label: str
    y_label: str
    description: str
    x_range: Range
    y_range: Range
    lines: Sequence[Line] = ()
    points: Sequence[Point] = ()
    width: int = 560
    height: int = 220

    @property
    def right(self) -> int:
        """Where the horizontal axis ends."""
        return self.width - 12

    @property
    def floor(self) -> int:
        """Where the horizontal axis is."""
        return self.height - 34

    def x(self, value: float) -> float:
        """The place of a value along the horizontal axis."""
        low, high = widened(self.x_range)
        return self.left + (value - low) / (high - low) * (self.right - self.left)

    def y(self, value: float) -> float:
        """The place of a value along the vertical axis."""
        low, high = widened(self.y_range)
        return self.floor - (value - low) / (high - low) * (self.floor - self.top)

    def path(self, line: Line) -> str:
        """One of the curves as SVG has it."""
        path, drawing = "", False
        for x, y in zip(line.x.tolist(), line.y.tolist(), strict=True):
            if finite := y == y:
                path += f"{'L' if drawing else 'M'}{self.x(x):.1f} {self.y(y):.1f}"
            drawing = finite
        return path


def line_chart(lines: Sequence[Line], labels: tuple[str, str], description: str, top: float | None = None) -> Chart:
    """Curves from 0 up to `top`, or else to the largest value."""
    x, y = np.concatenate([line.x for line in lines]), np.concatenate([line.y for line in lines])
    highest = float(y[np.isfinite(y)].max(initial=0)) if top is None else top
    return Chart(*labels, description, (float(x.min()), float(x.max())), (0.0, highest), lines)


def widened(limits: Range) -> Range:
    """A range that is not empty."""
    low, high = limits
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def ticks(limits: Range, about: int = 5) -> list[float]:
    """Round numbers within a range."""
    low, high = widened(limits)
    rough = (high - low) / about
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
    return [float(f"{place * step:.10g}") for place in range(first, last + 1)]
