"""configs/inference.json on scans that do not lie in MNI152 space; the registration itself is known beforehand."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from scripts.images.nifti import NativeImage
from scripts.registration.transform_file import read_transform

from .known_alignment import TO_SCANNER
from .tiny_subjects import AFFINE, harmonize, write_ball, write_image


def double(image: NativeImage) -> NativeImage:
    """As a super-resolution network would: more voxels at the same place."""
    finer = nibabel.affines.from_matvec(np.diag([1, 1, 0.5]), [0, 0, -0.25])
    voxels = np.repeat(image.voxels, 2, axis=2)
    return NativeImage(image.path, voxels, image.affine @ finer, image.header, image.sha256)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A subject whose T1w comes from the scanner and whose FLAIR is registered, and a target from the scanner."""
    folder = tmp_path_factory.mktemp("scans")
    for name, affine, seed in (("t1w", TO_SCANNER, 1), ("flair", np.eye(4), 2), ("target", TO_SCANNER, 3)):
        # Drawn where it lies in MNI152 space, so that the truth is not interpolated.
        path = write_ball(folder / f"{name}.nii.gz", seed)
        voxels = np.asarray(nibabel.load(path).dataobj)
        write_image(path, smooth(voxels), affine @ AFFINE)
    return folder


def smooth(voxels: np.ndarray) -> np.ndarray:
    for axis in range(3):
        voxels = (np.roll(voxels, 1, axis) + 2 * voxels + np.roll(voxels, -1, axis)) / 4
    return voxels


def run(folder: Path, output: Path, **overrides) -> Path:
    given = {
        "sources": {name: str(folder / f"{name}.nii.gz") for name in ("t1w", "flair")},
        "target": str(folder / "target.nii.gz"),
        "target_contrast": "t1w",
        "subject": "a",
        "registration": None,
        "correct_bias": False,
        "alignment": {"_target_": "tests.harmonize.known_alignment.KnownAlignment"},
        **overrides,
    }
    return harmonize(output, "method_none.json", **given) / "sub-a" / "anat"


@pytest.fixture(scope="module")
def anat(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(folder, tmp_path_factory.mktemp("out") / "out", space="both")


def test_the_result_is_back_on_the_grid_of_the_scanner(anat, folder):
    result, scan = nibabel.load(anat / "sub-a_desc-harmonized_T1w.nii.gz"), nibabel.load(folder / "t1w.nii.gz")
    np.testing.assert_array_equal(result.affine, scan.affine)
    assert [int(result.header[code]) for code in ("sform_code", "qform_code")] == [1, 1]
    values, truth = result.get_fdata(), scan.get_fdata()
    inside = truth > 0.5 * truth.max()
    # There and back, two interpolations of cubic splines.
    assert np.abs(values - truth)[inside].mean() < 0.02 * truth[inside].mean()


def test_in_mni152_space_it_lies_where_registered_images_do(anat):
    image = nibabel.load(anat / "sub-a_space-MNI152NLin2009aSym_desc-harmonized_T1w.nii.gz")
    places = np.argwhere(image.get_fdata() > 100).mean(0)
    np.testing.assert_allclose(nibabel.affines.apply_affine(image.affine, places), (0, -14, 10), atol=0.2)


def test_the_motion_is_written_for_other_programs(anat):
    path = anat / "sub-a_from-T1w_to-MNI152NLin2009aSym_mode-image_xfm.txt"
    np.testing.assert_allclose(read_transform(path), np.linalg.inv(TO_SCANNER), atol=1e-12)
    assert not list(anat.glob("*from-FLAIR*"))


def test_the_sidecar_says_how_well_it_fits(anat):
    sidecar = json.loads((anat / "sub-a_desc-harmonized_T1w.json").read_text())
    assert sidecar["Found"]["registration"] == {
        "t1w": {"to": "the MNI152 template", "score": 1.2, "overlap": 1.0},
    }
    assert sidecar["Method"]["alignment"] == {"_target_": "tests.harmonize.known_alignment.KnownAlignment"}


def test_super_resolution_sees_every_image_before_anything_else(folder, tmp_path):
    hook = {"_target_": "tests.harmonize.test_raw_scans.double", "_mode_": "callable"}
    anat = run(folder, tmp_path / "out", super_resolution=hook)
    sidecar = json.loads((anat / "sub-a_desc-harmonized_T1w.json").read_text())
    assert sidecar["Method"]["corrections"] == [{"_target_": "tests.harmonize.test_raw_scans.double"}]
    result, scan = (nibabel.load(path) for path in (anat / "sub-a_desc-harmonized_T1w.nii.gz", folder / "t1w.nii.gz"))
    assert result.shape == scan.shape
    values, truth = result.get_fdata(), scan.get_fdata()
    inside = truth > 0.5 * truth.max()
    assert np.abs(values - truth)[inside].mean() < 0.05 * truth[inside].mean()
