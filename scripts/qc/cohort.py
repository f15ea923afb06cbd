"""A cohort's reports side by side: who stands out, and whether sites can still be told apart."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..base.errors import InputError
from .measures import MEASURES
from .summaries import Summary

# The standard deviation of normal data is that many median absolute deviations.
_SD_PER_MAD = 1.4826
# Of what all measures are, shares and scores around 1: images closer than that are alike.
_LEAST_SPREAD = 0.01


@dataclass(frozen=True)
class Standing:
    """A summary and how far it stands out for the worse: its largest robust z, and the measure that has it."""

    summary: Summary
    score: float | None
    measure: str


@dataclass(frozen=True)
class ProbeAccuracy:
    """Balanced accuracy of naming the site of unseen subjects, with its chance level, of one contrast."""

    contrast: str
    before: float
    after: float
    chance: float
    images: int
    sites: int


def rank(summaries: Sequence[Summary], least: int = 5) -> list[Standing]:
    """Outliers first, within the images of each contrast, of which there must be at least `least`."""
    standings = [
        _standing(summary, [s for s in summaries if s.contrast == summary.contrast], least) for summary in summaries
    ]
    return sorted(standings, key=lambda standing: -(standing.score or 0.0))


def _standing(summary: Summary, peers: Sequence[Summary], least: int) -> Standing:
    scores = {
        key: entry.worse * _robust_z(summary.values[key], values)
        for key, entry in MEASURES.items()
        if key in summary.values and len(values := [p.values[key] for p in peers if key in p.values]) >= least
    }
    if not scores:
        return Standing(summary, None, "")
    measure = max(scores, key=lambda key: scores[key])
    return Standing(summary, scores[measure], measure)


def _robust_z(value: float, values: Sequence[float]) -> float:
    """(x - median) / (1.4826 MAD), not divided by less than the least spread."""
    median = float(np.median(values))
    spread = _SD_PER_MAD * float(np.median(np.abs(np.subtract(values, median))))
    return (value - median) / max(spread, _LEAST_SPREAD)


def groups_of(summaries: Sequence[Summary]) -> Callable[[Summary], str]:
    """What colors an image: its site where more than one is known, else its scanner."""
    sites = {summary.site for summary in summaries if summary.site}
    return (
        (lambda summary: summary.site or "unknown") if len(sites) > 1 else (lambda s: s.scanner or s.site or "unknown")
    )


def probe_sites(summaries: Sequence[Summary], folds: int = 5) -> list[ProbeAccuracy] | str:
    """How well a classifier tells the sites apart, before and after; or, in words, why that is not known."""
    with_features = [summary for summary in summaries if summary.probe and summary.site]
    if not with_features:
        return (
            "Not measured: no sites are known (`InstitutionName` in the sources' sidecars), or"
            " requirements-evaluate.txt is not installed."
        )
    from ..metrics.site_probe import site_accuracy

    found = []
    for contrast in dict.fromkeys(summary.contrast for summary in with_features):
        chosen = [summary for summary in with_features if summary.contrast == contrast]
        labels = [s.site for s in chosen], [s.subject for s in chosen]
        try:
            before, after = (
                site_accuracy(np.array([s.probe[when] for s in chosen]), *labels, folds=folds)
                for when in ("before", "after")
            )
        except InputError:
            continue
        found.append(
            ProbeAccuracy(
                contrast,
                before.balanced_accuracy,
                after.balanced_accuracy,
                before.balanced_chance,
                before.n_images,
                before.n_sites,
            )
        )
    return found or "Not measured: it takes at least two sites that two subjects of one contrast visited."


def code_ranges(
    summaries: Sequence[Summary],
) -> tuple[Mapping[str, list[tuple[Summary, Sequence[float]]]], tuple[tuple[float, float], tuple[float, float]]] | None:
    """The contrast codes before and after, and the ranges that hold both and the targets; None where there are none."""
    points = {
        when: [(s, s.codes[when]["appearance"]) for s in summaries if when in s.codes]
        for when in ("before", "after", "target")
    }
    every = np.array([numbers[:2] for found in points.values() for _, numbers in found])
    if not len(every) or every.shape[1] < 2:
        return None
    low, high = every.min(axis=0), every.max(axis=0)
    margin = 0.06 * np.maximum(high - low, 1e-6)
    x, y = zip((low - margin).tolist(), (high + margin).tolist(), strict=True)
    return points, (x, y)
