"""Table of region measures: stability over scanners as in HACA3+ Tables 3 and 4, ICC, and agreement with the truth."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..base.markdown_table import format_mean, markdown_table, mean_and_sd
from ..metrics.mixed_model import intraclass_correlation
from ..metrics.statistics import benjamini_hochberg, paired_wilcoxon
from ..metrics.volumes import anatomy_preservation, coefficient_of_variation
from .measurements import RESCAN, TRUTH, UNHARMONIZED, Measurement

_Values = dict[tuple[str, str], float]  # one value per subject and session
_Table = Mapping[tuple[str, str], _Values]  # per method and region


@dataclass(frozen=True)
class RegionRow:
    """Measures of one region by one method; NaN where one is not defined.

    Both CV are per subject over visits, then mean and sd over subjects. Dice is with the method's own initial scan, so
    that scan has none; the CV of volume and the ICC include it. The ICC is of the region's share of the total volume,
    as in HACA3. The p-value is of Dice against unharmonized, corrected by Benjamini-Hochberg over all regions and
    methods. In the rescan row, scan and rescan of one visit take the place of the visits; its CV of volume is averaged
    over visits.
    """

    method: str
    region: str
    n_subjects: int
    dice_mean: float
    dice_sd: float
    dice_cv_mean: float
    dice_cv_sd: float
    volume_cv_mean: float
    volume_cv_sd: float
    icc: float
    preservation_mean: float
    preservation_sd: float
    dice_p: float = math.nan
    dice_p_benjamini_hochberg: float = math.nan


def region_table(measurements: Iterable[Measurement], ddof: int) -> list[RegionRow]:
    """One row per method and region in order of appearance, the rescan last; `ddof` is that of the CV."""
    tables: dict[str, dict[tuple[str, str], _Values]] = defaultdict(lambda: defaultdict(dict))
    for m in measurements:
        tables[m.measure][m.method, m.region][m.subject, m.session] = m.value
    shares = _shares(tables["volume"])
    rows = [_row(method, region, tables, shares, ddof) for method, region in tables["volume"]]
    rows.sort(key=lambda row: row.method == RESCAN)
    return _add_tests(rows, tables["dice"])


def _row(method: str, region: str, tables: Mapping[str, _Table], shares: _Table, ddof: int) -> RegionRow:
    volumes, dice = tables["volume"], tables["dice"].get((method, region), {})
    truth = {subject: volume for (subject, _), volume in tables["true_volume"].get((TRUTH, region), {}).items()}
    preserved = [
        anatomy_preservation(volume, truth[subject])
        for (subject, _), volume in volumes[method, region].items()
        if subject in truth
    ]
    dice_cv = [coefficient_of_variation(values, ddof) for values in _by_subject(dice).values()]
    series = _scan_series(volumes, method, region)
    volume_cv = [
        mean_and_sd(coefficient_of_variation(scans, ddof) for scans in visits)[0] for visits in series.values()
    ]
    return RegionRow(
        method,
        region,
        len(series),
        *mean_and_sd(dice.values()),
        *mean_and_sd(dice_cv),
        *mean_and_sd(volume_cv),
        _icc({subject: visits[0] for subject, visits in _scan_series(shares, method, region).items()}),
        *mean_and_sd(preserved),
    )


def _scan_series(table: _Table, method: str, region: str) -> dict[str, list[list[float]]]:
    """Values that would be equal if scanning were perfect: all visits of a subject, for a rescan each visit's two."""
    values = table[method, region]
    if method != RESCAN:
        return {subject: [scans] for subject, scans in _by_subject(values).items()}
    first = table[UNHARMONIZED, region]
    series: dict[str, list[list[float]]] = defaultdict(list)
    for (subject, session), value in values.items():
        series[subject].append([first[subject, session], value])
    return series


def _by_subject(values: _Values) -> dict[str, list[float]]:
    groups: dict[str, list[float]] = defaultdict(list)
    for (subject, _), value in values.items():
        groups[subject].append(value)
    return groups


def _shares(volumes: _Table) -> _Table:
    """Each region's share of the volume of all regions, per scan; NaN where a scan has none at all."""
    totals: dict[tuple[str, tuple[str, str]], float] = defaultdict(float)
    for (method, _), values in volumes.items():
        for scan, value in values.items():
            totals[method, scan] += value
    return {
        (method, region): {s: v / totals[method, s] if totals[method, s] else math.nan for s, v in values.items()}
        for (method, region), values in volumes.items()
    }


def _icc(scans: Mapping[str, Sequence[float]]) -> float:
    values = [value for subject in scans for value in scans[subject]]
    subjects = [subject for subject in scans for _ in scans[subject]]
    if len(scans) < 2 or any(math.isnan(value) for value in values):
        return math.nan
    return intraclass_correlation(values, subjects)


def _add_tests(rows: list[RegionRow], dice: _Table) -> list[RegionRow]:
    tested = [row for row in rows if row.method not in (UNHARMONIZED, RESCAN) and (row.method, row.region) in dice]
    p_values = []
    for row in tested:
        own, baseline = dice[row.method, row.region], dice[UNHARMONIZED, row.region]
        p_values.append(paired_wilcoxon(list(own.values()), [baseline[scan] for scan in own]))
    corrected = dict(zip(tested, zip(p_values, benjamini_hochberg(p_values), strict=True), strict=True))
    return [
        replace(row, dice_p=corrected[row][0], dice_p_benjamini_hochberg=float(corrected[row][1]))
        if row in corrected
        else row
        for row in rows
    ]


def region_markdown(rows: Sequence[RegionRow], significance: float) -> str:
    """A table per measure, with a row per region and a column per method; a star marks a p below `significance`."""
    methods = list(dict.fromkeys(row.method for row in rows))
    regions = list(dict.fromkeys(row.region for row in rows))
    found = {(row.method, row.region): row for row in rows}
    sections = []
    for title, mean, sd in _SECTIONS:
        lines = []
        for region in regions:
            cells = [found[method, region] for method in methods]
            marks = ["\\*" if mean == "dice_mean" and c.dice_p_benjamini_hochberg < significance else "" for c in cells]
            pairs = [(getattr(cell, mean), getattr(cell, sd) if sd else math.nan) for cell in cells]
            texts = [format_mean(*pair, decimals=4, mark=mark) for pair, mark in zip(pairs, marks, strict=True)]
            lines.append([region, *texts])
        average = [mean_and_sd(getattr(found[method, region], mean) for region in regions)[0] for method in methods]
        lines.append(["mean of regions", *(format_mean(value, decimals=4) for value in average)])
        sections.append(f"### {title}\n\n" + markdown_table(["region", *methods], lines))
    note = (
        "CV, Dice and anatomy preservation: mean ± sd, of CV over subjects, otherwise over scans.\n"
        f"\\* differs from unharmonized: paired Wilcoxon test, Benjamini-Hochberg-corrected p < {significance:g}.\n"
    )
    return "\n".join([*sections, note])


_SECTIONS = (
    ("CV of Dice ↓", "dice_cv_mean", "dice_cv_sd"),
    ("CV of volume ↓", "volume_cv_mean", "volume_cv_sd"),
    ("Dice with the initial scan ↑", "dice_mean", "dice_sd"),
    ("ICC ↑", "icc", None),
    ("Anatomy preservation 1 - |dV| / V against the truth ↑", "preservation_mean", "preservation_sd"),
)
