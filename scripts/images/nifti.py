"""One NIfTI image in, refused with a reason where it cannot be used, and results out with its geometry.

World coordinates are NIfTI's: the sform where its code is set, else the qform. Where neither is, the space is unknown.
"""

import gzip
import logging
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import nibabel
import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header

from ..base.errors import InputError
from ..base.whole_file import whole_file
from .grid import GRID_AFFINE
from .nifti_file import image_sha256, read_file, read_header, refusing_file

logger = logging.getLogger(__name__)

_MNI152_CODE = 4
_LONGEST_DESCRIPTION = 79
# A voxel 10 000 times as long as it is wide is a broken header.
_LARGEST_CONDITION = 1e4
# In mm: finer is no scan of a head, nor is coarser. Meters and micrometers are far beyond either.
_VOXEL_MM = (0.01, 100.0)
_FURTHEST_MM = 1e5
# What a voxel is as good as nothing beside: a scan shows 65 536 levels at most, and noise below that.
_SPIKE, _SPIKE_SHARE = 1e4, 1e-3


@dataclass(frozen=True, eq=False)
class NativeImage:
    """One image as its file has it: voxels (X, Y, Z) float32, voxel-to-world affine (4, 4) in mm, NIfTI header.

    `sha256` is that of the file; of a pair, that of the header file followed by the voxel file.
    """

    path: Path
    voxels: np.ndarray
    affine: np.ndarray
    header: Nifti1Header
    sha256: str


def read_image(path: Path | str, max_negative_share: float = 0.05) -> NativeImage:
    """Read one MR image, refusing what has no known place in space or no usable intensities.

    Negative values become 0, with a warning: at the edges of resampled images they are ringing. Where they hold more
    than `max_negative_share` of the sum of magnitudes, the image is z-scored or no MR magnitude image, and refused.
    """
    image = read_nifti(path)
    with refusing_file(image.path):
        _refuse_unknown_place(image)
        _refuse_unusable_values(image)
        _clip_negatives(image, max_negative_share)
    return image


def read_nifti(path: Path | str) -> NativeImage:
    """Read any single finite 3D volume (a 4D file of one volume counts), be it an image, a mask or labels."""
    path = Path(path)
    header, voxels = read_file(path)
    if not np.isfinite(voxels).all():
        bad = np.count_nonzero(~np.isfinite(voxels))
        raise InputError(
            f"image file {path} must be finite, {bad} voxels are not: set them to 0 if they are background"
        )
    return NativeImage(path, voxels, header.get_best_affine(), header, image_sha256(path))


