"""The figures of one image's report, as data that the template draws: slices in rows and columns, and charts.

Each function of `FIGURES` takes an `ImageReport`, and gives None where there is nothing to show.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..base.contrasts import BIDS_SUFFIX, CONTRASTS
from ..images.grid import GRID_AFFINE
from .charts import AFTER, BEFORE, PALETTE, TARGET, Chart, Line, line_chart
from .comparison import Comparison
from .image_report import ImageReport
from .slices import PLANES, Cell, Plane, diverging, gray, outline, sequential

IMPUTED_COLOR = "#ffd24a"
BRAIN_COLOR, WHITE_MATTER_COLOR = "#ffd24a", "#4fc3f7"

Draw = Callable[[Plane, int], Cell]


@dataclass(frozen=True)
class Sheet:
    """Pictures in rows and columns on black, all at one scale, by which the widest fills its column.

    A row has a label and pictures of one size, a column each.
    """

    kind: ClassVar[str] = "sheet"
    left: ClassVar[int] = 18
    titles: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]
    description: str
    widest: int = 300

    @property
    def column(self) -> float:
        """The width of a column, of a sheet that a page shows at about its own size."""
        return min((1072 - self.left) / len(self.titles), self.widest)

    @property
    def scale(self) -> float:
        """The size of a pixel."""
        return (self.column - 4) / max(cells[0].pixels.shape[1] for _, cells in self.rows)

    @property
    def tops(self) -> Sequence[float]:
        """Where every row begins, and the last one ends."""
        heights = [cells[0].pixels.shape[0] * self.scale + 4 for _, cells in self.rows]
        return [22 + sum(heights[:place]) for place in range(len(heights) + 1)]

    @property
    def placed(self) -> Iterable[tuple[str, Sequence[Cell], float]]:
        """Label, pictures and top of every row."""
        return ((*row, top) for row, top in zip(self.rows, self.tops, strict=False))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole."""
        return round(self.left + self.column * len(self.titles)), round(self.tops[-1])


Picture = Sheet | Chart


def overview(image: ImageReport) -> Picture:
    """Sources, target, harmonized image and what changed, in the middle slices of the three planes."""
    comparison = image.comparison
    columns = {f"source {BIDS_SUFFIX[name]}": _plain(volume) for name, volume in comparison.sources.items()}
    if comparison.target is not None:
        columns[f"target {image.label}"] = _plain(comparison.target)
    columns[f"harmonized {image.label}"] = _outlined(comparison)
    if comparison.before is not None:
        columns["difference"] = _difference(image)
    places = [(plane, plane.middle(comparison.harmonized)) for plane in PLANES]
    rows = [(_title(comparison, *place), [draw(*place) for draw in columns.values()]) for place in places]
    return Sheet(list(columns), rows, f"{image.label}: all images in three planes")


def slices(image: ImageReport, count: int = 7) -> Picture:
    """Axial slices from bottom to top: before, after and what changed."""
    comparison, plane = image.comparison, PLANES[0]
    lines = {"harmonized": _outlined(comparison)}
    if comparison.before is not None:
        lines = {"source": _plain(comparison.before), **lines, "difference": _difference(image)}
    places = np.linspace(0, comparison.harmonized.shape[2], count + 2).round().astype(int)[1:-1].tolist()
    rows = [(label, [draw(plane, place) for place in places]) for label, draw in lines.items()]
    return Sheet([_title(comparison, plane, place) for place in places], rows, f"{image.label}: axial slices")


def histogram(image: ImageReport) -> Picture | None:
    """Intensities of the foreground before, after and of the target."""
    comparison, edges = image.comparison, np.linspace(0, 1.2, image.look.bins + 1)
    curves = [("source", BEFORE, comparison.before), ("harmonized", AFTER, comparison.harmonized)]
    lines = []
    for name, color, volume in [*curves, ("target", TARGET, comparison.target)]:
        if volume is not None and (values := volume[volume > 0]).size:
            share = np.histogram(values, edges)[0] / values.size * 100
            lines.append(Line(name, color, (edges[1:] + edges[:-1]) / 2, share))
    return line_chart(lines, ("brightness, 1 = white", "% of voxels"), f"{image.label}: histograms") if lines else None


def attention_by_slice(image: ImageReport) -> Picture | None:
    """The share of each source in every axial slice."""
    features = image.comparison.features
    if features is None:
        return None
    axial = np.array([orientation == "axial" for orientation in features.orientation])
    channel, share = features.channel.numpy(), features.share.numpy()
    height = features.index.numpy() * GRID_AFFINE[2, 2] + GRID_AFFINE[2, 3]
    lines = []
    for name in image.comparison.sources:
        rows = axial & (channel == CONTRASTS.index(name))
        lines.append(Line(BIDS_SUFFIX[name], source_color(image, name), height[rows], share[rows]))
    return line_chart(lines, ("z, mm", "share"), f"{image.label}: share of each source by slice", top=1.0)


def attention_maps(image: ImageReport) -> Picture | None:
    """The share of each source by place, in the middle slices."""
    volumes = image.comparison.attention
    draws = {BIDS_SUFFIX[name]: _colored(volume) for name, volume in volumes.items()}
    description = f"{image.label}: share of each source by place"
    return _side_by_side(image.comparison, draws, description, widest=200) if draws else None


