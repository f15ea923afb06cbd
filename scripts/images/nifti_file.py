"""What a NIfTI file holds, read without trust: no more is inflated or kept than its header tells of.

Whatever is wrong with a file, the refusal names it.
"""

import hashlib
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header

from ..base.errors import InputError

_CONVERT = "convert it first: DICOM for instance with dcm2niix, .mgz with mri_convert"
_NIFTI1_MAGIC = (b"n+1\0", b"ni1\0")
_NIFTI2_MAGIC = (b"n+2\0", b"ni2\0")
_GZIP_MAGIC = b"\x1f\x8b"
_HEADER_BYTES = 540
_BLOCK_BYTES = 1 << 16
# Some programs fill up the last block of a file.
_PADDING_BYTES = 512
# A head at 0.4 mm; with 8 bytes for a voxel it takes 3 GiB to read.
_MOST_VOXELS = 1 << 28
# Between these single precision has all its digits, even for what is a millionth as bright.
_BRIGHTEST = (1e-32, 1e36)


@contextmanager
def refusing_file(path: Path) -> Iterator[None]:
    """Turn whatever a damaged file makes go wrong into a refusal that names it."""
    try:
        with np.errstate(all="ignore"):
            yield
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"image file {path} is too large for this machine's memory") from error
    except Exception as error:
        reason = f"{error}" or type(error).__name__
        raise InputError(f"image file {path} must be a readable NIfTI file: {reason}") from error


def read_header(path: Path) -> Nifti1Header:
    """The header alone."""
    with refusing_file(path):
        refuse_no_file(path)
        with _Content(_half_of_pair(path, "hdr")) as content:
            return _parse_header(path, content.up_to(_HEADER_BYTES))


def read_file(path: Path) -> tuple[Nifti1Header, np.ndarray]:
    """Header and voxels (X, Y, Z) float32, in the unit that the header gives them."""
    with refusing_file(path):
        refuse_no_file(path)
        with _Content(_half_of_pair(path, "hdr")) as content:
            header = _parse_header(path, content.up_to(_HEADER_BYTES))
            dtype, shape = _check_layout(path, header)
            half = _half_of_pair(path, "img")
            if header["magic"].item() not in (b"ni1", b"ni2") or half == content.path:
                return header, _parse_voxels(content, header, dtype, shape)
        with _Content(half) as content:
            return header, _parse_voxels(content, header, dtype, shape)


def image_sha256(path: Path) -> str:
    """The SHA-256 of an image's file; of a pair, that of the header file followed by the voxel file."""
    with refusing_file(path):
        refuse_no_file(path)
        digest = hashlib.sha256()
        for half in dict.fromkeys((_half_of_pair(path, "hdr"), _half_of_pair(path, "img"))):
            with _opened(half) as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        return digest.hexdigest()


def refuse_no_file(path: Path) -> None:
    """Refuse what is no regular file, or is named like DICOM."""
    if path.is_dir():
        raise InputError(f"image file {path} is a folder; if it holds DICOM files, {_CONVERT}")
    if path.is_symlink() and not path.exists():
        try:
            path.stat()
        except FileNotFoundError:
            way_out = "is a link to a file that is not there; if DataLad keeps it, `datalad get` it"
            raise InputError(f"image file {path} {way_out}") from None
        except OSError as error:
            raise InputError(f"image file {path} is a link that leads nowhere: {error.strerror}") from error
    if not path.exists():
        raise InputError(f"image file {path} does not exist")
    if not path.is_file():
        raise InputError(f"image file {path} must be a regular file, it is a pipe, a socket or a device")
    if path.suffix.lower() in (".dcm", ".ima"):
        raise InputError(f"image file {path} must be NIfTI, but is DICOM; {_CONVERT}")


