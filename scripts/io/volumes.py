"""NIfTI volumes in and out; a file appears under its final name only when it is whole."""

import json
import os
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from ..errors import InputError
from .grid import GRID_AFFINE


def read_volume(path: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """Return the voxels (X, Y, Z) as float32 and the affine; refuse what is not one finite 3D image."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"image file {path} does not exist")
    try:
        image = nibabel.load(path)
        voxels = np.asarray(image.dataobj, dtype=np.float32)
    except (nibabel.filebasedimages.ImageFileError, EOFError, OSError, ValueError) as error:
        raise InputError(f"image file {path} must be a readable NIfTI file: {error}") from error
    if voxels.ndim != 3:
        raise InputError(f"image file {path} must be 3D, its shape is {voxels.shape}")
    if not np.isfinite(voxels).all():
        raise InputError(f"image file {path} must be finite, {np.count_nonzero(~np.isfinite(voxels))} voxels are not")
    return voxels, image.affine


def write_volume(path: Path | str, voxels: np.ndarray, affine: np.ndarray = GRID_AFFINE) -> None:
    """Write `voxels` in their own dtype, first beside the final name and then renamed onto it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        image = nibabel.Nifti1Image(voxels, affine)
        image.header.set_xyzt_units("mm", "sec")
        nibabel.save(image, partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path | str, content: dict[str, Any]) -> None:
    """Write a JSON sidecar the same way."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{os.getpid()}-{path.name}")
    partial.write_text(json.dumps(content, indent=2) + "\n")
    os.replace(partial, path)
