"""A cohort's reports side by side: who stands out, and whether sites can still be told apart."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..base.contrasts import BIDS_SUFFIX
from ..base.errors import InputError
from .charts import Chart, Point
from .measures import MEASURES
from .page import render
from .summaries import Summary

# So many images of a contrast are needed to say which stand out.
_LEAST = 5
# The standard deviation of normal data is that many median absolute deviations.
_SD_PER_MAD = 1.4826
# Of what all measures are, shares and scores around 1: images closer than that are alike.
_LEAST_SPREAD = 0.01


@dataclass(frozen=True)
class Standing:
    """A summary and how far it stands out for the worse: its largest robust z, and the measure that has it.

    It is `marked` where that is an outlier's.
    """

    summary: Summary
    score: float | None
    measure: str
    marked: bool


@dataclass(frozen=True)
class ProbeAccuracy:
    """Balanced accuracy of naming the site of unseen subjects, with its chance level, of one contrast."""

    contrast: str
    before: float
    after: float
    chance: float
    images: int
    sites: int


def cohort_page(summaries: Sequence[Summary], outlier: float) -> str:
    """The page; an image whose robust z is above `outlier` is marked."""
    group = grouping(summaries)
    groups = sorted({group(summary) for summary in summaries})
    contrasts = dict.fromkeys(summary.contrast for summary in summaries)
    scatters = [
        scatter_charts([s for s in summaries if s.contrast == contrast], lambda s: groups.index(group(s)), group)
        for contrast in contrasts
    ]
    return render(
        "cohort.html",
        standings=rank(summaries, outlier),
        subjects=len({summary.subject for summary in summaries}),
        random=any(summary.random for summary in summaries),
        outlier=outlier,
        least=_LEAST,
        groups=groups,
        scatters=[(contrast, *pair) for contrast, pair in zip(contrasts, scatters, strict=True) if pair is not None],
        probe=probe_sites(summaries),
        used=[key for key in MEASURES if any(key in summary.values for summary in summaries)],
    )


def rank(summaries: Sequence[Summary], outlier: float = 3.5) -> list[Standing]:
    """Outliers first, within the images of each contrast."""
    standings = [_standing(s, [peer for peer in summaries if peer.contrast == s.contrast], outlier) for s in summaries]
    return sorted(standings, key=lambda standing: -(standing.score or 0.0))


def _standing(summary: Summary, peers: Sequence[Summary], outlier: float) -> Standing:
    scores = {
        key: entry.worse * _robust_z(summary.values[key], values)
        for key, entry in MEASURES.items()
        if key in summary.values and len(values := [p.values[key] for p in peers if key in p.values]) >= _LEAST
    }
    if not scores:
        return Standing(summary, None, "", False)
    measure = max(scores, key=lambda key: scores[key])
    return Standing(summary, scores[measure], measure, scores[measure] > outlier)


def _robust_z(value: float, values: Sequence[float]) -> float:
    """(x - median) / (1.4826 MAD), not divided by less than the least spread."""
    median = float(np.median(values))
    spread = _SD_PER_MAD * float(np.median(np.abs(np.subtract(values, median))))
    return (value - median) / max(spread, _LEAST_SPREAD)


def grouping(summaries: Sequence[Summary]) -> Callable[[Summary], str]:
    """What colors an image: its site where more than one is known, else its scanner."""
    if len({summary.site for summary in summaries if summary.site}) > 1:
        return lambda summary: summary.site or "unknown"
    return lambda summary: summary.scanner or summary.site or "unknown"


def scatter_charts(
    summaries: Sequence[Summary], place: Callable[[Summary], int], group: Callable[[Summary], str]
) -> tuple[Chart, Chart] | None:
    """The contrast codes of one contrast before and after, in the same ranges; None where there are no such codes.

    `place` is that of an image's group among all groups, `group` its name.
    """
    found = {
        when: [(s, s.codes[when]["appearance"][:2]) for s in summaries if "appearance" in s.codes.get(when, {})]
        for when in ("before", "after", "target")
    }
    every = np.array([code for points in found.values() for _, code in points])
    if not len(every) or every.shape[1] < 2:
        return None
    low, high = every.min(axis=0), every.max(axis=0)
    margin = 0.06 * np.maximum(high - low, 1e-6)
    across, up = zip((low - margin).tolist(), (high + margin).tolist(), strict=True)
    targets = [Point(x, y, None, "target") for x, y in sorted({(code[0], code[1]) for _, code in found["target"]})]

    def chart(when: str, title: str) -> Chart:
        points = [Point(code[0], code[1], place(s), f"{s.name}, {group(s)}") for s, code in found[when]]
        description = f"{BIDS_SUFFIX[summaries[0].contrast]}: contrast codes of {title}"
        labels = "contrast code, first number", "contrast code, second number"
        return Chart(*labels, description, across, up, points=[*points, *targets], width=420, height=340)

    return chart("before", "sources"), chart("after", "harmonized images")


def probe_sites(summaries: Sequence[Summary], folds: int = 5) -> list[ProbeAccuracy] | str:
    """How well a classifier tells the sites apart, before and after; or, in words, why that is not known."""
    with_features = [summary for summary in summaries if summary.probe and summary.site]
    if not with_features:
        return (
            "This was not measured, because no sites are known (they are read from `InstitutionName` in the sidecars of"
            " the sources), or because requirements-evaluate.txt is not installed."
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
        accuracies = before.balanced_accuracy, after.balanced_accuracy, before.balanced_chance
        found.append(ProbeAccuracy(contrast, *accuracies, before.n_images, before.n_sites))
    return found or (
        "This was not measured: it takes at least two sites, each with images of the same contrast of at least two"
        " subjects."
    )
