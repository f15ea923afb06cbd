"""A figure made of pictures in rows and columns, on black, as an SVG that holds the pictures itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .markup import Markup, tag
from .png import png_uri

# All in units of the figure, which a page shows at about its own size.
_WIDTH = 1072
_GAP, _TITLE, _ROW_LABEL = 4, 22, 18
_INK, _FAINT = "#e8e8e8", "#a0a0a0"


@dataclass(frozen=True)
class Cell:
    """One picture (H, W) or (H, W, 3); `outlines` are paths and their colors, `edges` letters at its four sides.

    `shift` is where in the picture the outlines begin, to the right and down.
    """

    pixels: np.ndarray
    outlines: Sequence[tuple[str, str]] = ()
    edges: str = ""
    shift: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Row:
    """Pictures of one size, a column each."""

    label: str
    cells: Sequence[Cell]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of its pictures."""
        height, width = self.cells[0].pixels.shape[:2]
        return height, width


def draw_sheet(titles: Sequence[str], rows: Sequence[Row], description: str, widest: int = 300) -> Markup:
    """The figure, every picture at one scale, by which the widest fills its column, which has a `widest` width."""
    column = min((_WIDTH - _ROW_LABEL) / len(titles), widest)
    scale = (column - _GAP) / max(row.size[1] for row in rows)
    width = round(_ROW_LABEL + column * len(titles))
    parts = [
        _text(title, _ROW_LABEL + (place + 0.5) * column, _TITLE - 7, _INK, 12) for place, title in enumerate(titles)
    ]
    top = float(_TITLE)
    for row in rows:
        height = row.size[0] * scale
        parts.append(_text(row.label, 12, top + height / 2, _FAINT, 11, turn=True))
        indent = _ROW_LABEL + (column - row.size[1] * scale) / 2
        parts += [_draw_cell(cell, indent + place * column, top, scale) for place, cell in enumerate(row.cells)]
        top += height + _GAP
    return tag(
        "svg",
        tag("title", description),
        tag("rect", width=width, height=round(top), fill="#000"),
        parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {round(top)}",
        width=width,
        height=round(top),
        role="img",
        class_="sheet",
        font_family="system-ui, sans-serif",
    )


def _draw_cell(cell: Cell, left: float, top: float, scale: float) -> Markup:
    rows, columns = cell.pixels.shape[:2]
    paths = [
        tag("path", d=path, fill="none", stroke=color, stroke_width=f"{1 / scale:.2f}", stroke_linecap="square")
        for path, color in cell.outlines
        if path
    ]
    image = tag("image", href=png_uri(cell.pixels), width=columns, height=rows)
    height, width = rows * scale, columns * scale
    places = ((7, height / 2 + 3), (width - 7, height / 2 + 3), (width / 2, 10), (width / 2, height - 4))
    letters = [_text(letter, x, y, _FAINT, 9) for letter, (x, y) in zip(cell.edges, places, strict=False)]
    lines = tag("g", paths, transform=f"translate({cell.shift[0]} {cell.shift[1]})") if paths else None
    picture = tag("g", image, lines, transform=f"scale({scale:.4g})")
    return tag("g", picture, letters, transform=f"translate({left:.1f} {top:.1f})")


def _text(content: str, x: float, y: float, color: str, size: float, turn: bool = False) -> Markup:
    turned = f"rotate(-90 {x:g} {y:g})" if turn else None
    return tag("text", content, x=x, y=y, fill=color, font_size=size, text_anchor="middle", transform=turned)
