"""Whether harmonization changed the anatomy: volumes of brain regions before and after."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec

import numpy as np

from ..base.errors import InputError
from ..base.regions import REGIONS
from ..metrics.volumes import region_volumes

Segmenter = Callable[[np.ndarray], np.ndarray]


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
