"""What the scanners of a table resolve: filters along each axis of the grid, matrices that apply them, and noise."""

from functools import cached_property

import numpy as np

from . import effects as effects
from .artifacts import Artifact
from .scanner_table import ScannerTable

BINS = 129

# Of a slice's thickness, how far from the middle two slices lie whose mean has the spread of the whole.
_REACH = 0.29
_THIN_MM = 1.7


class Resolution:
    """Filters (S, 4, 3, bins) of all scanners, contrasts and axes."""

    def __init__(self, table: ScannerTable) -> None:
        self.table = table
        kept, thickness = (np.zeros((*table.family.shape, 3)) for _ in range(2))
        for axis in range(3):
            across = table.slice_axis == axis
            kept[..., axis] = np.where(across, np.where(table.thick, 1.0, 1 / table.slice_mm), 1 / table.in_plane_mm)
            thickness[..., axis] = np.where(across & table.thick, table.slice_mm, 0.0)
        window = (table.apodization[..., None], table.sharpening[..., None])
        self.kept = np.minimum(kept, 1.0)
        self.encoding = effects.encoding_filters(self.kept, *window, BINS)
        self.image = self.encoding * effects.slab_filters(thickness, BINS)
        reach = np.maximum(np.round(_REACH * thickness), 1) * (thickness > _THIN_MM)
        self.reach = reach.astype(int)
        """How far (S, 4, 3), in voxels, slices across an axis take in their neighbours; 0 where they do not."""

    @cached_property
    def noise_spread(self) -> np.ndarray:
        """Spread of the noise in the image over the mean signal of white matter, (S, 4)."""
        left = np.sqrt((self.encoding**2).mean(axis=-1) / self.kept).prod(axis=-1)
        return self.table.noise * left

    @cached_property
    def variance(self) -> np.ndarray:
        """About the variance (S, 4, 3), in square voxels, of what a point becomes along each axis."""
        # A Gaussian with the same transfer at half of the highest frequency.
        middle = np.clip(self.image[..., BINS // 2], 0.02, 1)
        return -np.log(middle) / (2 * np.pi**2 * effects.frequencies(BINS)[BINS // 2] ** 2)

    def matrices(
        self,
        scanner: int,
        contrasts: np.ndarray,
        axis: int,
        size: int,
        artifact: Artifact | None,
        side: int,
        shift: np.ndarray | None,
    ) -> np.ndarray:
        """Matrices (C, size, size) along one axis of the grid, `side` 0 for rows and 1 for columns of the slice."""
        filters = self.image[scanner, contrasts, axis]
        if artifact is not None:
            filters = artifact.degrade(filters, side)
        return effects.matrices(filters, None if shift is None else shift[:, side], size)
