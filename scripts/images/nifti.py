"""One NIfTI image in, refused with a reason where it cannot be used, and results out with its geometry.

World coordinates are NIfTI's: the sform where its code is set, else the qform. Where neither is, the space is unknown.
"""

import gzip
import hashlib
import logging
import zlib
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import nibabel
import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from ..base.errors import InputError
from ..base.whole_file import whole_file
from .grid import GRID_AFFINE

logger = logging.getLogger(__name__)

_CONVERT = "convert it first: DICOM for instance with dcm2niix, .mgz with mri_convert"
_MNI152_CODE = 4
_LONGEST_DESCRIPTION = 79
# A voxel 10 000 times as long as it is wide is a broken header.
_LARGEST_CONDITION = 1e4
_NIFTI1_MAGIC = (b"n+1\0", b"ni1\0")
_NIFTI2_MAGIC = (b"n+2\0", b"ni2\0")


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
    _refuse_unknown_place(image)
    _refuse_unusable_values(image)
    _clip_negatives(image, max_negative_share)
    return image


def read_nifti(path: Path | str) -> NativeImage:
    """Read any single finite 3D volume (a 4D file of one volume counts), be it an image, a mask or labels."""
    path = Path(path)
    _refuse_no_file(path)
    header_path = _half_of_pair(path, "hdr")
    content = _read_bytes(header_path)
    header = _parse_header(header_path, content)
    digest = hashlib.sha256(content)
    if header["magic"].item() in (b"ni1", b"ni2"):
        content = _read_bytes(_half_of_pair(path, "img"))
        digest.update(content)
    voxels = _parse_voxels(path, header, content)
    if not np.isfinite(voxels).all():
        bad = np.count_nonzero(~np.isfinite(voxels))
        raise InputError(
            f"image file {path} must be finite, {bad} voxels are not: set them to 0 if they are background"
        )
    return NativeImage(path, voxels, header.get_best_affine(), header, digest.hexdigest())


def image_sha256(path: Path) -> str:
    """The `sha256` that the image would have, without a look at what is in it."""
    _refuse_no_file(path)
    digest = hashlib.sha256()
    for half in dict.fromkeys((_half_of_pair(path, "hdr"), _half_of_pair(path, "img"))):
        digest.update(_read_bytes(half))
    return digest.hexdigest()


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


def _refuse_no_file(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"image file {path} is a folder; if it holds DICOM files, {_CONVERT}")
    if path.is_symlink() and not path.exists():
        raise InputError(
            f"image file {path} is a link to a file that is not there; if DataLad keeps it, `datalad get` it"
        )
    if not path.is_file():
        raise InputError(f"image file {path} does not exist")
    if path.suffix.lower() in (".dcm", ".ima"):
        raise InputError(f"image file {path} must be NIfTI, but is DICOM; {_CONVERT}")


def _half_of_pair(path: Path, half: str) -> Path:
    """The `hdr` or `img` file that belongs to `path`; the path itself where it is neither."""
    zipped = path.suffix if path.suffix.lower() == ".gz" else ""
    bare = Path(str(path).removesuffix(zipped))
    return Path(f"{bare.with_suffix('')}.{half}{zipped}") if bare.suffix.lower() in (".hdr", ".img") else path


def _read_bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"image file {path} cannot be read: {error}") from error
    if not content:
        raise InputError(f"image file {path} is empty (0 bytes)")
    return content


def _parse_header(path: Path, content: bytes) -> Nifti1Header:
    if content[128:132] == b"DICM":
        raise InputError(f"image file {path} must be NIfTI, but is DICOM; {_CONVERT}")
    try:
        head = zlib.decompressobj(31).decompress(content, 540) if _is_gzip(content) else content[:540]
    except zlib.error:
        head = b""
    is_nifti1, is_nifti2 = head[344:348] in _NIFTI1_MAGIC, head[4:8] in _NIFTI2_MAGIC
    if not is_nifti1 and not is_nifti2:
        raise InputError(f"image file {path} must be a readable NIfTI file, but has no NIfTI header; {_CONVERT}")
    try:
        header = Nifti1Header(head[:348]) if is_nifti1 else Nifti2Header(head)
        header.get_best_affine()
    except (HeaderDataError, WrapStructError, ValueError) as error:
        raise InputError(f"image file {path} must be a readable NIfTI file: {error}") from error
    return header


def _parse_voxels(path: Path, header: Nifti1Header, content: bytes) -> np.ndarray:
    dtype, shape, offset = header.get_data_dtype(), header.get_data_shape(), int(header["vox_offset"])
    if dtype.kind not in "iuf":
        raise InputError(f"image file {path} must hold one real number per voxel, its type is {dtype}")
    if len(shape) < 3 or min(shape[:3]) < 2 or max(shape[3:], default=1) > 1:
        raise InputError(f"image file {path} must be one 3D volume, its shape is {tuple(map(int, shape))}")
    count = int(np.prod(shape[:3], dtype=np.int64))
    size = offset + count * dtype.itemsize
    content = _decompress(path, content, size)
    if len(content) < size:
        raise InputError(f"image file {path} is truncated: it must hold {size} bytes, it holds {len(content)}")
    stored = np.frombuffer(content, dtype, count, offset).reshape(shape[:3], order="F")
    slope, intercept = header.get_slope_inter()
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, which is refused
        if slope is None or (slope, intercept) == (1, 0):
            return stored.astype(np.float32)
        return (stored * np.float64(slope) + np.float64(intercept)).astype(np.float32)


def _is_gzip(content: bytes) -> bool:
    return content[:2] == b"\x1f\x8b"


def _decompress(path: Path, content: bytes, size: int) -> bytes:
    if not _is_gzip(content):
        return content
    try:
        # Knowing the size halves the time that the gzip module takes; several gzip members in a file are rare.
        whole = zlib.decompress(content, 31, size)
        return whole if len(whole) >= size else gzip.decompress(content)
    except (zlib.error, EOFError, OSError) as error:
        raise InputError(f"image file {path} is truncated or damaged: {error}") from error


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
