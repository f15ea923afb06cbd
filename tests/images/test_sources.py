import hashlib
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.images.grid import GRID_AFFINE, GRID_SHAPE
from scripts.images.sources import choose_reference, read_images, read_sources, stack_images

SHAPE = (20, 22, 24)


def write(path: Path, seed: int = 0, start: tuple[float, float, float] = (60, 60, 60), size: float = 1) -> Path:
    """Noise whose first voxel lies at voxel `start` of the working grid."""
    affine = GRID_AFFINE @ nibabel.affines.from_matvec(size * np.eye(3), start)
    nibabel.save(nibabel.Nifti1Image(np.random.default_rng(seed).random(SHAPE, np.float32) + 1, affine), path)
    return path


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, Path]:
    return {
        "flair": write(tmp_path / "flair.nii.gz", seed=1, start=(70, 61, 60)),
        "t1w": write(tmp_path / "t1w.nii.gz", seed=2),
    }


def test_sources_are_stacked_in_the_order_of_contrasts(paths):
    sources = read_sources(paths)
    assert (sources.stack.shape, sources.stack.dtype) == ((4, *GRID_SHAPE), np.float32)
    assert sources.available.tolist() == [True, False, False, True]
    assert sources.available.dtype == bool
    assert list(sources.images) == ["t1w", "flair"]
    for channel, contrast, x, y in ((0, "t1w", 60, 60), (3, "flair", 70, 61)):
        expected = np.zeros(GRID_SHAPE, np.float32)
        expected[x : x + 20, y : y + 22, 60:84] = sources.images[contrast].voxels
        np.testing.assert_array_equal(sources.stack[channel], expected)
    assert not sources.stack[1:3].any()
    assert sources.sha256 == {c: hashlib.sha256(paths[c].read_bytes()).hexdigest() for c in ("t1w", "flair")}


def test_one_source_is_enough(paths):
    sources = read_sources({"flair": paths["flair"]})
    assert sources.available.tolist() == [False, False, False, True]


def test_images_that_need_interpolation_are_stacked_side_by_side(tmp_path):
    paths = {c: write(tmp_path / f"{c}.nii", seed, size=1.5) for seed, c in enumerate(("t1w", "flair"))}
    images = read_images(paths)
    stack = stack_images(images)
    for channel, (contrast, image) in zip((0, 3), images.items(), strict=True):
        np.testing.assert_array_equal(stack_images({contrast: image})[channel], stack[channel])
        # Every second voxel center of the image is every third one of the working grid.
        np.testing.assert_allclose(stack[channel, 60:90:3, 60:93:3, 60:96:3], image.voxels[::2, ::2, ::2], atol=1e-4)


def test_a_registration_moves_one_contrast(paths):
    images = read_images(paths)
    moved = stack_images(images, {"flair": nibabel.affines.from_matvec(np.eye(3), [-2, 0, 0])})
    original = stack_images(images)
    np.testing.assert_array_equal(moved[0], original[0])
    np.testing.assert_array_equal(moved[3, 2:], original[3, :-2])


def test_copies_and_links_of_one_image_are_refused(paths, tmp_path):
    shutil.copy(paths["t1w"], tmp_path / "copy.nii.gz")
    (tmp_path / "link.nii.gz").symlink_to(paths["t1w"])
    for name in ("copy", "link"):
        with pytest.raises(InputError, match=f"`t1w` and `pd` have the same content: .*t1w.nii.gz, .*{name}.nii.gz"):
            read_sources({**paths, "pd": tmp_path / f"{name}.nii.gz"})


def test_an_image_apart_from_all_others_is_refused(paths, tmp_path):
    apart = write(tmp_path / "apart.nii", seed=3, start=(60, 60, 84.1))
    with pytest.raises(InputError, match="must overlap in space, but `pd` .*apart.nii. overlaps none of the others"):
        read_sources({**paths, "pd": apart})
    write(apart, seed=3, start=(60, 60, 82.9))
    assert read_sources({**paths, "pd": apart}).available.tolist() == [True, False, True, True]


@pytest.mark.parametrize("size", [0.1, 12])
def test_a_small_field_of_view_within_a_large_one_overlaps_it(paths, tmp_path, size):
    start = (68, 68, 68) if size < 1 else (-60, -60, -60)
    write(paths["flair"], seed=3, start=start, size=size)
    assert list(read_images(paths)) == ["t1w", "flair"]


@pytest.mark.parametrize("start", [(300, 60, 60), (60, -40, 60), (60, 60, 200.3)])
def test_an_image_outside_the_working_box_is_refused(tmp_path, start):
    path = write(tmp_path / "t1w.nii", start=start)
    with pytest.raises(InputError, match=f"but {path} lies wholly outside its box: it may not be registered to MNI152"):
        read_sources({"t1w": path})


@pytest.mark.parametrize(
    ("available", "target", "override", "reference"),
    [
        (["t1w", "t2w", "flair"], "flair", None, "flair"),
        (["t1w", "t2w"], "flair", None, "t1w"),
        (["flair", "t2w"], "pd", None, "t2w"),
        (["flair", "pd"], "t1w", None, "pd"),
        (["t1w", "t2w", "flair"], "flair", "t2w", "t2w"),
    ],
)
def test_the_reference_is_of_the_targets_contrast_if_there_is_one(available, target, override, reference):
    assert choose_reference(available, target, override) == reference


def test_unknown_targets_and_absent_references_are_refused():
    with pytest.raises(InputError, match="`reference` must be one of the sources t1w, flair, got pd"):
        choose_reference(["t1w", "flair"], "t1w", "pd")
    with pytest.raises(InputError, match="`target` must be one of t1w, t2w, pd, flair, got T1w"):
        choose_reference(["t1w", "flair"], "T1w")


def test_real_session_of_three_native_contrasts_is_stacked(real_data):
    folder = real_data / "bids" / "sub-ms12" / "ses-1" / "anat"
    suffixes = {"t1w": "T1w", "t2w": "T2w", "flair": "FLAIR"}
    sources = read_sources({c: folder / f"sub-ms12_ses-1_{suffix}.nii.gz" for c, suffix in suffixes.items()})
    assert sources.available.tolist() == [True, True, False, True]
    t1w, t2w, _, flair = sources.stack
    # One head on one grid: its masks agree, though slices are 3 and 3.3 mm thick.
    masks = [channel > 0.1 * channel.max() for channel in (t1w, t2w, flair)]
    both = (masks[0] & masks[2]).sum() * 2 / (masks[0].sum() + masks[2].sum())
    assert both > 0.8
