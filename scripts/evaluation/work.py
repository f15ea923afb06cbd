"""The measuring itself: small objects that hold settings, are sent to worker processes and called once per item."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..base.errors import InputError
from ..base.regions import REGIONS
from ..images.volumes import read_volume, write_volume
from ..metrics.ssim import Similarity
from ..metrics.volumes import dice, region_volumes
from .checks import bounding_box, read_mask
from .measurements import FEATURE, RESCAN, Measurement
from .plan import Candidate, Comparison

Scaling = Callable[[np.ndarray, np.ndarray], np.ndarray]
ImageMetric = Callable[[np.ndarray, np.ndarray, np.ndarray], float | Similarity[float]]


@dataclass(frozen=True)
class ImageMeasurer:
    """Measures candidates against their reference by `metrics`, and describes each by `features` where these are given.

    Features are numbered, `feature_0` onwards; a rescan has none, so that the site probe sees each visit once.
    """

    scaling: Scaling
    metrics: Mapping[str, ImageMetric]
    features: Callable[[np.ndarray, np.ndarray], np.ndarray] | None

    def __call__(self, comparison: Comparison) -> list[Measurement]:
        """Read reference and mask once, cut all to the mask's bounding box, scale and measure."""
        mask = read_mask(comparison)
        box = bounding_box(mask)
        mask = mask[box]

        def read(path: Path) -> np.ndarray:
            return self.scaling(read_volume(path)[0][box], mask)

        reference = read(comparison.reference)
        measurements = []
        for candidate in comparison.candidates:
            image = read(candidate.path)
            if not candidate.image.is_reference:
                measurements += self._compare(candidate, image, reference, mask)
            if self.features is not None and candidate.method != RESCAN:
                numbers = enumerate(self.features(image, mask))
                measurements += [candidate.measurement(f"{FEATURE}{index}", value) for index, value in numbers]
        return measurements

    def _compare(
        self, candidate: Candidate, image: np.ndarray, reference: np.ndarray, mask: np.ndarray
    ) -> list[Measurement]:
        measurements = []
        for name, metric in self.metrics.items():
            result = metric(image, reference, mask)
            parts = result._asdict() if isinstance(result, Similarity) else {"value": result}
            for part, value in parts.items():
                measurements.append(candidate.measurement(name if part == "value" else f"{name}_{part}", value))
        return measurements


@dataclass(frozen=True)
class Segmentation:
    """A candidate with the place of its label map and of the label map it is compared with."""

    candidate: Candidate
    labels: Path
    reference_labels: Path


@dataclass(frozen=True)
class Segmenter:
    """Writes the label map that the pluggable `segment` gives for a candidate, and measures its volumes."""

    segment: Callable[[np.ndarray], np.ndarray]

    def __call__(self, job: Segmentation) -> list[Measurement]:
        """Segment one image as it is, unscaled and unmasked, as a user's tool would."""
        image, affine = read_volume(job.candidate.path)
        labels = np.asarray(self.segment(image))
        if labels.shape != image.shape or labels.min() < 0 or labels.max() > len(REGIONS):
            raise InputError(
                f"`segmenter` must give labels 0 to {len(REGIONS)} of shape {image.shape}, "
                f"got {labels.min():g} to {labels.max():g} of shape {labels.shape} for {job.candidate.path}"
            )
        write_volume(job.labels, labels.astype(np.uint8), affine)
        return measure_volumes(job.candidate, labels.astype(np.uint8), affine, "volume")


def measure_overlap(job: Segmentation) -> list[Measurement]:
    """Dice of a candidate's regions with those of its initial scan."""
    labels, reference = (read_volume(path)[0].astype(np.uint8) for path in (job.labels, job.reference_labels))
    overlaps = dice(labels, reference, len(REGIONS))
    return [job.candidate.measurement("dice", value, region) for region, value in zip(REGIONS, overlaps, strict=True)]


def measure_volumes(candidate: Candidate, labels: np.ndarray, affine: np.ndarray, measure: str) -> list[Measurement]:
    """Region volumes of a label map in mm^3."""
    volumes = region_volumes(labels, len(REGIONS), abs(np.linalg.det(affine[:3, :3])))
    return [candidate.measurement(measure, value, region) for region, value in zip(REGIONS, volumes, strict=True)]
