"""Slices of a volume on the working grid as radiologists look at them: the right side is on the left, the nose too.

The working grid is LAS: x grows towards the left, y towards the front, z upwards.
"""

from dataclasses import dataclass

import numpy as np

from ..images.grid import GRID_AFFINE


@dataclass(frozen=True)
class Plane:
    """One of the three; `edges` says what lies at the left, right, top and bottom of its picture."""

    name: str
    axis: int
    letter: str
    edges: str

    def cut(self, volume: np.ndarray, index: int) -> np.ndarray:
        """Slice `index` of a volume (X, Y, Z) as a picture (H, W), its first row being the top."""
        picture = volume.take(index, self.axis)
        if self.axis == 0:
            picture = picture[::-1]
        return np.ascontiguousarray(picture[:, ::-1].T)


PLANES = (Plane("axial", 2, "z", "RLAP"), Plane("coronal", 1, "y", "RLSI"), Plane("sagittal", 0, "x", "APSI"))


@dataclass(frozen=True)
class Box:
    """A part of the working grid, from the voxel `low` up to, not including, `high`."""

    low: tuple[int, int, int]
    high: tuple[int, int, int]

    def cut(self, volume: np.ndarray) -> np.ndarray:
        """That part of a volume (X, Y, Z)."""
        return volume[tuple(slice(low, high) for low, high in zip(self.low, self.high, strict=True))]

    def millimeters(self, plane: Plane, index: int) -> int:
        """Where slice `index` of the box lies in MNI152 space, along the axis across the plane."""
        voxel = self.low[plane.axis] + index
        return round(float(GRID_AFFINE[plane.axis, plane.axis] * voxel + GRID_AFFINE[plane.axis, 3]))

    @property
    def affine(self) -> np.ndarray:
        """Voxel to world (4, 4) of the part."""
        affine = GRID_AFFINE.copy()
        affine[:3, 3] += GRID_AFFINE[:3, :3] @ np.array(self.low)
        return affine


def box_around(mask: np.ndarray, margin: int) -> Box:
    """The smallest box that holds what is True, and `margin` voxels around, within the volume."""
    low, high = [], []
    for axis, size in enumerate(mask.shape):
        others = tuple(other for other in range(3) if other != axis)
        places = np.flatnonzero(mask.any(axis=others))
        low.append(max(0, int(places[0]) - margin))
        high.append(min(size, int(places[-1]) + 1 + margin))
    return Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def fullest(mask: np.ndarray, plane: Plane) -> int:
    """The slice with most of the mask; of several such, the first."""
    others = tuple(axis for axis in range(3) if axis != plane.axis)
    return int(mask.sum(axis=others).argmax())
