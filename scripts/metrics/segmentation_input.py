"""Images as segmenters take them."""

import numpy as np

from ..base.errors import InputError
from ..images.grid import GRID_SHAPE

_PEAK = 99


def relative_intensities(image: np.ndarray) -> np.ndarray:
    """Divide by the 99th percentile of the positive values; refuse what cannot be segmented."""
    if image.shape != GRID_SHAPE:
        raise InputError(f"image to segment must have the shape {GRID_SHAPE} of the working grid, got {image.shape}")
    if not np.isfinite(image).all():
        raise InputError(f"image to segment must be finite, {np.count_nonzero(~np.isfinite(image))} voxels are not")
    positive = image[image > 0]
    if positive.size == 0 or positive.min() == image.max():
        raise InputError("image to segment must have differing positive values, its positive values are all alike")
    return (image / np.percentile(positive, _PEAK)).astype(np.float32)


def relative_window(window: np.ndarray, brightest: float = 2.0) -> np.ndarray:
    """The same of a part of an image, which may be empty; the result is clipped at `brightest`."""
    positive = window[window > 0]
    peak = float(np.percentile(positive, _PEAK)) if positive.size else 1.0
    return np.minimum(window / peak, brightest).astype(np.float32)
