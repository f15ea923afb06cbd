"""Numbers that describe one harmonized image, for its page and for sorting a cohort."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .comparison import Comparison


@dataclass(frozen=True)
class Measure:
    """How a number is shown, `label` and whether in percent, and what it says, `meaning`.

    `worse` is 1 where a larger number than others have gives cause for a look, -1 where a smaller one does, else 0.
    """

    label: str
    meaning: str
    percent: bool = False
    worse: int = 1

    def text(self, value: float) -> str:
        """The number as a reader wants it."""
        return f"{100 * value:.1f} %" if self.percent else f"{value:.2f}"


MEASURES: Mapping[str, Measure] = {
    "change": Measure(
        "Change of intensity",
        "mean absolute difference from the source, after one factor for brightness, as a share of white",
        percent=True,
    ),
    "edges": Measure(
        "Edges kept",
        "correlation of the gradient strength with that of the source; 1 means that edges are where they were",
        worse=-1,
    ),
    "histogram_before": Measure(
        "Histogram to target, before",
        "Wasserstein distance of the foreground's intensities to those of the target, as a share of white",
        percent=True,
        worse=0,
    ),
    "histogram_after": Measure("Histogram to target, after", "the same of the harmonized image", percent=True),
    "contrast_before": Measure(
        "Contrast code to target, before",
        "distance of the source's contrast code to that of the target",
        worse=0,
    ),
    "contrast_after": Measure("Contrast code to target, after", "the same of the harmonized image"),
    "severity": Measure(
        "Artifact score, worst source",
        "norm of the artifact code, above what is usual for the contrast where that is known",
    ),
    "imputed": Measure("Imputed", "share of the image that the reference source did not show", percent=True),
    "uncertainty": Measure(
        "Uncertainty", "mean standard deviation over planes (and draws), as a share of white", percent=True
    ),
    "outside": Measure(
        "Outside the network's box", "share of the source's foreground that the network cannot reach", percent=True
    ),
    "volumes": Measure("Largest change of a volume", "over the nine regions of the tissue segmentation", percent=True),
}


def measure(
    comparison: Comparison, found: Mapping[str, Any], usual: Mapping[str, float] | None = None, quantiles: int = 200
) -> dict[str, float]:
    """What can be said of one image; `found` is what its sidecar says was found, `usual` are usual artifact scores."""
    inside, before, target = comparison.inside, comparison.before, comparison.target
    after = comparison.harmonized[inside]
    values: dict[str, float] = {}
    if before is not None:
        values["change"] = float(np.abs(after - before[inside]).mean())
        values["edges"] = _edge_agreement(before, comparison.harmonized, inside)
    if target is not None and (target > 0).any():
        wanted = target[target > 0]
        if before is not None:
            values["histogram_before"] = _distance(before[before > 0], wanted, quantiles)
        values["histogram_after"] = _distance(after, wanted, quantiles)
    if "sources" in found:
        values["severity"] = max(s["severity"] - (usual or {}).get(name, 0.0) for name, s in found["sources"].items())
    if "imputed_share" in found:
        values["imputed"] = found["imputed_share"]
    if comparison.uncertainty is not None:
        values["uncertainty"] = float(comparison.uncertainty[inside].mean())
    if "foreground_outside_network_box" in found and before is not None:
        reached = int((before > 0).sum())
        lost = found["foreground_outside_network_box"]
        values["outside"] = lost / max(1, reached + lost)
    return values


def _edge_agreement(before: np.ndarray, after: np.ndarray, inside: np.ndarray) -> float:
    """Correlation of gradient magnitudes; 0 where one image has no edge."""
    first, second = (_gradient(volume)[inside] for volume in (before, after))
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / scale if scale > 0 else 0.0


def _gradient(volume: np.ndarray) -> np.ndarray:
    squares = sum(np.square(slope) for slope in np.gradient(volume))
    return np.sqrt(squares, dtype=np.float64)


def _distance(first: np.ndarray, second: np.ndarray, quantiles: int) -> float:
    """Mean distance of the quantiles, which is the Wasserstein distance."""
    if not first.size:
        return 0.0
    levels = (np.arange(quantiles) + 0.5) / quantiles
    return float(np.abs(np.quantile(first, levels) - np.quantile(second, levels)).mean())