def imputed(image: ImageReport) -> Picture | None:
    """The harmonized image where most of it was made up from other sources, outlined."""
    mask = image.comparison.imputed
    if mask is None or not mask.any():
        return None
    places = [(plane, plane.fullest(mask)) for plane in PLANES]
    return _beside_image(image, places, _outlined(image.comparison), "imputed region")


def uncertainty(image: ImageReport) -> Picture | None:
    """How much the planes disagree, in the middle slices."""
    values = image.comparison.uncertainty
    if values is None:
        return None
    places = [(plane, plane.middle(values)) for plane in PLANES]
    return _beside_image(image, places, _colored(values / uncertainty_top(image)), "uncertainty")


def registration(image: ImageReport) -> Picture:
    """Every source under the outlines of the template, in the middle slices."""
    # Read where registration was, so that what it needs is there.
    from ..images.mni152 import load_template

    comparison, template = image.comparison, load_template()
    maps = [(template.brain, BRAIN_COLOR), (template.white, WHITE_MATTER_COLOR)]
    lines = [(comparison.box.cut(volume), color) for volume, color in maps]
    draws = {BIDS_SUFFIX[name]: _with_lines(volume, lines) for name, volume in comparison.sources.items()}
    return _side_by_side(comparison, draws, f"{image.label}: registration", widest=240)


FIGURES: Mapping[str, Callable[[ImageReport], Picture | None]] = {
    "overview": overview,
    "slices": slices,
    "histogram": histogram,
    "attentionprofile": attention_by_slice,
    "attentionmaps": attention_maps,
    "imputed": imputed,
    "uncertainty": uncertainty,
    "registration": registration,
}


def uncertainty_top(image: ImageReport) -> float:
    """The 99th percentile of the uncertainty, the lightest color of its map."""
    comparison = image.comparison
    return (
        1.0
        if comparison.uncertainty is None
        else float(np.percentile(comparison.uncertainty[comparison.inside], 99)) or 1.0
    )


def source_color(image: ImageReport, name: str) -> str:
    """The color of a source in all charts of an image."""
    return PALETTE[list(image.comparison.sources).index(name)]


def thumbnail(comparison: Comparison) -> np.ndarray:
    """Pixels (H, W): before over after, the middle slices of the three planes side by side, every second voxel."""
    strips = []
    for volume in (comparison.before, comparison.harmonized):
        if volume is not None:
            cells = [Cell(gray(plane.cut(volume, plane.middle(volume)))[::2, ::2]) for plane in PLANES]
            height = max(cell.pixels.shape[0] for cell in cells)
            strips.append(np.concatenate([c.framed(height, c.pixels.shape[1]).pixels for c in cells], axis=1))
    return np.concatenate(strips)


def _beside_image(image: ImageReport, places: Sequence[tuple[Plane, int]], draw: Draw, what: str) -> Sheet:
    """The planes side by side, beside each the harmonized image as it is."""
    plain = _plain(image.comparison.harmonized)
    titles = [title for place in places for title in (_title(image.comparison, *place), what)]
    cells = [each(*place) for place in places for each in (plain, draw)]
    return Sheet(titles, [("", _of_one_size(cells))], f"{image.label}: {what}")


def _side_by_side(comparison: Comparison, draws: Mapping[str, Draw], description: str, widest: int = 300) -> Sheet:
    """A row for each of `draws`, the middle slices of the planes beside each other."""
    places = [(plane, plane.middle(comparison.harmonized)) for plane in PLANES]
    rows = [(name, _of_one_size([draw(*place) for place in places])) for name, draw in draws.items()]
    return Sheet([_title(comparison, *place) for place in places], rows, description, widest)


def _of_one_size(cells: Sequence[Cell]) -> list[Cell]:
    height, width = (max(cell.pixels.shape[axis] for cell in cells) for axis in (0, 1))
    return [cell.framed(height, width) for cell in cells]


def _title(comparison: Comparison, plane: Plane, place: int) -> str:
    return f"{plane.letter} = {comparison.box.millimeters(plane.axis, place)}"


def _plain(volume: np.ndarray) -> Draw:
    return lambda plane, place: Cell(gray(plane.cut(volume, place)), edges=plane.edges)


def _colored(volume: np.ndarray) -> Draw:
    return lambda plane, place: Cell(sequential(plane.cut(volume, place)))


def _outlined(comparison: Comparison) -> Draw:
    """The harmonized image; around what is imputed runs a line."""
    imputed = [] if comparison.imputed is None else [(comparison.imputed, IMPUTED_COLOR)]
    return _with_lines(comparison.harmonized, imputed)


def _difference(image: ImageReport) -> Draw:
    """The harmonized image less its source, where there is one."""
    comparison, before = image.comparison, image.comparison.before
    assert before is not None
    change = (comparison.harmonized - before) * comparison.inside / image.look.difference_range
    return lambda plane, place: Cell(diverging(plane.cut(change, place)))


def _with_lines(volume: np.ndarray, lines: Sequence[tuple[np.ndarray, str]]) -> Draw:
    """The volume under lines where others pass one half, each in its color."""

    def draw(plane: Plane, place: int) -> Cell:
        outlines = [(outline(plane.cut(other, place), 0.5), color) for other, color in lines]
        return Cell(gray(plane.cut(volume, place)), outlines, plane.edges)

    return draw
