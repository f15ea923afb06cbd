"""A visit's brain mask, and what of the sources it leaves."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from .nifti import NativeImage, read_nifti
from .resampling import IDENTITY, to_working_grid

# Of affines, in mm.
_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class BrainMask:
    """An image that is 0 outside the brain, on the grid of the source of a `contrast`."""

    image: NativeImage
    contrast: str

    def apply(self, stack: np.ndarray, to_mni: Mapping[str, np.ndarray]) -> None:
        """Set the sources (4, X, Y, Z) on the working grid to 0 outside the brain; refuse if one shows nothing then."""
        inside = to_working_grid(self.image, to_mni.get(self.contrast, IDENTITY), order=0) != 0
        for contrast, channel in zip(CONTRASTS, stack, strict=True):
            was_there = channel.any()
            channel *= inside
            if was_there and not channel.any():
                raise InputError(f"brain mask {self.image.path} must leave something of each source, {contrast} is 0")


def read_brain_mask(path: Path, images: Mapping[str, NativeImage]) -> BrainMask:
    """Read the mask that lies on the grid of one of `images`, the first such one in their order."""
    mask = read_nifti(path)
    if not mask.voxels.any():
        raise InputError(f"brain mask {path} must not be 0 everywhere")
    for contrast, image in images.items():
        if mask.voxels.shape == image.voxels.shape and np.allclose(mask.affine, image.affine, atol=_TOLERANCE):
            return BrainMask(mask, contrast)
    grids = "; ".join(f"{contrast} {_grid(image)}" for contrast, image in images.items())
    raise InputError(f"brain mask {path} must lie on the grid of a source, it has {_grid(mask)}; sources: {grids}")


def _grid(image: NativeImage) -> str:
    return f"shape {image.voxels.shape} and affine {image.affine[:3].round(3).tolist()}"
