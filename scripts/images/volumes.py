"""NIfTI volumes in and out; a file appears under its final name only when it is whole."""

from pathlib import Path

import nibabel
import numpy as np

from .grid import GRID_AFFINE
from .nifti import read_nifti, save_whole


def read_volume(path: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """Return the voxels (X, Y, Z) as float32 and the affine; refuse what is not one finite 3D volume."""
    image = read_nifti(path)
    return image.voxels, image.affine


def write_volume(path: Path | str, voxels: np.ndarray, affine: np.ndarray = GRID_AFFINE) -> None:
    """Write `voxels` in their own dtype."""
    image = nibabel.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm", "sec")
    save_whole(Path(path), image)
