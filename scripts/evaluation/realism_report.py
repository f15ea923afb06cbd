"""Simulated beside real images: each number's difference, and whether it is small."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from matplotlib.figure import Figure

from ..base.markdown_table import markdown_table

REAL, PHANTOM = "real", "phantom"
UNHARMONIZED, MATCHED, RESCAN = "unharmonized", "histogram matched", "rescan"
# Of a phantom, the mean distance to the real people; of real people, between them. Small is always good.
HISTOGRAM_DISTANCE = "histogram_distance"


@dataclass(frozen=True)
class Number:
    """One number of one person, `source` being `real` or `phantom`."""

    study: str
    contrast: str
    measure: str
    source: str
    person: str
    value: float


@dataclass(frozen=True)
class Comparison:
    """One measure of a contrast in a study: real people beside phantoms.

    `difference` is relative to the mean of the real people. `within_mean` says whether it is at most the tolerance;
    `within_range` whether the phantoms' mean is in the range of the real people, widened by the tolerance.
    """

    study: str
    contrast: str
    measure: str
    real_mean: float
    real_low: float
    real_high: float
    phantom_mean: float
    difference: float
    within_mean: bool
    within_range: bool


def compare(numbers: Iterable[Number], tolerance: float) -> list[Comparison]:
    """Compare the means of phantoms with those of real people; a histogram distance is never too small."""
    groups: dict[tuple[str, str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number in numbers:
        groups[number.study, number.contrast, number.measure][number.source].append(number.value)
    rows = []
    for key, values in groups.items():
        real, phantom = values[REAL], float(np.mean(values[PHANTOM]))
        mean = float(np.mean(real))
        difference = phantom / mean - 1
        small_enough = key[2] == HISTOGRAM_DISTANCE
        within_mean = difference <= tolerance and (small_enough or difference >= -tolerance)
        above = small_enough or phantom >= min(real) * (1 - tolerance)
        within_range = above and phantom <= max(real) * (1 + tolerance)
        rows.append(Comparison(*key, mean, min(real), max(real), phantom, difference, within_mean, within_range))
    return rows


def comparison_markdown(rows: Sequence[Comparison], labels: Mapping[str, str], tolerance: float) -> str:
    """A table per study and contrast, and how many rows are within the tolerance; `labels` name studies."""
    sections = []
    for study, contrast in dict.fromkeys((row.study, row.contrast) for row in rows):
        chosen = [row for row in rows if (row.study, row.contrast) == (study, contrast)]
        lines = [
            [
                row.measure.replace("_", " "),
                f"{row.real_mean:.3g}",
                f"{row.real_low:.3g} to {row.real_high:.3g}",
                f"{row.phantom_mean:.3g}",
                f"{row.difference:+.0%}",
                _yes(row.within_mean),
                _yes(row.within_range),
            ]
            for row in chosen
        ]
        heads = ["measure", "real", "real range", "phantom", "difference", "of mean", "of range"]
        sections.append(f"### {labels.get(study, study)}, {contrast}\n\n" + markdown_table(heads, lines))
    of_mean, of_range = sum(row.within_mean for row in rows), sum(row.within_range for row in rows)
    note = (
        f"Of {len(rows)} numbers, {of_mean} are within {tolerance:.0%} of the mean of the real people and {of_range} "
        f"within their range widened by {tolerance:.0%}. The histogram distance is that between two real people "
        "beside that between a phantom and a real one, and may be smaller.\n"
    )
    return "\n".join([*sections, note])


@dataclass(frozen=True)
class PairNumber:
    """Likeness of a phantom's image by `scanner` to that by the first: unharmonized, matched, or a rescan there."""

    contrast: str
    kind: str
    scanner: str
    psnr: float
    ssim: float


def pair_markdown(rows: Sequence[PairNumber], real_pairs: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Mean and range over scanners by contrast and kind of pair, above the values of real pairs.

    The gain is what histogram matching adds to the mean PSNR.
    """
    lines = []
    for contrast in dict.fromkeys(row.contrast for row in rows):
        psnr, ssim = (_by_kind(rows, contrast, name) for name in ("psnr", "ssim"))
        for kind, values in psnr.items():
            gain = f"{fmean(values) - fmean(psnr[UNHARMONIZED]):+.1f}" if kind == MATCHED else ""
            lines.append([f"{contrast}, {kind}", str(len(values)), _spread(values, 1), gain, _spread(ssim[kind], 2)])
        if contrast in real_pairs:
            real = real_pairs[contrast]
            gain = f"below {real['gain'][0]:+.1f}" if "gain" in real else ""
            label, n = f"{contrast}, real people", str(len(real["psnr"]))
            lines.append([label, n, _spread(real["psnr"], 1), gain, _spread(real["ssim"], 2)])
    heads = ["pairs", "n", "PSNR (dB)", "gain (dB)", "SSIM"]
    return "### One phantom on several scanners\n\n" + markdown_table(heads, lines)


def draw_planes(images: Mapping[str, np.ndarray], path: Path, dpi: int) -> None:
    """Middle axial, coronal and sagittal planes (rows) of each contrast (columns) of one person."""
    figure = Figure(figsize=(2.6 * len(images), 7.6), layout="constrained", facecolor="black")
    panels = figure.subplots(3, len(images), squeeze=False)
    for column, (contrast, image) in enumerate(images.items()):
        panels[0, column].set_title(contrast, color="white")
        peak = 1.25 * np.percentile(image[image > 0], 95)
        for panel, axis in zip(panels[:, column], (2, 1, 0), strict=True):
            used = np.flatnonzero(image.any(axis=tuple(other for other in range(3) if other != axis)))
            plane = image.take((used[0] + used[-1]) // 2, axis=axis)
            panel.imshow(plane.T, origin="lower", cmap="gray", vmin=0, vmax=peak)
            panel.axis("off")
    figure.savefig(path, dpi=dpi)


def _by_kind(rows: Iterable[PairNumber], contrast: str, name: str) -> dict[str, list[float]]:
    values: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row.contrast == contrast:
            values[row.kind].append(getattr(row, name))
    return values


def _yes(value: bool) -> str:
    return "yes" if value else "**no**"


def _spread(values: Sequence[float], decimals: int) -> str:
    mean = f"{fmean(values):.{decimals}f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.{decimals}f} to {max(values):.{decimals}f})"
