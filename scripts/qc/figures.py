"""Figures made of slices of one comparison."""

from collections.abc import Callable, Sequence

import numpy as np

from .colors import diverging, gray, sequential
from .comparison import Comparison
from .markup import Markup
from .outline import outline
from .planes import PLANES, Plane, fullest
from .sheet import Cell, Row, draw_sheet

LABELS = {"t1w": "T1w", "t2w": "T2w", "pd": "PDw", "flair": "FLAIR"}
IMPUTED_COLOR = "#ffd24a"
BRAIN_COLOR, WHITE_MATTER_COLOR = "#ffd24a", "#4fc3f7"

Draw = Callable[[Plane, int], Cell]


def overview(comparison: Comparison, difference_range: float) -> Markup:
    """Sources, target, harmonized image and what changed, in the middle slices of the three planes."""
    columns: list[tuple[str, Draw]] = [
        (f"source {LABELS[name]}", _plain(volume)) for name, volume in comparison.sources.items()
    ]
    if comparison.target is not None:
        columns.append((f"target {LABELS[comparison.contrast]}", _plain(comparison.target)))
    columns.append((f"harmonized {LABELS[comparison.contrast]}", _outlined(comparison)))
    if comparison.before is not None:
        columns.append(("difference", _difference(comparison, difference_range)))
    middle = {plane.name: comparison.harmonized.shape[plane.axis] // 2 for plane in PLANES}
    description = f"{comparison.contrast}: all images in three planes"
    return draw_sheet([title for title, _ in columns], _rows(comparison, [d for _, d in columns], middle), description)


def levels(comparison: Comparison, difference_range: float, count: int = 7) -> Markup:
    """Axial slices from bottom to top: before, after and what changed."""
    plane, size = PLANES[0], comparison.harmonized.shape[2]
    places = np.linspace(0, size, count + 2).round().astype(int)[1:-1].tolist()
    lines: list[tuple[str, Draw]] = [("harmonized", _outlined(comparison))]
    if comparison.before is not None:
        lines = [
            ("source", _plain(comparison.before)),
            *lines,
            ("difference", _difference(comparison, difference_range)),
        ]
    rows = [Row(label, [draw(plane, place) for place in places]) for label, draw in lines]
    titles = [_title(comparison, plane, place) for place in places]
    return draw_sheet(titles, rows, f"{comparison.contrast}: axial slices")


def imputed(comparison: Comparison) -> Markup | None:
    """The harmonized image where most of it was made up from other sources, outlined."""
    mask = comparison.imputed
    if mask is None or not mask.any():
        return None
    return _turned(comparison, _outlined(comparison), {p.name: fullest(mask, p) for p in PLANES}, "imputed region")


def uncertainty(comparison: Comparison) -> Markup | None:
    """How much the planes disagree, in the middle slices; white is `uncertainty_top`."""
    if comparison.uncertainty is None:
        return None
    return _turned(comparison, _colored(comparison.uncertainty / uncertainty_top(comparison)), {}, "uncertainty")


def uncertainty_top(comparison: Comparison) -> float:
    """The 99th percentile of the uncertainty, the lightest color of its map."""
    values = comparison.uncertainty
    return float(np.percentile(values[comparison.inside], 99)) or 1.0 if values is not None else 1.0


def attention(comparison: Comparison) -> Markup | None:
    """Where each source was looked at, in the middle slices."""
    if not comparison.attention:
        return None
    draws = {LABELS[name]: _colored(volume) for name, volume in comparison.attention.items()}
    return _side_by_side(comparison, draws, f"{comparison.contrast}: attention", widest=200)


def registration(comparison: Comparison, brain: np.ndarray, white_matter: np.ndarray) -> Markup:
    """Every source under the outlines of two maps (X, Y, Z) of the working grid, in the middle slices."""
    maps = [(brain, BRAIN_COLOR), (white_matter, WHITE_MATTER_COLOR)]
    lines = [(comparison.box.cut(volume), 0.5, color) for volume, color in maps]
    draws = {LABELS[name]: _with_lines(volume, lines) for name, volume in comparison.sources.items()}
    return _side_by_side(comparison, draws, f"{comparison.contrast}: registration")


def thumbnail(comparison: Comparison) -> np.ndarray:
    """Pixels (H, W): before over after, the middle slices of the three planes side by side, every second voxel."""
    volumes = [comparison.harmonized] if comparison.before is None else [comparison.before, comparison.harmonized]
    return np.concatenate([_strip(volume) for volume in volumes])


def _strip(volume: np.ndarray) -> np.ndarray:
    cuts = [gray(plane.cut(volume, volume.shape[plane.axis] // 2))[::2, ::2] for plane in PLANES]
    height = max(cut.shape[0] for cut in cuts)
    return np.concatenate([_pad_to(cut, height) for cut in cuts], axis=1)


def _pad_to(cut: np.ndarray, height: int) -> np.ndarray:
    above = (height - cut.shape[0]) // 2
    return np.pad(cut, ((above, height - cut.shape[0] - above), (0, 0)))


def _rows(comparison: Comparison, draws: Sequence[Draw], places: dict[str, int]) -> list[Row]:
    """A row for each plane, a column for each of `draws`."""
    rows = []
    for plane in PLANES:
        label = _title(comparison, plane, places[plane.name])
        rows.append(Row(label, [draw(plane, places[plane.name]) for draw in draws]))
    return rows


def _turned(comparison: Comparison, draw: Draw, places: dict[str, int], what: str) -> Markup:
    """The planes side by side, beside each the harmonized image as it is."""
    plain, titles, cells = _plain(comparison.harmonized), [], []
    for plane in PLANES:
        place = places.get(plane.name, comparison.harmonized.shape[plane.axis] // 2)
        titles += [_title(comparison, plane, place), what]
        cells += [plain(plane, place), draw(plane, place)]
    return draw_sheet(titles, [Row("", _of_one_height(cells))], f"{comparison.contrast}: {what}")


def _side_by_side(comparison: Comparison, draws: dict[str, Draw], description: str, widest: int = 300) -> Markup:
    """A row for each of `draws`, the middle slices of the planes beside each other."""
    places = {plane: comparison.harmonized.shape[plane.axis] // 2 for plane in PLANES}
    rows = [Row(name, _of_one_height([draw(*place) for place in places.items()])) for name, draw in draws.items()]
    return draw_sheet([_title(comparison, *place) for place in places.items()], rows, description, widest)


def _title(comparison: Comparison, plane: Plane, place: int) -> str:
    return f"{plane.letter} = {comparison.box.millimeters(plane, place)}"


def _of_one_height(cells: Sequence[Cell]) -> list[Cell]:
    """The same, black around what is lower or narrower than the others."""
    height, width = (max(cell.pixels.shape[axis] for cell in cells) for axis in (0, 1))
    return [_framed(cell, height, width) for cell in cells]


def _framed(cell: Cell, height: int, width: int) -> Cell:
    above, left = (height - cell.pixels.shape[0]) // 2, (width - cell.pixels.shape[1]) // 2
    around = [(above, height - cell.pixels.shape[0] - above), (left, width - cell.pixels.shape[1] - left)]
    pixels = np.pad(cell.pixels, [*around, *[(0, 0)] * (cell.pixels.ndim - 2)])
    return Cell(pixels, cell.outlines, cell.edges, (left, above))


def _plain(volume: np.ndarray) -> Draw:
    return lambda plane, place: Cell(gray(plane.cut(volume, place)), edges=plane.edges)


def _colored(volume: np.ndarray) -> Draw:
    return lambda plane, place: Cell(sequential(plane.cut(volume, place)))


def _outlined(comparison: Comparison) -> Draw:
    """The harmonized image; around what is imputed runs a line."""
    if comparison.imputed is None:
        return _plain(comparison.harmonized)
    # Smoothed, this leaves out single voxels.
    return _with_lines(comparison.harmonized, [(comparison.imputed.astype(np.float32), 0.5, IMPUTED_COLOR)])


def _difference(comparison: Comparison, difference_range: float) -> Draw:
    before = comparison.harmonized if comparison.before is None else comparison.before
    change = (comparison.harmonized - before) * comparison.inside / difference_range
    return lambda plane, place: Cell(diverging(plane.cut(change, place)))


def _with_lines(volume: np.ndarray, lines: Sequence[tuple[np.ndarray, float, str]]) -> Draw:
    """The volume under lines where others pass a level, each in its color."""

    def draw(plane: Plane, place: int) -> Cell:
        paths = [(outline(_smooth(plane.cut(other, place)) > level), color) for other, level, color in lines]
        return Cell(gray(plane.cut(volume, place)), paths, plane.edges)

    return draw


def _smooth(picture: np.ndarray, times: int = 2) -> np.ndarray:
    """Each pixel's mean with its neighbors, so that outlines do not follow the noise."""
    for _ in range(times):
        for axis in (0, 1):
            ends = np.pad(picture, [(1, 1) if axis == own else (0, 0) for own in (0, 1)], mode="edge")
            size = picture.shape[axis]
            picture = np.mean([ends.take(range(step, step + size), axis) for step in range(3)], axis=0)
    return picture
