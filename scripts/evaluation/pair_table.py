"""Table of pairs of scanners, as in MISPEL's Tables 2 and 3 and Figs. 5 and 6: alike images, volumes and tissues."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..base.markdown_table import format_mean, markdown_table, mean_and_sd
from ..metrics.statistics import paired_t_test
from .measurements import UNHARMONIZED, PairMeasurement

# What is tabulated, whether more is better, decimals.
_SECTIONS = {
    "similarity": ("SSIM between scanners ↑", True, 3),
    "volume_difference": ("Mean absolute differences of volumes between scanners (ml) ↓", False, 2),
    "rmse": ("Root mean square of the differences of volumes (ml) ↓", False, 2),
    "dice": ("Dice of tissues between scanners ↑", True, 3),
}


@dataclass(frozen=True)
class PairRow:
    """One measure of one pair of scanners by one method, over subjects; `p` is of a paired t-test against unharmonized.

    `rmse` is the root mean square of the differences whose absolute values `volume_difference` averages.
    """

    method: str
    contrast: str
    measure: str
    tissue: str
    pair: str
    n_subjects: int
    mean: float
    sd: float = math.nan
    p: float = math.nan


_Values = Mapping[str, float]  # one value per subject
_Cell = tuple[str, str, str, str]  # contrast, measure, tissue, pair


def pair_table(measurements: Iterable[PairMeasurement]) -> list[PairRow]:
    """One row per measure, tissue, method and pair, in order of appearance; those of one measure follow each other."""
    values: dict[_Cell, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for m in measurements:
        values[m.contrast, m.measure, m.tissue, f"{m.first} – {m.second}"][m.method][m.subject] = m.value
    rows = [
        row
        for cell, methods in values.items()
        for method, own in methods.items()
        for row in _rows(cell, method, own, methods[UNHARMONIZED])
    ]
    order = list(_SECTIONS)
    return sorted(rows, key=lambda row: order.index(row.measure))


def _rows(cell: _Cell, method: str, own: _Values, plain: _Values) -> list[PairRow]:
    contrast, measure, tissue, pair = cell
    row = PairRow(method, contrast, measure, tissue, pair, len(own), math.nan)
    if measure != "difference":
        return [_filled(row, own, plain)]
    square = sum(value**2 for value in own.values()) / len(own)
    own, plain = ({subject: abs(value) for subject, value in each.items()} for each in (own, plain))
    return [
        replace(row, measure="rmse", mean=math.sqrt(square)),
        _filled(replace(row, measure="volume_difference"), own, plain),
    ]


def _filled(row: PairRow, own: _Values, plain: _Values) -> PairRow:
    """The row with mean and sd of a method's `own` values, tested against those of the unharmonized images."""
    mean, sd = mean_and_sd(own.values())
    if row.method == UNHARMONIZED:
        return replace(row, mean=mean, sd=sd)
    return replace(row, mean=mean, sd=sd, p=paired_t_test([*own.values()], [plain[subject] for subject in own]))


def pair_markdown(rows: Sequence[PairRow], significance: float) -> str:
    """Tables as the paper has them: a row per tissue and method, a column per pair; then what they come to."""
    sections = []
    for contrast in dict.fromkeys(row.contrast for row in rows):
        own = [row for row in rows if row.contrast == contrast]
        for measure, (title, most, decimals) in _SECTIONS.items():
            chosen = [row for row in own if row.measure == measure]
            if chosen:
                table = _markdown_of_measure(chosen, most, decimals, significance)
                sections.append(f"### {contrast}: {title}\n\n{table}")
        sections.append(f"### {contrast}: in sum\n\n{_markdown_of_sums(own)}")
    note = (
        f"Mean ± sd over subjects. Bold: the best of all methods. \\* differs from unharmonized: paired t-test, "
        f"p < {significance:g}.\n"
    )
    return "\n".join([*sections, note])


def _markdown_of_measure(rows: Sequence[PairRow], most: bool, decimals: int, significance: float) -> str:
    pairs = list(dict.fromkeys(row.pair for row in rows))
    cells = {(row.tissue, row.method, row.pair): row for row in rows}
    lines = []
    for tissue, method in dict.fromkeys((row.tissue, row.method) for row in rows):
        texts = []
        for pair in pairs:
            cell = cells[tissue, method, pair]
            text = format_mean(cell.mean, cell.sd, decimals, "\\*" if cell.p < significance else "")
            texts.append(f"**{text}**" if cell == _best(rows, tissue, pair, most) else text)
        mean = mean_and_sd(cells[tissue, method, pair].mean for pair in pairs)[0]
        lines.append([tissue or "–", method, *texts, format_mean(mean, decimals=decimals)])
    return markdown_table(["tissue", "method", *pairs, "mean of pairs"], lines)


def _best(rows: Sequence[PairRow], tissue: str, pair: str, most: bool) -> PairRow:
    candidates = [row for row in rows if (row.tissue, row.pair) == (tissue, pair)]
    return (max if most else min)(candidates, key=lambda row: row.mean)


def _markdown_of_sums(rows: Sequence[PairRow]) -> str:
    """How far each method comes from unharmonized, over all pairs, and how often its volumes differ the least."""
    means: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for row in rows:
        means[row.measure, row.tissue, row.method].append(row.mean)
    differences = [row for row in rows if row.measure == "volume_difference"]
    tissues = list(dict.fromkeys(row.tissue for row in differences))
    cells = list(dict.fromkeys((row.tissue, row.pair) for row in differences))
    best = [_best(differences, *cell, most=False).method for cell in cells]
    lines = []
    for method in dict.fromkeys(row.method for row in rows):
        gain = _mean(means["similarity", "", method]) - _mean(means["similarity", "", UNHARMONIZED])
        changes = [_change(means, tissue, method) for tissue in tissues]
        lines.append([method, f"{gain:+.3f}", *changes, f"{best.count(method)} of {len(cells)}"])
    heads = [f"volume difference {tissue}" for tissue in tissues]
    return markdown_table(["method", "SSIM", *heads, "smallest volume difference"], lines)


def _change(means: Mapping[tuple[str, str, str], Sequence[float]], tissue: str, method: str) -> str:
    plain, own = (_mean(means["volume_difference", tissue, name]) for name in (UNHARMONIZED, method))
    return f"{own / plain - 1:+.0%}" if plain > 0 else "–"


def _mean(values: Sequence[float]) -> float:
    return mean_and_sd(values)[0]
