from pathlib import Path

import nibabel
import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.images.brain_mask import read_brain_mask
from scripts.images.grid import GRID_AFFINE, GRID_SHAPE
from scripts.images.nifti import read_image
from scripts.images.sources import Aligned, read_sources
from scripts.jobs.brain_masks import brain_masks_by_image, choose_brain_masks
from scripts.jobs.jobs import Job

SHAPE = (20, 22, 24)


def write(path: Path, voxels: np.ndarray, start: tuple[float, float, float] = (60, 60, 60)) -> Path:
    """An image whose first voxel lies at voxel `start` of the working grid."""
    affine = GRID_AFFINE @ nibabel.affines.from_matvec(np.eye(3), start)
    nibabel.save(nibabel.Nifti1Image(voxels.astype(np.float32), affine), path)
    return path


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, Path]:
    """Sources on grids of their own."""
    noise = np.random.default_rng(0).random((2, *SHAPE)) + 1
    return {
        "t1w": write(tmp_path / "t1w.nii.gz", noise[0]),
        "flair": write(tmp_path / "flair.nii.gz", noise[1], start=(70, 60, 60)),
    }


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    """Slices 15 to 17 of the FLAIR image, 85 to 87 of the working grid."""
    voxels = np.zeros(SHAPE)
    voxels[15:18] = 1
    return write(tmp_path / "mask.nii.gz", voxels, start=(70, 60, 60))


def test_all_sources_are_0_outside_the_brain(paths, mask, tmp_path):
    wide = write(tmp_path / "t1w.nii.gz", np.random.default_rng(1).random(SHAPE) + 1, start=(68, 60, 60))
    plain, masked = (read_sources(paths | {"t1w": wide}, brain_mask=given) for given in (None, mask))
    brain = np.zeros(GRID_SHAPE, bool)
    brain[85:88, 60:82, 60:84] = True
    for channel in (0, 3):
        np.testing.assert_array_equal(masked.stack[channel], plain.stack[channel] * brain)
        assert masked.stack[channel].any()
    np.testing.assert_array_equal(masked.images["flair"].voxels, plain.images["flair"].voxels)


def test_the_mask_moves_with_the_source_on_whose_grid_it_lies(paths, mask):
    shift = nibabel.affines.from_matvec(np.eye(3), [-2, 0, 0])
    sources = read_sources({"flair": paths["flair"]}, (), lambda images: Aligned({"flair": shift}), mask)
    # The working grid's first axis points to the left.
    assert np.flatnonzero(sources.stack[3].any(axis=(1, 2))).tolist() == [87, 88, 89]


def test_of_sources_on_one_grid_the_mask_is_of_the_first(paths, tmp_path):
    images = {contrast: read_image(paths["t1w"]) for contrast in ("t2w", "pd")}
    assert read_brain_mask(write(tmp_path / "mask.nii.gz", np.ones(SHAPE)), images).contrast == "t2w"


def test_masks_that_cannot_be_are_refused(paths, tmp_path):
    with pytest.raises(InputError, match="brain mask .*/empty.nii must not be 0 everywhere"):
        read_sources(paths, brain_mask=write(tmp_path / "empty.nii", np.zeros(SHAPE)))
    with pytest.raises(InputError, match="image file .*/absent.nii does not exist"):
        read_sources(paths, brain_mask=tmp_path / "absent.nii")
    apart = write(tmp_path / "apart.nii", np.ones(SHAPE), start=(61, 60, 60))
    words = r"apart.nii must lie on the grid of a source, it has shape \(20, 22, 24\) and affine .*; sources: t1w shape"
    with pytest.raises(InputError, match=words):
        read_sources(paths, brain_mask=apart)
    corner = np.zeros(SHAPE)
    corner[0] = 1
    with pytest.raises(InputError, match="corner.nii must leave something of each source, flair is 0"):
        read_sources(paths, brain_mask=write(tmp_path / "corner.nii", corner))


def job(subject: str, session: str | None = None, mask: Path | None = None) -> Job:
    return Job(subject, session, None, {"t1w": Path(f"{subject}.nii")}, {}, brain_mask=mask)


def test_a_name_with_braces_is_of_every_subject_and_session():
    jobs = choose_brain_masks(
        [job("sub-01", "ses-2"), job("sub-02", "ses-1")], "m/{subject}/{subject}_{session}_mask.nii"
    )
    assert [str(each.brain_mask) for each in jobs] == [
        "m/sub-01/sub-01_ses-2_mask.nii",
        "m/sub-02/sub-02_ses-1_mask.nii",
    ]


def test_what_a_table_says_stands_before_what_is_said_of_all():
    own, other = choose_brain_masks([job("sub-01", mask=Path("own.nii")), job("sub-02")], "all.nii")
    assert (own.brain_mask, other.brain_mask) == (Path("own.nii"), Path("all.nii"))
    assert choose_brain_masks([job("sub-01")], None) == [job("sub-01")]
    with pytest.raises(InputError, match="`brain_mask` must be text, got 3"):
        choose_brain_masks([job("sub-01")], 3)


def test_masks_are_known_by_the_images_they_belong_to():
    jobs = [job("sub-01", mask=Path("mask.nii")), job("sub-02")]
    assert brain_masks_by_image(jobs) == {Path("sub-01.nii"): Path("mask.nii")}
