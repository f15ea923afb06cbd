"""An image of 210 voxels, all different, on a grid whose axes are permuted."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np

SHAPE = (5, 6, 7)
AFFINE = nibabel.affines.from_matvec(np.array([[0, -2.0, 0], [0, 0, 3.0], [0.5, 0, 0]]), [10.0, -20.0, 30.0])
VOXELS = np.arange(210, dtype=np.float32).reshape(SHAPE)


def save(path: Path, voxels: np.ndarray = VOXELS, affine: Any = AFFINE, kind: Any = nibabel.Nifti1Image) -> Path:
    nibabel.save(kind(voxels, affine), path)
    return path
