"""Headers and files that lie: each is refused by its name, soon and in little memory."""

import gzip
import os
import socket
import tracemalloc
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.images.nifti import read_grid, read_image, read_nifti

from .little_image import AFFINE, SHAPE, VOXELS, save
from .test_nifti import with_header

FAR_OFFSET = {"vox_offset": 1e9}
SCALING = "`scl_slope` and `scl_inter` of image file {} must be finite, got"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"scl_slope": 1, "scl_inter": np.inf},
            "`scl_slope` and `scl_inter` of image file {} must be finite, got 1 and",
        ),
        (
            {"scl_slope": 2, "scl_inter": np.nan},
            "`scl_slope` and `scl_inter` of image file {} must be finite, got 2 and",
        ),
        ({"scl_slope": np.inf}, SCALING + " inf and"),
        ({"vox_offset": np.nan}, "`vox_offset` of image file {} must be a whole number of bytes, got nan"),
        ({"vox_offset": np.inf}, "`vox_offset` of image file {} must be a whole number of bytes, got inf"),
        ({"vox_offset": -352}, "`vox_offset` of image file {} must be a whole number of bytes, got -352"),
        ({"vox_offset": 352.5}, "`vox_offset` of image file {} must be a whole number of bytes, got 352.5"),
        ({"vox_offset": 16}, "image file {} must be a readable NIfTI file: vox offset 16 too low"),
        (FAR_OFFSET, "image file {} is truncated: it must hold 1000000840 bytes, it holds 1192"),
        (
            {"dim": [3, 32767, 32767, 32767, 1, 1, 1, 1]},
            "image file {} must have at most 268 million voxels, its shape",
        ),
        ({"dim": [3, -5, 6, 7, 1, 1, 1, 1]}, "image file {} must be one 3D volume, its shape is (-5, 6, 7)"),
        ({"dim": [4, 5, 6, 7, 0, 1, 1, 1]}, "image file {} must be one 3D volume, its shape is (5, 6, 7, 0)"),
        (
            {"dim": [3, -1, 1, 1, 1, 1, 1, 1]},
            "image file {} must be a readable NIfTI file: -1 in dim[1] but 0 in glmin",
        ),
        (
            {"dim": [3, 5, 6, 2, 1, 1, 1, 1]},
            "image file {} must hold the 592 bytes that its header tells of, it holds more",
        ),
    ],
)
def test_header_fields_that_cannot_be_are_refused(tmp_path, fields, words):
    path = with_header(tmp_path / "image.nii", **fields)
    with pytest.raises(InputError) as caught:
        read_image(path)
    assert str(caught.value).startswith(words.format(path))


@pytest.mark.parametrize("sizes", [[0, 0, 0], [1, 0, 1], [1, -1, 1], [1, np.nan, 1]])
def test_voxels_without_a_size_are_refused_where_only_the_qform_places_them(tmp_path, sizes):
    fields: dict[str, Any] = {"pixdim": [1, *sizes, 1, 1, 1, 1]}
    path = with_header(tmp_path / "image.nii", sform_code=0, qform_code=1, **fields)
    with pytest.raises(InputError, match=f"`pixdim` of image file {path} must hold voxel sizes above 0"):
        read_image(path)
    np.testing.assert_array_equal(read_image(with_header(path, sform_code=1, qform_code=0, **fields)).affine, AFFINE)


def test_an_offset_of_0_stands_for_the_end_of_the_header(tmp_path):
    np.testing.assert_array_equal(read_image(with_header(tmp_path / "image.nii", vox_offset=0)).voxels, VOXELS)


def test_a_file_may_be_padded(tmp_path):
    path = save(tmp_path / "image.nii.gz")
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(320)) + bytes(100))
    np.testing.assert_array_equal(read_image(path).voxels, VOXELS)


def test_a_gzip_bomb_is_not_inflated(tmp_path):
    path = tmp_path / "bomb.nii.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(nibabel.Nifti1Image(np.arange(512, dtype=np.float32).reshape(8, 8, 8), AFFINE).to_bytes())
        for _ in range(256):
            file.write(bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(InputError, match=f"image file {path} must hold the 2400 bytes that its header tells of, it"):
        read_nifti(path)
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_a_small_gzip_file_with_a_large_header_is_refused_unread(tmp_path):
    path = with_header(tmp_path / "image.nii", dim=[3, 600, 600, 600, 1, 1, 1, 1])
    zipped = tmp_path / "image.nii.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(InputError, match=f"image file {zipped} is truncated: it must hold 864000352 bytes, "):
        read_nifti(zipped)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("factor", [1e-40, 1e-36, 1e35])
def test_values_that_single_precision_cannot_hold_are_refused(tmp_path, factor, dtype):
    path = save(tmp_path / "image.nii.gz", (VOXELS.astype(np.float64) * factor).astype(dtype))
    words = f"image file {path} must have its brightest voxel from 1e-32 to 1e\\+36, where single precision"
    with pytest.raises(InputError, match=words):
        read_nifti(path)


def test_a_voxel_that_outshines_all_others_is_refused(tmp_path):
    voxels = np.random.default_rng(0).uniform(1, 2, (20, 20, 20)).astype(np.float32)
    voxels[3, 4, 5] = 1e30
    path = save(tmp_path / "image.nii.gz", voxels)
    with pytest.raises(InputError, match=r"must not have 1 voxels that are 10000 times as bright .* \(3, 4, 5\) is"):
        read_image(path)
    read_image(save(path, np.where(voxels == voxels.max(), 0, voxels)))


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def make_loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (make_pipe, "must be a regular file, it is a pipe, a socket or a device"),
        (make_socket, "must be a regular file, it is a pipe, a socket or a device"),
        (make_loop, "is a link that leads nowhere: Too many levels of symbolic links"),
    ],
)
def test_what_is_no_file_is_refused_for_what_it_is(tmp_path, monkeypatch, make, words):
    # A socket's name must be short.
    monkeypatch.chdir(tmp_path)
    path = Path("a.nii.gz")
    make(path)
    with pytest.raises(InputError, match=f"image file {path} {words}"):
        read_image(path)


@pytest.mark.parametrize("name", ["a" * 300 + ".nii.gz", "a\0b.nii.gz"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="image file .* (must be a readable NIfTI file: |does not exist)"):
        read_image(tmp_path / name)


def test_a_grid_is_read_without_voxels(tmp_path):
    path = save(tmp_path / "image.nii.gz")
    shape, affine = read_grid(path)
    assert shape == SHAPE
    np.testing.assert_array_equal(affine, AFFINE)
    path.write_bytes(b"")
    with pytest.raises(InputError, match=f"image file {path} is empty"):
        read_grid(path)