class _Content:
    """The beginning of a file, inflated where it is gzip, as far as it was asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> "_Content":
        self._file = _opened(self.path)
        self.file_bytes = self.path.stat().st_size
        self._pending = self._file.read(_BLOCK_BYTES)
        if not self._pending:
            self._file.close()
            raise InputError(f"image file {self.path} is empty (0 bytes)")
        self._inflater = zlib.decompressobj(31) if self._pending.startswith(_GZIP_MAGIC) else None
        self._buffer = bytearray()
        self.is_gzip = self._inflater is not None
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def up_to(self, size: int) -> bytearray:
        """The first `size` bytes, or all if there are fewer."""
        try:
            while len(self._buffer) < size and self._pending:
                self._extend(size - len(self._buffer))
        except zlib.error as error:
            raise InputError(f"image file {self.path} is truncated or damaged: {error}") from error
        return self._buffer

    def _extend(self, wanted: int) -> None:
        if not self.is_gzip:
            self._buffer += self._pending
            self._pending = self._file.read(min(wanted, 1 << 26))
            return
        # Behind the last member of a file there may be padding.
        if self._inflater is None:
            if not self._pending.startswith(_GZIP_MAGIC):
                self._pending = b""
                return
            self._inflater = zlib.decompressobj(31)
        self._buffer += self._inflater.decompress(self._pending, wanted)
        if self._inflater.eof:
            self._pending = self._inflater.unused_data
            if len(self._pending) < len(_GZIP_MAGIC):
                self._pending += self._file.read(_BLOCK_BYTES)
            self._inflater = None
            return
        self._pending = self._inflater.unconsumed_tail or self._file.read(_BLOCK_BYTES)
        if not self._pending:
            raise InputError(f"image file {self.path} is truncated or damaged: its gzip stream has no end")


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"image file {path} cannot be read: {error}") from error


def _half_of_pair(path: Path, half: str) -> Path:
    """The `hdr` or `img` file that belongs to `path`; the path itself where it is neither."""
    zipped = path.suffix if path.suffix.lower() == ".gz" else ""
    bare = Path(str(path).removesuffix(zipped))
    return Path(f"{bare.with_suffix('')}.{half}{zipped}") if bare.suffix.lower() in (".hdr", ".img") else path


def _parse_header(path: Path, content: bytearray) -> Nifti1Header:
    if content[128:132] == b"DICM":
        raise InputError(f"image file {path} must be NIfTI, but is DICOM; {_CONVERT}")
    head = bytes(content[:_HEADER_BYTES])
    is_nifti1, is_nifti2 = head[344:348] in _NIFTI1_MAGIC, head[4:8] in _NIFTI2_MAGIC
    if not is_nifti1 and not is_nifti2:
        raise InputError(f"image file {path} must be a readable NIfTI file, but has no NIfTI header; {_CONVERT}")
    kind, block = (Nifti1Header, head[:348]) if is_nifti1 else (Nifti2Header, head)
    # Before nibabel mends what it can, without a word to the user.
    _refuse_broken_fields(path, kind(block, check=False))
    header = kind(block)
    header.get_best_affine()
    return header


def _refuse_broken_fields(path: Path, header: Nifti1Header) -> None:
    offset, slope = float(header["vox_offset"]), float(header["scl_slope"])
    if not (math.isfinite(offset) and offset >= 0 and offset == int(offset)):
        raise InputError(f"`vox_offset` of image file {path} must be a whole number of bytes, got {offset:g}")
    # NaN stands for no scaling, as 0 does.
    if math.isinf(slope) or (slope and math.isfinite(slope) and not math.isfinite(float(header["scl_inter"]))):
        numbers = f"got {slope:g} and {float(header['scl_inter']):g}"
        raise InputError(f"`scl_slope` and `scl_inter` of image file {path} must be finite, {numbers}")
    sizes = header["pixdim"][1:4]
    if int(header["qform_code"]) and not int(header["sform_code"]) and not (np.isfinite(sizes) & (sizes > 0)).all():
        raise InputError(
            f"`pixdim` of image file {path} must hold voxel sizes above 0, since no sform gives them,"
            f" got {sizes.tolist()}"
        )


def _check_layout(path: Path, header: Nifti1Header) -> tuple[np.dtype, tuple[int, int, int]]:
    dtype, shape = header.get_data_dtype(), tuple(int(size) for size in header.get_data_shape())
    if dtype.kind not in "iuf":
        raise InputError(f"image file {path} must hold one real number per voxel, its type is {dtype}")
    if len(shape) < 3 or min(shape[:3]) < 2 or set(shape[3:]) - {1}:
        raise InputError(f"image file {path} must be one 3D volume, its shape is {shape}")
    if math.prod(shape[:3]) > _MOST_VOXELS:
        raise InputError(
            f"image file {path} must have at most {_MOST_VOXELS / 1e6:.0f} million voxels, its shape is {shape}"
        )
    return dtype, (shape[0], shape[1], shape[2])


def _parse_voxels(content: _Content, header: Nifti1Header, dtype: np.dtype, shape: tuple[int, int, int]) -> np.ndarray:
    path, count = content.path, math.prod(shape)
    offset = int(header["vox_offset"])
    if not offset and header["magic"].item() in (b"n+1", b"n+2"):
        # Such a file holds a header first, whatever it says.
        offset = header.single_vox_offset
    size = offset + count * dtype.itemsize
    # Deflate makes nothing smaller than a 1032nd of it.
    most = content.file_bytes * 1100 if content.is_gzip else content.file_bytes
    held = len(content.up_to(size + _PADDING_BYTES + 1)) if most >= size else most
    if held < size:
        at_most = "at most " if content.is_gzip and most < size else ""
        raise InputError(f"image file {path} is truncated: it must hold {size} bytes, it holds {at_most}{held}")
    if held > size + _PADDING_BYTES:
        raise InputError(
            f"image file {path} must hold the {size} bytes that its header tells of, it holds more: header or voxels"
            " are damaged"
        )
    stored = np.frombuffer(content.up_to(size), dtype, count, offset).reshape(shape, order="F")
    return _to_float32(path, stored, header)


def _to_float32(path: Path, stored: np.ndarray, header: Nifti1Header) -> np.ndarray:
    """Layer by layer, so that no second copy in double precision is needed."""
    slope, intercept = header.get_slope_inter()
    scaled = slope is not None and (slope, intercept) != (1, 0)
    if not scaled and stored.dtype.kind in "iu":
        return stored.astype(np.float32)
    voxels, brightest = np.empty(stored.shape, np.float32, order="F"), 0.0
    for z in range(stored.shape[2]):
        layer = stored[..., z]
        if scaled:
            layer = layer * np.float64(slope) + np.float64(intercept)
        voxels[..., z] = layer
        brightest = max(brightest, float(layer.max()), -float(layer.min()))
    if math.isfinite(brightest) and brightest and not _BRIGHTEST[0] <= brightest <= _BRIGHTEST[1]:
        raise InputError(
            f"image file {path} must have its brightest voxel from {_BRIGHTEST[0]:g} to {_BRIGHTEST[1]:g}, where single"
            f" precision holds it, got {brightest:g}: multiply the image by a constant"
        )
    return voxels
