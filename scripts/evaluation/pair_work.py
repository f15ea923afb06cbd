"""The same person on two scanners: how alike the images and their tissues are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..images.bids_cohort import output_path
from ..images.volumes import read_volume, write_volume
from ..metrics.ssim import Similarity
from ..metrics.tissues import TissueLabels
from ..metrics.volumes import dice, region_volumes
from .checks import bounding_box, read_mask
from .measurements import RESCAN, PairMeasurement
from .plan import Candidate, Comparison
from .work import ImageMetric, Scaling


@dataclass(frozen=True)
class Pair:
    """Two versions, by one method, of a subject's images; `comparison` tells where the brain is."""

    first: Candidate
    second: Candidate
    comparison: Comparison


@dataclass(frozen=True)
class PairMeasures:
    """What is measured of pairs.

    Args:
        tissues: gives the tissues of an image.
        similarity: function of image, reference and mask, of images that are scaled.
    """

    tissues: TissueLabels
    similarity: ImageMetric


@dataclass(frozen=True)
class TissueMaps:
    """Writes under `folder` the tissue labels of candidates, segmented as they are, unscaled and unmasked."""

    label: Callable[[np.ndarray], np.ndarray]
    folder: Path

    def __call__(self, candidate: Candidate) -> None:
        """Segment one image."""
        image, affine = read_volume(candidate.path)
        write_volume(self.path(candidate), self.label(image), affine)

    def path(self, candidate: Candidate) -> Path:
        """Where the labels are."""
        return output_path(self.folder / candidate.method, candidate.image)


@dataclass(frozen=True)
class PairMeasurer:
    """Measures a pair whose tissue maps are written: likeness inside the brain, and of each tissue the overlap and the
    difference of volumes in ml.
    """

    scaling: Scaling
    measures: PairMeasures
    maps: TissueMaps

    def __call__(self, pair: Pair) -> list[PairMeasurement]:
        """Measure."""
        mask = read_mask(pair.comparison)
        box = bounding_box(mask)
        mask = mask[box]
        first, second = (self.scaling(read_volume(c.path)[0][box], mask) for c in (pair.first, pair.second))
        likeness = self.measures.similarity(first, second, mask)
        value = likeness.value if isinstance(likeness, Similarity) else likeness
        return [_measurement(pair, "similarity", "", value), *self._compare_tissues(pair)]

    def _compare_tissues(self, pair: Pair) -> list[PairMeasurement]:
        tissues = list(self.measures.tissues.tissues)
        (first, affine), (second, _) = (read_volume(self.maps.path(c)) for c in (pair.first, pair.second))
        first, second = first.astype(np.uint8), second.astype(np.uint8)
        ml = abs(np.linalg.det(affine[:3, :3])) / 1000
        ours, others = (region_volumes(labels, len(tissues), ml) for labels in (first, second))
        overlaps = dice(first, second, len(tissues))
        return [
            *(_measurement(pair, "dice", tissue, value) for tissue, value in zip(tissues, overlaps, strict=True)),
            *(_measurement(pair, "difference", t, value) for t, value in zip(tissues, ours - others, strict=True)),
        ]


def group_pairs(candidates: Sequence[Candidate], comparisons: Sequence[Comparison]) -> list[Pair]:
    """Every two scanners of each subject, by method and contrast, scanners in the order of their names.

    Of a scanner that a subject visited several times, the first visit counts.
    """
    comparison_of = {candidate: comparison for comparison in comparisons for candidate in comparison.candidates}
    groups: dict[tuple[str, str, str], dict[str, Candidate]] = {}
    for candidate in candidates:
        image = candidate.image
        if candidate.method != RESCAN:
            group = groups.setdefault((candidate.method, image.contrast, image.subject), {})
            group.setdefault(image.scanner, candidate)
    return [
        Pair(scans[first], scans[second], comparison_of[scans[first]])
        for scans in groups.values()
        for first in sorted(scans)
        for second in sorted(scans)
        if first < second
    ]


def _measurement(pair: Pair, measure: str, tissue: str, value: float) -> PairMeasurement:
    first, second = pair.first.image, pair.second.image
    names = (pair.first.method, first.subject, first.contrast, first.scanner, second.scanner)
    return PairMeasurement(*names, measure, tissue, float(value))
