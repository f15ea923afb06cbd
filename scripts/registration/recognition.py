"""Which images lie in MNI152 space already, by their headers and by where the head is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import nibabel
import numpy as np

from ..images.nifti import NativeImage

_MNI152_CODE = 4
# In mm: headers round.
_TOLERANCE = 0.01


@dataclass(frozen=True)
class Recognition:
    """An image is in MNI152 space if its header says so, or if its grid is one that only templates have.

    The first is NIfTI's code 4 of the transform in use. The second is one of `grids`, by name [X, Y, Z, x, y, z, mm]:
    the shape, the center of the leftmost, hindmost, lowest voxel in RAS coordinates, and the size of voxels; the order
    and direction of axes are free. In both cases the center of mass must lie within `furthest_mm` of `center_mm`, about
    that of the brain, so that a header that a tool copied from elsewhere does not count.
    """

    grids: Mapping[str, Sequence[float]] = field(default_factory=dict)
    center_mm: Sequence[float] = (0.0, -20.0, 8.0)
    furthest_mm: float = 40.0

    def __call__(self, image: NativeImage) -> bool:
        """Whether `image` can be used as it is."""
        claimed = _space_code(image) == _MNI152_CODE or self._has_known_grid(image)
        return claimed and bool(np.linalg.norm(_center_of_mass(image) - self.center_mm) <= self.furthest_mm)

    def _has_known_grid(self, image: NativeImage) -> bool:
        orientation = nibabel.orientations.io_orientation(image.affine)
        shape = np.empty(3)
        shape[orientation[:, 0].astype(int)] = image.voxels.shape
        to_ras = nibabel.orientations.inv_ornt_aff(orientation, image.voxels.shape)
        affine = image.affine @ to_ras
        for *sizes, x, y, z, size_mm in self.grids.values():
            expected = np.diag([size_mm, size_mm, size_mm, 1.0])
            expected[:3, 3] = x, y, z
            if np.array_equal(shape, sizes) and np.allclose(affine, expected, rtol=0, atol=_TOLERANCE):
                return True
        return False


def _space_code(image: NativeImage) -> int:
    """The code of the transform that gives the affine: the sform's where it is set."""
    return int(image.header["sform_code"]) or int(image.header["qform_code"])


def _center_of_mass(image: NativeImage) -> np.ndarray:
    """World coordinates (3,) of the mean place, weighted by intensity."""
    total = image.voxels.sum(dtype=np.float64)
    center = np.ones(4)
    for axis in range(3):
        profile = image.voxels.sum(axis=tuple({0, 1, 2} - {axis}), dtype=np.float64)
        center[axis] = profile @ np.arange(len(profile)) / total
    return (image.affine @ center)[:3]
