"""Table of harm: how many images a method leaves farther from the truth than they were."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..base.markdown_table import markdown_table
from .measurements import RESCAN, UNHARMONIZED, Measurement

HARM = ("psnr", "ssim")
"""The measures that are asked, higher being better."""


@dataclass(frozen=True)
class HarmRow:
    """Of `n` images, `worse` have less of the measure than the unharmonized image of the same visit."""

    method: str
    contrast: str
    measure: str
    n: int
    worse: int


def harm_table(measurements: Iterable[Measurement]) -> list[HarmRow]:
    """A row for each measure, contrast and method."""
    values: dict[tuple[str, str, str], dict[tuple[str, str], float]] = {}
    for m in measurements:
        if m.measure in HARM and m.method != RESCAN:
            values.setdefault((m.measure, m.contrast, m.method), {})[m.subject, m.session] = m.value
    rows = []
    for (measure, contrast, method), found in values.items():
        before = values[measure, contrast, UNHARMONIZED]
        if method != UNHARMONIZED:
            worse = sum(value < before[visit] for visit, value in found.items())
            rows.append(HarmRow(method, contrast, measure, len(found), worse))
    return rows


def harm_markdown(rows: Sequence[HarmRow]) -> str:
    """A line for each method, with the contrasts and all of them together, and each measure."""
    contrasts = list(dict.fromkeys(row.contrast for row in rows))
    measures = list(dict.fromkeys(row.measure for row in rows))
    lines = []
    for method in dict.fromkeys(row.method for row in rows):
        cells = [method]
        for measure in measures:
            mine = [row for row in rows if (row.method, row.measure) == (method, measure)]
            counts = {row.contrast: (row.worse, row.n) for row in mine}
            counts["all"] = (sum(row.worse for row in mine), sum(row.n for row in mine))
            # Said once where there is one contrast.
            for contrast in [*contrasts, "all"] if len(contrasts) > 1 else contrasts:
                cells.append("{} of {}".format(*counts[contrast]) if contrast in counts else "–")
        lines.append(cells)
    names = [*contrasts, "all"] if len(contrasts) > 1 else contrasts
    heads = [f"{name}: {measure.upper()}" for measure in measures for name in names]
    note = "Images that are farther from the truth than their own source was, by each measure; fewer is better.\n"
    return markdown_table(["method", *heads], lines, 1) + "\n" + note
