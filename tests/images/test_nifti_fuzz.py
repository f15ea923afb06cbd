"""Damaged NIfTI files, by the thousand: each is refused by its name, or read as what it is.

What it is: the image before the damage, where that hit nothing that matters; else the image that nibabel reads, where
the damage made another whole file of it. Behind gzip's checksum there can be no other.
"""

import gzip
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import nibabel
import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.images.nifti import read_image, read_nifti

from .little_image import AFFINE, VOXELS

HOSTILE = (0, 1, -1, 2, 7, 255, -32768, 32767, 2**31 - 1, -(2**31), 1e-45, 1e-20, -1e30, 3e38, np.inf, -np.inf, np.nan)
LARGEST_PEAK, LONGEST_S = 50e6, 2.0


def originals() -> list[bytes]:
    """Whole files: of either version and byte order, of floats, integers, and scaled ones."""
    scaled = nibabel.Nifti1Image(VOXELS.astype(np.int16), AFFINE)
    scaled.header.set_slope_inter(0.5, 3)
    swapped = nibabel.Nifti1Image(VOXELS.astype(">i2"), AFFINE, nibabel.Nifti1Header(endianness=">"))
    images = [nibabel.Nifti1Image(VOXELS, AFFINE), nibabel.Nifti2Image(VOXELS, AFFINE), scaled, swapped]
    return [image.to_bytes() for image in images]


def damage_header(content: bytearray, rng: np.random.Generator) -> None:
    """Overwrite one field, or one number of it."""
    kind = nibabel.Nifti1Header if content[344:347] == b"n+1" else nibabel.Nifti2Header
    size = kind.template_dtype.itemsize
    header = kind(bytes(content[:size]), check=False)
    name = str(rng.choice(header.structarr.dtype.names))
    field = header.structarr[name]
    if field.dtype.kind == "S":
        field[...] = rng.bytes(field.dtype.itemsize)
    else:
        places = np.atleast_1d(field)
        with np.errstate(all="ignore"):
            value = np.array(HOSTILE[rng.integers(len(HOSTILE))]).astype(field.dtype)
        places[rng.integers(places.size)] = value
        header.structarr[name] = places.reshape(field.shape)
    content[:size] = header.binaryblock


def flip_bits(content: bytearray, rng: np.random.Generator) -> None:
    for place in rng.integers(len(content), size=rng.integers(1, 9)):
        content[place] ^= 1 << int(rng.integers(8))


def flip_a_bit_of_the_header(content: bytearray, rng: np.random.Generator) -> None:
    content[int(rng.integers(min(352, len(content))))] ^= 1 << int(rng.integers(8))


def cut(content: bytearray, rng: np.random.Generator) -> None:
    del content[int(rng.integers(len(content))) :]


def lengthen(content: bytearray, rng: np.random.Generator) -> None:
    content += rng.bytes(int(rng.integers(1, 5000)))


def clear(content: bytearray, rng: np.random.Generator) -> None:
    start, size = int(rng.integers(len(content))), int(rng.integers(1, 64))
    content[start : start + size] = bytes(len(content[start : start + size]))


DAMAGES = (damage_header, damage_header, damage_header, flip_a_bit_of_the_header, flip_bits, cut, lengthen, clear)


def damaged_file(folder: Path, seed: int) -> tuple[Path, np.ndarray, bool]:
    """A damaged file, the voxels it had, and whether gzip's checksum guards them."""
    rng = np.random.default_rng(seed)
    whole = originals()
    number = int(rng.integers(len(whole)))
    content = bytearray(whole[number])
    damage = DAMAGES[rng.integers(len(DAMAGES))]
    zipped, guarded = rng.random() < 0.5, rng.random() < 0.3
    if zipped and guarded:
        content = bytearray(gzip.compress(content, mtime=0))
        while damage is damage_header:
            damage = DAMAGES[rng.integers(len(DAMAGES))]
    damage(content, rng)
    path = folder / ("damaged.nii.gz" if zipped else "damaged.nii")
    path.write_bytes(gzip.compress(content, mtime=0) if zipped and not guarded else content)
    return path, 0.5 * VOXELS + 3 if number == 2 else VOXELS, zipped and guarded


def outcome(path: Path, voxels: np.ndarray, guarded: bool) -> str:
    """Refused, equal or another; fails where it is none of these."""
    try:
        image = read_nifti(path)
    except InputError as error:
        assert str(path) in str(error), error
        return "refused"
    try:
        clipped = read_image(path)
        np.testing.assert_array_equal(clipped.voxels, np.maximum(image.voxels, 0))
    except InputError as error:
        assert str(path) in str(error), error
        return "refused"
    same_place = np.array_equal(image.affine, AFFINE)
    if image.voxels.shape == voxels.shape and same_place and np.allclose(image.voxels, voxels, rtol=1e-6):
        return "equal"
    assert not guarded
    content = path.read_bytes()
    content = gzip.decompress(content) if path.suffix == ".gz" else content
    header = image.header.copy()
    # As nibabel has it, 0 is the beginning of the file.
    header["vox_offset"] = header["vox_offset"] or header.single_vox_offset
    kind = nibabel.Nifti1Image if header.sizeof_hdr == 348 else nibabel.Nifti2Image
    expected = kind.from_bytes(header.binaryblock + content[header.sizeof_hdr :])
    voxels = np.asarray(expected.dataobj).reshape(image.voxels.shape)
    np.testing.assert_allclose(image.voxels, voxels, rtol=1e-6, atol=1e-37)
    np.testing.assert_array_equal(image.affine, expected.affine)
    return "another"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seeds", [range(200), pytest.param(range(200, 10_200), marks=pytest.mark.slow)], ids=len)
def test_a_damaged_file_is_refused_or_read_as_what_it_is(tmp_path, seeds):
    found: Counter[str] = Counter()
    tracemalloc.start()
    for seed in seeds:
        path, voxels, guarded = damaged_file(tmp_path, seed)
        start = time.monotonic()
        try:
            found[outcome(path, voxels, guarded)] += 1
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise
        assert time.monotonic() - start < LONGEST_S, seed
        path.unlink()
    assert tracemalloc.get_traced_memory()[1] < LARGEST_PEAK
    tracemalloc.stop()
    print(dict(found))
    assert min(found["refused"], found["equal"]) > len(seeds) / 10
