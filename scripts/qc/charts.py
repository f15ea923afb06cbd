"""Charts as SVG, drawn in the page's own colors: lines, bars and points."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .markup import Markup, tag

# Okabe and Ito's palette, which color-blind readers can tell apart, the shades that also show on a dark page first.
PALETTE = ("#2b8cc9", "#e69f00", "#0aa37f", "#cc79a7", "#d55e00", "#7a6ff0", "#9c8a00", "#8c8c8c")
BEFORE, AFTER, TARGET = "#8c8c8c", "#2b8cc9", "#e69f00"
SHAPES = ("circle", "square", "triangle", "diamond")
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 10, 34


@dataclass(frozen=True)
class Line:
    """One curve; where `y` is NaN it has a gap."""

    name: str
    color: str
    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Bar:
    """One bar, with what is written at its end."""

    label: str
    value: float
    text: str
    color: str


@dataclass(frozen=True)
class Point:
    """One point of a scatter plot; `group` decides its color and shape, `name` shows when pointed at."""

    x: float
    y: float
    group: str | None
    name: str


class _Axes:
    """From data to places in the picture."""

    def __init__(self, width: int, height: int, x: tuple[float, float], y: tuple[float, float]) -> None:
        self.width, self.height = width, height
        self.x_range, self.y_range = _widen(x), _widen(y)

    def x(self, value: float) -> float:
        low, high = self.x_range
        return _LEFT + (value - low) / (high - low) * (self.width - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return self.height - _BOTTOM - (value - low) / (high - low) * (self.height - _TOP - _BOTTOM)

    def draw(self, x_label: str, y_label: str) -> list[Markup]:
        """Frame, ticks and labels."""
        floor, middle = self.height - _BOTTOM, (_TOP + self.height - _BOTTOM) / 2
        parts = [
            tag(
                "path",
                d=f"M{_LEFT} {_TOP}V{floor}H{self.width - _RIGHT}",
                fill="none",
                stroke="currentColor",
                opacity=0.45,
            ),
            _text(x_label, (_LEFT + self.width - _RIGHT) / 2, self.height - 4),
            _text(y_label, 11, middle, turn=True),
        ]
        parts += [_text(f"{tick:g}", self.x(tick), floor + 14, size=10) for tick in _ticks(*self.x_range)]
        for tick in _ticks(*self.y_range):
            place = self.y(tick)
            parts.append(
                tag("path", d=f"M{_LEFT} {place:.1f}H{self.width - _RIGHT}", stroke="currentColor", opacity=0.12)
            )
            parts.append(_text(f"{tick:g}", _LEFT - 5, place + 3.5, size=10, anchor="end"))
        return parts


def line_chart(
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    description: str,
    size: tuple[int, int] = (560, 220),
    y_range: tuple[float, float] | None = None,
) -> Markup:
    """Curves over a common axis."""
    values = np.concatenate([line.y[np.isfinite(line.y)] for line in lines])
    places = np.concatenate([line.x for line in lines])
    axes = _Axes(*size, (places.min(), places.max()), y_range or (0.0, float(values.max(initial=0))))
    curves = [
        tag("path", d=_curve(axes, line), fill="none", stroke=line.color, stroke_width=1.8, stroke_linejoin="round")
        for line in lines
    ]
    return _figure(axes.draw(x_label, y_label) + curves, size, description)


def bar_chart(bars: Sequence[Bar], description: str, most: float | None = None, width: int = 560) -> Markup:
    """Horizontal bars from 0 up to `most`."""
    top, label_width, text_width, step = most or max(bar.value for bar in bars) or 1.0, 84, 84, 26
    parts = []
    for place, bar in enumerate(bars):
        y, length = place * step, bar.value / top * (width - label_width - text_width)
        parts.append(_text(bar.label, label_width - 8, y + 17, anchor="end"))
        parts.append(tag("rect", x=label_width, y=y + 5, width=max(length, 1.0), height=16, rx=2, fill=bar.color))
        parts.append(_text(bar.text, label_width + max(length, 1.0) + 6, y + 17, anchor="start"))
    return _figure(parts, (width, step * len(bars)), description)


def scatter_chart(
    points: Sequence[Point],
    groups: Sequence[str],
    x_label: str,
    y_label: str,
    description: str,
    ranges: tuple[tuple[float, float], tuple[float, float]],
    size: tuple[int, int] = (420, 340),
) -> Markup:
    """Points within `ranges`; `groups` gives each group its color and shape by its place, None is the target."""
    axes = _Axes(*size, *ranges)
    order: dict[str | None, int | None] = {group: place for place, group in enumerate(groups)}
    order[None] = None
    marks = [_mark(axes.x(point.x), axes.y(point.y), order[point.group], point.name) for point in points]
    return _figure(axes.draw(x_label, y_label) + marks, size, description)


def group_mark(place: int | None) -> Markup:
    """The mark of the group at `place`, or of the target, for a legend."""
    return tag("svg", _mark(7, 7, place), width=14, height=14, class_="key", aria_hidden="true")


def _mark(x: float, y: float, place: int | None, name: str | None = None) -> Markup:
    title = [] if name is None else [tag("title", name)]
    if place is None:
        cross = f"M{x - 6:.1f} {y:.1f}h12M{x:.1f} {y - 6:.1f}v12"
        return tag("path", *title, d=cross, fill="none", stroke="currentColor", stroke_width=2)
    color, shape, r = PALETTE[place % len(PALETTE)], SHAPES[place // len(PALETTE) % len(SHAPES)], 4.2
    paths = {
        "circle": f"M{x - r:.1f} {y:.1f}a{r} {r} 0 1 0 {2 * r} 0a{r} {r} 0 1 0 {-2 * r} 0z",
        "square": f"M{x - r:.1f} {y - r:.1f}h{2 * r}v{2 * r}h{-2 * r}z",
        "triangle": f"M{x:.1f} {y - r - 1:.1f}l{r + 1} {2 * r}h{-2 * r - 2}z",
        "diamond": f"M{x:.1f} {y - r - 1.5:.1f}l{r + 1} {r + 1.5}l{-r - 1} {r + 1.5}l{-r - 1} {-r - 1.5}z",
    }
    return tag("path", *title, d=paths[shape], fill=color, fill_opacity=0.75, stroke=color, class_="mark")


def _figure(parts: Sequence[Markup], size: tuple[int, int], description: str) -> Markup:
    return tag(
        "svg",
        tag("title", description),
        list(parts),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {size[0]} {size[1]}",
        width=size[0],
        height=size[1],
        role="img",
        class_="chart",
        font_family="system-ui, sans-serif",
    )


def _curve(axes: _Axes, line: Line) -> str:
    path, drawing = "", False
    for x, y in zip(line.x.tolist(), line.y.tolist(), strict=True):
        finite = y == y
        if finite:
            path += f"{'L' if drawing else 'M'}{axes.x(x):.1f} {axes.y(y):.1f}"
        drawing = finite
    return path


def _widen(limits: tuple[float, float]) -> tuple[float, float]:
    low, high = limits
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers between the two."""
    rough = (high - low) / about
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first = int(np.ceil(low / step - 1e-9))
    return [float(f"{place * step:.10g}") for place in range(first, int(np.floor(high / step + 1e-9)) + 1)]


def _text(content: str, x: float, y: float, size: float = 11.5, anchor: str = "middle", turn: bool = False) -> Markup:
    return tag(
        "text",
        content,
        x=x,
        y=y,
        fill="currentColor",
        font_size=size,
        text_anchor=anchor,
        transform=f"rotate(-90 {x:g} {y:g})" if turn else None,
    )
