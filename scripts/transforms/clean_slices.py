"""Slices without artifacts, on which severities are calibrated."""

from collections.abc import Iterator, Sequence

import numpy as np

from ..errors import InputError
from ..io.mni152 import load_template


def template_slices(positions: Sequence[float], size: int) -> Iterator[np.ndarray]:
    """Yield (size, size) float32 slices of the MNI152 T1w template, three orientations for each position.

    A position is a share of the length of the grid's axis, between 0 and 1. The brain's 95th percentile is 1.
    """
    if not all(0.0 <= position < 1.0 for position in positions):
        raise InputError(f"`positions` must be at least 0 and below 1, got {list(positions)}")
    t1w = load_template().t1w
    if size < max(t1w.shape):
        raise InputError(f"`size` must be at least {max(t1w.shape)}, got {size}")
    t1w = (t1w / np.percentile(t1w[t1w > 0], 95)).astype(np.float32)
    for axis, length in enumerate(t1w.shape):
        for position in positions:
            plane = t1w.take(int(position * length), axis=axis)
            margins = [(size - side) // 2 for side in plane.shape]
            yield np.pad(plane, [(low, size - side - low) for low, side in zip(margins, plane.shape, strict=True)])