def read_grid(path: Path | str) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape and affine as the header alone has them."""
    header = read_header(Path(path))
    return tuple(map(int, header.get_data_shape())), header.get_best_affine()


def write_like(path: Path | str, voxels: np.ndarray, reference: NativeImage, description: str) -> None:
    """Write `voxels` (X, Y, Z) as float32 with the geometry that the header of `reference` gives.

    Sform and qform keep their codes. The reference's display range and header extensions describe other voxels and
    are left out.
    """
    if voxels.shape != reference.voxels.shape:
        raise InputError(f"a result for {path} must have shape {reference.voxels.shape}, its shape is {voxels.shape}")
    header = reference.header.copy()
    header["cal_min"] = header["cal_max"] = 0
    kind = nibabel.Nifti2Image if isinstance(header, Nifti2Header) else nibabel.Nifti1Image
    _write_float32(Path(path), kind(voxels.astype(np.float32), None, header), description)


def write_on_working_grid(path: Path | str, voxels: np.ndarray, description: str) -> None:
    """Write `voxels` of the working grid as float32 in MNI152 space."""
    image = nibabel.Nifti1Image(voxels.astype(np.float32), GRID_AFFINE)
    image.header.set_xyzt_units("mm")
    image.set_sform(GRID_AFFINE, _MNI152_CODE)
    image.set_qform(GRID_AFFINE, _MNI152_CODE)
    _write_float32(Path(path), image, description)


def save_whole(path: Path, image: nibabel.Nifti1Image) -> None:
    """Save under the final name only what is whole; equal images give equal bytes."""
    try:
        with whole_file(path) as partial:
            content = image.to_bytes()
            partial.write_bytes(gzip.compress(content, compresslevel=1, mtime=0) if path.suffix == ".gz" else content)
    except OSError as error:
        raise InputError(f"image file {path} cannot be written: {error}") from error


def _write_float32(path: Path, image: nibabel.Nifti1Image, description: str) -> None:
    encoded = description.encode()
    if len(encoded) > _LONGEST_DESCRIPTION:
        raise InputError(f"a NIfTI description must have at most {_LONGEST_DESCRIPTION} bytes, got {description!r}")
    image.set_data_dtype(np.float32)
    image.header["descrip"] = encoded
    save_whole(path, image)


def _refuse_unknown_place(image: NativeImage) -> None:
    header, path = image.header, image.path
    qform_code, sform_code = int(header["qform_code"]), int(header["sform_code"])
    if not qform_code and not sform_code:
        raise InputError(
            f"image file {path} must say where it lies in space, but its qform and sform codes are 0, so that left and"
            " right are unknown; check its orientation and set a code, for instance with fslorient -setqformcode 1"
        )
    if header.get_xyzt_units()[0] not in ("mm", "unknown"):
        raise InputError(f"image file {path} must have its geometry in mm, its unit is {header.get_xyzt_units()[0]}")
    if not np.isfinite(image.affine).all() or not np.linalg.cond(image.affine[:3, :3]) < _LARGEST_CONDITION:
        raise InputError(f"image file {path} must have an invertible affine, it is {image.affine.tolist()}")
    spacing = np.linalg.norm(image.affine[:3, :3], axis=0)
    if spacing.min() < _VOXEL_MM[0] or spacing.max() > _VOXEL_MM[1]:
        raise InputError(
            f"image file {path} must have voxels of {_VOXEL_MM[0]:g} to {_VOXEL_MM[1]:g} mm, they are of"
            f" {', '.join(f'{size:g}' for size in spacing)}: its geometry may be in meters or micrometers"
        )
    if np.abs(image.affine).max() > _FURTHEST_MM:
        raise InputError(
            f"image file {path} must lie within {_FURTHEST_MM:g} mm of the origin, its affine is"
            f" {image.affine.tolist()}"
        )
    # The first of the pixel dimensions is the sign of the qform's determinant.
    qform_sign = -1 if header["pixdim"][0] < 0 else 1
    if qform_code and sform_code and qform_sign * np.linalg.det(image.affine[:3, :3]) < 0:
        raise InputError(
            f"sform and qform of image file {path} must agree about left and right, but one is the mirror image of the"
            " other; find out which is right and copy it, for instance with fslorient -copysform2qform"
        )
    if qform_code == sform_code:
        corners = np.array(list(product(*((0, size - 1) for size in image.voxels.shape), (1,)))).T
        apart = np.linalg.norm(((header.get_qform() - header.get_sform()) @ corners)[:3], axis=0).max()
        if apart > 1:
            logger.warning("%s: sform and qform put a corner %.1f mm apart; the sform is used", path, apart)


def _refuse_unusable_values(image: NativeImage) -> None:
    low, high = image.voxels.min(), image.voxels.max()
    if low == high:
        raise InputError(f"image file {image.path} must not be constant, it is {low:g} everywhere")
    shown, bright = (np.count_nonzero(image.voxels > level) for level in (0, high / _SPIKE))
    if bright < _SPIKE_SHARE * shown:
        place = tuple(map(int, np.unravel_index(image.voxels.argmax(), image.voxels.shape)))
        raise InputError(
            f"image file {image.path} must not have {bright} voxels that are {_SPIKE:g} times as bright as all others:"
            f" voxel {place} is {high:g}; set such voxels to 0"
        )


def _clip_negatives(image: NativeImage, max_share: float) -> None:
    negative = image.voxels[image.voxels < 0]
    if not negative.size:
        return
    share = -negative.sum(dtype=np.float64) / np.abs(image.voxels).sum(dtype=np.float64)
    if share > max_share:
        raise InputError(
            f"image file {image.path} must be a magnitude image, but {share:.1%} of its intensity is negative"
            f" (at most {max_share:.1%} are taken for ringing); give it as it was before z-scoring"
        )
    logger.warning("%s: %d negative voxels (%.2g of the intensity) are set to 0", image.path, negative.size, share)
    np.maximum(image.voxels, 0, out=image.voxels)
