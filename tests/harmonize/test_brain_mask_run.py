"""configs/inference.json on subjects whose brain alone is to be harmonized."""

import hashlib
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from .tiny_subjects import SHAPE, harmonize, write_ball, write_image


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people, of whom a part of the ball is the brain, a mask of each of them."""
    folder = tmp_path_factory.mktemp("heads")
    for number, start in ((1, 14), (2, 16)):
        write_ball(folder / f"sub-0{number}_T1w.nii.gz", seed=number, gain=100 * number)
        brain = np.zeros(SHAPE)
        brain[start:24] = 1
        write_image(folder / f"sub-0{number}_mask.nii.gz", brain)
    (folder / "cohort.csv").write_text("subject,t1w,brain_mask\n1,sub-01_T1w.nii.gz,sub-01_mask.nii.gz\n")
    return folder


def result(folder: Path, output: Path, **given: Any) -> tuple[np.ndarray, dict[str, Any]]:
    """The image of the first person and its sidecar."""
    harmonize(output, "method_mean_std.json", target_contrast="t1w", **given)
    (image,) = output.glob("sub-*1/anat/*_T1w.nii.gz")
    sidecar = json.loads(image.with_name(image.name.replace(".nii.gz", ".json")).read_text())
    return np.asarray(nibabel.load(image).dataobj), sidecar


def voxels(path: Path) -> np.ndarray:
    return np.asarray(nibabel.load(path).dataobj)


def test_one_subject_is_harmonized_inside_its_mask_alone(folder, tmp_path):
    source = folder / "sub-01_T1w.nii.gz"
    given = {"sources": {"t1w": str(source)}, "target": str(folder / "sub-02_T1w.nii.gz")}
    image, sidecar = result(folder, tmp_path / "out", **given, brain_mask=str(folder / "{subject}_mask.nii.gz"))
    brain = voxels(folder / "sub-01_mask.nii.gz") > 0
    np.testing.assert_array_equal(image != 0, (voxels(source) > 0) & brain)
    mask = folder / "sub-01_mask.nii.gz"
    assert sidecar["BrainMask"] == {"file": mask.name, "sha256": hashlib.sha256(mask.read_bytes()).hexdigest()}
    plain, sidecar = result(folder, tmp_path / "plain", **given)
    assert plain[~brain].any() and "BrainMask" not in sidecar


def test_a_target_that_is_a_source_of_the_run_is_masked_too(folder, tmp_path):
    given = {"cohort_file": str(folder / "cohort.csv"), "target": str(folder / "sub-01_T1w.nii.gz")}
    image, sidecar = result(folder, tmp_path / "out", **given)
    brain = voxels(folder / "sub-01_mask.nii.gz") > 0
    # Its own target: it comes back as it was.
    np.testing.assert_allclose(image, voxels(folder / "sub-01_T1w.nii.gz") * brain, rtol=1e-4)
    assert sidecar["Target"]["brain_mask"] == sidecar["BrainMask"]["sha256"]


def test_another_mask_makes_another_image(folder, tmp_path):
    given = {"sources": {"t1w": str(folder / "sub-01_T1w.nii.gz")}, "target": str(folder / "sub-02_T1w.nii.gz")}
    before, _ = result(folder, tmp_path / "out", **given, brain_mask=str(folder / "sub-01_mask.nii.gz"))
    after, _ = result(folder, tmp_path / "out", **given, brain_mask=str(folder / "sub-02_mask.nii.gz"))
    assert 0 < np.count_nonzero(after) < np.count_nonzero(before)
