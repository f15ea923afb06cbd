"""Tables of the experiment on the artifact score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..base.contrasts import CONTRASTS
from ..base.markdown_table import format_mean, markdown_table
from ..training.score_validation import CleanAuc, ScoreMetric, SeverityCorrelation


@dataclass(frozen=True)
class ScoreRow:
    """The scores of one slice, `clean` and `degraded` by an artifact, which is `ssim_loss` less like the clean one."""

    subject: str
    scanner: str
    site: str
    contrast: str
    orientation: str
    slice: int
    kind: str
    severity: float
    clean: float
    degraded: float
    ssim_loss: float


def artifact_score_markdown(rows: Sequence[ScoreRow], severe: float, usual: Mapping[str, float]) -> str:
    """What scores tell of artifacts, kind by kind, and what else they depend on.

    Where it is known what is `usual` for each contrast, also what scores less that tell.
    """
    versions = {"": rows}
    if usual:
        above = [replace(r, clean=r.clean - usual[r.contrast], degraded=r.degraded - usual[r.contrast]) for r in rows]
        versions[", above usual"] = above
    tables = _of_kinds(versions, severe) + "\n" + _of_factors(versions)
    if usual:
        known = ", ".join(f"{contrast} {usual[contrast]:.2f}" for contrast in CONTRASTS if contrast in usual)
        tables += f"Above usual: less what images of the contrast without artifacts have ({known}).\n"
    return tables


def eta_squared(values: Sequence[float], groups: Sequence[str]) -> float:
    """Share of the variance of `values` that lies between `groups`.

    Formula: sum over groups of n_g (mean_g - mean)^2 / sum over values of (x - mean)^2. Range: 0 to 1.
    """
    numbers, (_, members) = np.asarray(values, dtype=np.float64), np.unique(groups, return_inverse=True)
    means = np.bincount(members, weights=numbers) / np.bincount(members)
    return float(np.sum((means[members] - numbers.mean()) ** 2) / np.sum((numbers - numbers.mean()) ** 2))


def r_squared(values: Sequence[float], predictor: Sequence[float]) -> float:
    """Share of the variance of `values` that a linear model in `predictor` explains: their squared correlation."""
    return float(np.corrcoef(values, predictor)[0, 1] ** 2)


def _of_kinds(versions: Mapping[str, Sequence[ScoreRow]], severe: float) -> str:
    """By kind of artifact; each version of the rows, by the end of its columns' names, has the same slices."""
    rows = versions[""]
    lines = []
    for name in [*sorted({row.kind for row in rows}), "all"]:
        chosen = {end: [row for row in own if name in (row.kind, "all")] for end, own in versions.items()}
        clean = {end: [row.clean for row in own] for end, own in versions.items()}
        loss = [replace(row, degraded=row.ssim_loss) for row in chosen[""]]
        numbers = [
            _validate(SeverityCorrelation(), loss, clean[""]),
            *(_validate(SeverityCorrelation(), chosen[end], clean[end]) for end in versions),
            *(_validate(CleanAuc(severe), chosen[end], clean[end]) for end in versions),
        ]
        lines.append([name, str(len(loss)), *map(format_mean, numbers)])
    people, sites = len({row.subject for row in rows}), len({row.site for row in rows})
    note = (
        f"{len(rows)} slices of {people} people at {sites} sites, clean and with an artifact of uniform severity.\n"
        "Correlation: Spearman's, of severity and score; for all kinds the mean over kinds. That of the loss: of\n"
        "severity and 1 - SSIM to the clean slice, which the score does not know. AUC: how likely a slice with an\n"
        f"artifact of at least severity {severe:g} scores above a clean one.\n"
    )
    columns = [f"correlation{end} ↑" for end in versions] + [f"AUC, severity ≥ {severe:g}{end} ↑" for end in versions]
    return markdown_table(["artifact", "slices", "correlation of the loss of SSIM ↑", *columns], lines) + "\n" + note


def _validate(metric: ScoreMetric, rows: Sequence[ScoreRow], clean: Sequence[float]) -> float:
    """A number by which the encoder's training is judged too."""
    degraded, severity = ([getattr(row, name) for row in rows] for name in ("degraded", "severity"))
    scores = {"clean": torch.tensor(clean), "degraded": torch.tensor(degraded), "severity": torch.tensor(severity)}
    metric.update({**scores, "kind": [row.kind for row in rows]})
    return metric.compute()


def _of_factors(versions: Mapping[str, Sequence[ScoreRow]]) -> str:
    lines: dict[str, list[str]] = {"contrast": [], "site": [], "severity": []}
    for rows in versions.values():
        clean = [row.clean for row in rows]
        scores = [*clean, *(row.degraded for row in rows)]
        severity = [*(0.0 for _ in rows), *(row.severity for row in rows)]
        for factor in ("contrast", "site"):
            groups = [getattr(row, factor) for row in rows]
            shares = eta_squared(clean, groups), eta_squared(scores, groups * 2)
            lines[factor] += map(format_mean, shares)
        lines["severity"] += ["–", format_mean(r_squared(scores, severity))]
    note = (
        "Share of the variance of the scores: eta squared of contrast and of site, each alone; R squared of a linear\n"
        "model in severity, which is 0 for clean slices.\n"
    )
    columns = [f"{slices}{end}" for end in versions for slices in ("clean slices", "clean and degraded slices")]
    return markdown_table(["explained by", *columns], [[name, *cells] for name, cells in lines.items()]) + "\n" + note
