"""Table of image measures: every method and contrast, tested against the unharmonized images."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..base.markdown_table import format_mean, markdown_table, mean_and_sd
from ..metrics.statistics import benjamini_hochberg, bonferroni, paired_wilcoxon
from .measurements import RESCAN, UNHARMONIZED, Measurement


@dataclass(frozen=True)
class ImageRow:
    """Mean and sd of one measure over images; p-values are of a paired Wilcoxon test against the unharmonized images.

    Both corrections are over all methods and contrasts of the measure. NaN stands where there is no test.
    """

    method: str
    contrast: str
    measure: str
    n: int
    mean: float
    sd: float
    p: float = math.nan
    p_bonferroni: float = math.nan
    p_benjamini_hochberg: float = math.nan


def image_table(measurements: Iterable[Measurement]) -> list[ImageRow]:
    """One row per measure, contrast and method; those of one measure follow each other."""
    groups: dict[str, dict[tuple[str, str], dict[tuple[str, str], float]]] = defaultdict(lambda: defaultdict(dict))
    for m in measurements:
        groups[m.measure][m.contrast, m.method][m.subject, m.session] = m.value
    return [row for measure, cells in groups.items() for row in _rows_of_measure(measure, cells)]


def _rows_of_measure(measure: str, cells: dict[tuple[str, str], dict[tuple[str, str], float]]) -> list[ImageRow]:
    p_values = {}
    for (contrast, method), values in cells.items():
        if method not in (UNHARMONIZED, RESCAN):
            baseline = cells[contrast, UNHARMONIZED]
            p_values[contrast, method] = paired_wilcoxon(list(values.values()), [baseline[visit] for visit in values])
    tests = list(p_values.values())
    corrected = dict(zip(p_values, zip(tests, bonferroni(tests), benjamini_hochberg(tests), strict=True), strict=True))
    rows = []
    for (contrast, method), values in cells.items():
        row = ImageRow(method, contrast, measure, len(values), *mean_and_sd(values.values()))
        p, p_bonferroni, p_bh = (float(p) for p in corrected.get((contrast, method), (math.nan,) * 3))
        rows.append(replace(row, p=p, p_bonferroni=p_bonferroni, p_benjamini_hochberg=p_bh))
    return rows


def image_markdown(rows: Sequence[ImageRow], columns: Mapping[str, str], significance: float, truth: str) -> str:
    """A table per contrast; `columns` maps measures to headings, a star marks a corrected p below `significance`.

    `truth` says in words what images were compared with.
    """
    found = {(row.contrast, row.method, row.measure): row for row in rows}
    sections = []
    for contrast in dict.fromkeys(row.contrast for row in rows):
        lines = []
        for method in dict.fromkeys(row.method for row in rows if row.contrast == contrast):
            cells = [found.get((contrast, method, measure)) for measure in columns]
            n = max((cell.n for cell in cells if cell), default=0)
            lines.append([method, str(n), *(_format_cell(cell, significance) for cell in cells)])
        sections.append(f"### {contrast}\n\n" + markdown_table(["method", "n", *columns.values()], lines))
    note = (
        f"Mean ± sd over images, each compared with {truth} (rescan: with the same visit's scan).\n"
        f"\\* differs from unharmonized: paired Wilcoxon test, Bonferroni-corrected p < {significance:g}.\n"
    )
    return "\n".join([*sections, note])


def _format_cell(row: ImageRow | None, significance: float) -> str:
    if row is None:
        return format_mean(math.nan)
    return format_mean(row.mean, row.sd, mark="\\*" if row.p_bonferroni < significance else "")
