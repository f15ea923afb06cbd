import gzip
import resource
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.images.grid import GRID_AFFINE, GRID_SHAPE
from scripts.images.nifti import read_image, read_nifti, write_like, write_on_working_grid
from scripts.images.volumes import write_volume

from .little_image import SHAPE, VOXELS, save


def make_reference(folder: Path, kind: Any) -> Path:
    """An oblique image with both forms, of which the sform has a shear, stored as scaled integers in 4D."""
    image = kind(VOXELS.astype(np.int16)[..., None], None)
    turn = nibabel.eulerangles.euler2mat(0.1, 0.2, 0.3)
    qform = nibabel.affines.from_matvec(turn @ np.diag([0.9, 1.1, 3.0]), [1, 2, 3])
    image.set_qform(qform, 1)
    image.set_sform(qform + 0.05 * np.eye(4, k=1), 2)
    image.header.set_xyzt_units("mm", "msec")
    image.header["cal_max"] = 500
    image.header["descrip"] = b"FSL 6.0"
    path = folder / ("reference.img" if "Pair" in kind.__name__ else "reference.nii")
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image, nibabel.Nifti1Pair])
@pytest.mark.parametrize("name", ["result.nii.gz", "folder/result.nii"])
def test_results_have_the_geometry_of_their_reference(tmp_path, kind, name):
    reference = read_image(make_reference(tmp_path, kind))
    result = np.random.default_rng(0).normal(size=SHAPE)
    write_like(tmp_path / name, result, reference, "harmonized")
    written, original = nibabel.load(tmp_path / name), nibabel.load(reference.path)
    np.testing.assert_array_equal(np.asarray(written.dataobj), result.astype(np.float32))
    np.testing.assert_array_equal(written.affine, original.affine)
    header, expected = written.header, original.header
    for form in ("get_sform", "get_qform"):
        matrix, code = getattr(written, form)(coded=True)
        expected_matrix, expected_code = getattr(original, form)(coded=True)
        np.testing.assert_array_equal(matrix, expected_matrix)
        assert code == expected_code
    assert header.get_zooms() == expected.get_zooms()[:3]
    assert header.get_xyzt_units() == ("mm", "msec")
    assert header.get_data_dtype() == np.float32
    assert (header["descrip"].item(), header["cal_max"]) == (b"harmonized", 0)
    np.testing.assert_array_equal(read_nifti(tmp_path / name).voxels, result.astype(np.float32))


def test_results_on_disk_have_slope_1_and_intercept_0_and_equal_bytes(tmp_path):
    reference = read_image(make_reference(tmp_path, nibabel.Nifti1Image))
    for name in ("first.nii.gz", "second.nii.gz"):
        write_like(tmp_path / name, VOXELS, reference, "harmonized")
    content = (tmp_path / "first.nii.gz").read_bytes()
    assert struct.unpack("<2f", gzip.decompress(content)[112:120]) == (1, 0)
    assert content == (tmp_path / "second.nii.gz").read_bytes()
    assert content[4:8] == bytes(4)  # no time


def test_volumes_on_the_working_grid_lie_in_mni152_space(tmp_path):
    volume = np.zeros(GRID_SHAPE, np.float32)
    volume[96, 132, 78] = 1
    write_on_working_grid(tmp_path / "image.nii.gz", volume, "harmonized")
    image = nibabel.load(tmp_path / "image.nii.gz")
    for matrix, code in (image.get_sform(coded=True), image.get_qform(coded=True)):
        np.testing.assert_array_equal(matrix, GRID_AFFINE)
        assert code == 4
    assert image.header.get_xyzt_units()[0] == "mm"
    np.testing.assert_array_equal(read_image(tmp_path / "image.nii.gz").voxels, volume)


def test_wrong_shapes_and_long_descriptions_are_refused(tmp_path):
    reference = read_image(save(tmp_path / "reference.nii"))
    with pytest.raises(InputError, match=r"out.nii must have shape \(5, 6, 7\), its shape is \(5, 6, 6\)"):
        write_like(tmp_path / "out.nii", VOXELS[:, :, :6], reference, "harmonized")
    with pytest.raises(InputError, match="a NIfTI description must have at most 79 bytes, got 'é"):
        write_like(tmp_path / "out.nii", VOXELS, reference, "é" * 40)
    assert [path.name for path in tmp_path.iterdir()] == ["reference.nii"]


def limited(action: Callable[[], None]) -> None:
    """Let no file grow beyond 500 bytes meanwhile, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))
    try:
        action()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", ["out.nii", "out.nii.gz"])
def test_a_write_that_fails_leaves_the_earlier_file_and_nothing_else(tmp_path, name):
    voxels = np.random.default_rng(0).random(SHAPE, np.float32)
    reference = read_image(save(tmp_path / "reference.nii"))
    (tmp_path / name).write_text("earlier")
    for write in (
        lambda: write_like(tmp_path / name, voxels, reference, "harmonized"),
        lambda: write_volume(tmp_path / name, voxels),
    ):
        with pytest.raises(InputError, match=f"image file {tmp_path / name} cannot be written: .*File too large"):
            limited(write)
    assert (tmp_path / name).read_text() == "earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "reference.nii"])


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    reference = read_image(save(tmp_path / "reference.nii"))
    with pytest.raises(InputError, match="reference.nii/out.nii cannot be written: "):
        write_like(tmp_path / "reference.nii" / "out.nii", VOXELS, reference, "harmonized")
