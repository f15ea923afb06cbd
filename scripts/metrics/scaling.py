"""The one intensity scaling that every image passes before it is measured."""

import numpy as np

from ..base.errors import InputError


def divide_by_percentile(
    image: np.ndarray, mask: np.ndarray, percentile: float = 95.0, clip: tuple[float, float] | None = None
) -> np.ndarray:
    """Divide `image` by the given percentile of its values inside `mask`, then clip to `clip` where one is given.

    Formula: x / P_q(x[mask]). The result has the same shape, as float32, and its q-th percentile inside the mask is 1.
    """
    if not 0.0 < percentile <= 100.0:
        raise InputError(f"`percentile` must be above 0 and at most 100, got {percentile}")
    if clip is not None and not clip[0] < clip[1]:
        raise InputError(f"`clip` must be a lower and a higher bound, got {clip}")
    peak = float(np.percentile(image[mask], percentile))
    if peak <= 0.0:
        raise InputError(f"the {percentile:g}th percentile inside the mask must be positive, got {peak:g}")
    scaled = np.asarray(image, dtype=np.float32) / np.float32(peak)
    return scaled if clip is None else np.clip(scaled, *clip)
