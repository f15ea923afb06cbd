"""Numbers that describe one harmonized image, for its page and for sorting a cohort."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from ..base.errors import InputError
from ..base.regions import REGIONS
from ..metrics.volumes import region_volumes
from .comparison import Comparison

Segmenter = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Measure:
    """How a number is called and shown, and a sentence on what it says and which values are good.

    `worse` is 1 where a larger number than others have gives cause for a look, -1 where a smaller one does, else 0.
    """

    label: str
    meaning: str
    percent: bool = False
    worse: int = 1

    def text(self, value: float) -> str:
        """The number as a reader wants it."""
        return in_percent(value) if self.percent else f"{value:.2f}"


MEASURES: Mapping[str, Measure] = {
    "change": Measure(
        "Change of brightness",
        "Mean difference between the harmonized image and the source, in percent of white. Some change is wanted;"
        " much more than in other people is a reason to look.",
        percent=True,
    ),
    "edges": Measure(
        "Edges kept",
        "Agreement of the edges with those of the source, from 0 to 1. Higher is better: at 1, all edges are where"
        " they were.",
        worse=-1,
    ),
    "histogram_before": Measure(
        "Distance to target, before",
        "How far the histogram of the source is from that of the target, in percent of white.",
        percent=True,
        worse=0,
    ),
    "histogram_after": Measure(
        "Distance to target, after",
        "How far the histogram of the harmonized image is from that of the target. It should be lower than before.",
        percent=True,
    ),
    "contrast_before": Measure(
        "Contrast code, before",
        "How far the contrast code of the source is from that of the target.",
        worse=0,
    ),
    "contrast_after": Measure(
        "Contrast code, after",
        "How far the contrast code of the harmonized image is from that of the target. It should be lower than before.",
    ),
    "severity": Measure(
        "Artifact score",
        "The highest artifact score among the sources, above what is usual for its contrast where that is known. Lower"
        " is better.",
    ),
    "imputed": Measure(
        "Imputed",
        "Share of the image where the reference source shows nothing, so that it was made up. 0 % is best.",
        percent=True,
    ),
    "uncertainty": Measure(
        "Uncertainty",
        "How much the results of the three slice directions differ, in percent of white. Lower is better.",
        percent=True,
    ),
    "outside": Measure(
        "Cut off at the edge",
        "Share of the reference source that lies outside the grid on which the method works, and is empty in the"
        " output. It should be 0 %.",
        percent=True,
    ),
    "volumes": Measure(
        "Largest change of volume",
        "The largest relative change of volume among nine brain regions. A few percent are within the error of the"
        " segmentation.",
        percent=True,
    ),
}


def in_percent(share: float) -> str:
    """A share of 1 in percent."""
    return f"{100 * share:.1f} %"


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
    return values


def share_cut_off(reference: np.ndarray, lost_voxels: int, voxel_volume: float) -> float:
    """The share of a source that is outside the working grid.

    `reference` is what that grid, whose voxels are 1 mm wide, shows of it; lost voxels are those of its own grid, of
    `voxel_volume` mm^3 each.
    """
    lost = lost_voxels * voxel_volume
    return lost / (np.count_nonzero(reference > 0) + lost) if lost else 0.0


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


def tissue_segmenter(voxel_mm: int) -> Segmenter:
    """The evaluation's segmenter, if the packages that it takes are installed."""
    missing = [package for package in ("nilearn", "scipy") if find_spec(package) is None]
    if missing:
        raise InputError(
            f"`qc_volumes` needs the packages {' and '.join(missing)}: pip install -r requirements-evaluate.txt"
        )
    from ..metrics.segmentation import TissueSegmenter

    return TissueSegmenter(voxel_mm=voxel_mm)


def region_changes(segmenter: Segmenter, before: np.ndarray, after: np.ndarray) -> Mapping[str, tuple[float, float]]:
    """Milliliters of every region before and after, of images (X, Y, Z) on the working grid, whose voxels are 1 mm.

    Empty where an image cannot be segmented.
    """
    try:
        volumes = [region_volumes(segmenter(image), len(REGIONS), 1e-3).tolist() for image in (before, after)]
    except InputError:
        return {}
    return dict(zip(REGIONS, zip(*volumes, strict=True), strict=True))


def largest_change(changes: Mapping[str, tuple[float, float]]) -> float:
    """The largest relative change of a region that is there before."""
    return max((abs(after / before - 1) for before, after in changes.values() if before > 0), default=0.0)
