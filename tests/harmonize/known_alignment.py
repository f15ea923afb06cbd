"""A registration whose result is known beforehand."""

from collections.abc import Mapping

import numpy as np

from scripts.bench.known_motions import motion
from scripts.images.nifti import NativeImage
from scripts.images.sources import Aligned

from .tiny_subjects import AFFINE

TO_SCANNER = motion((10, -15, 8), (30, -20, 12))


class KnownAlignment:
    """Every image whose header is not MNI152's was turned and shifted like this."""

    def __call__(self, images: Mapping[str, NativeImage]) -> Aligned:
        moved = [contrast for contrast, image in images.items() if not np.array_equal(image.affine, AFFINE)]
        return Aligned(
            {contrast: np.linalg.inv(TO_SCANNER) for contrast in moved},
            {contrast: {"to": "the MNI152 template", "score": 1.2, "overlap": 1.0} for contrast in moved},
        )
