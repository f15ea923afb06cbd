import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose

from scripts.base.errors import InputError
from scripts.images.grid import GRID_AFFINE, GRID_SHAPE
from scripts.preprocessing.background import RemoveBackgroundd, otsu_threshold, remove_background
from scripts.preprocessing.intensity_scale import ScaleByPercentiled


def formula_volume(number: int) -> torch.Tensor:
    """An ellipsoid of waves and stripes on the working grid, with faint waves around it."""
    x, y, z = np.meshgrid(*(np.arange(size) for size in GRID_SHAPE), indexing="ij", sparse=True)
    u, v, w = (x - 95.5) / 96, (y - 111.5) / 112, (z - 95.5) / 96
    inside = (u / 0.7) ** 2 + (v / 0.8) ** 2 + (w / 0.75) ** 2 < 1
    stripes = np.where(np.sin(23 * u + 11 * w) * np.cos(17 * v) > 0, 0.1, -0.1)
    waves = 0.3 * np.sin(7 * u + number) + 0.2 * np.cos(9 * v - 2 * number) * np.sin(5 * w + number / 2)
    around = 4 * (1 + np.cos(40 * u + 30 * v))
    return torch.from_numpy(
        np.where(inside, 1000 * np.maximum(0.02, 0.45 + waves + stripes), around).astype(np.float32)
    )


# What the public HACA3+ code makes of formula volumes 0 and 2, at voxels that are bright, beyond the field of view of
# volume 2, below the threshold but enclosed (the next two), and below the threshold and open.
PUBLIC_VOXELS = {
    (95, 113, 113): (1.0456095, 1.110873),
    (108, 166, 151): (0.8576543, 0.0),
    (65, 110, 36): (0.15517096, 0.6134407),
    (43, 103, 126): (1.0445094, 0.09174544),
    (153, 109, 92): (0.0, 0.72929996),
}


def test_scaling_and_then_background_removal_give_what_the_public_code_gives():
    cropped = formula_volume(2)
    cropped[:, :, 139:] = 0  # z beyond 0.45 of the half axis: a limited field of view
    image = torch.stack([formula_volume(0), cropped, torch.zeros(GRID_SHAPE), formula_volume(3)])
    data = {"image": MetaTensor(image, affine=GRID_AFFINE), "available": torch.tensor([True, True, False, True])}
    result = Compose([ScaleByPercentiled(), RemoveBackgroundd()])(data)
    cleaned = result["image"]
    assert [int(torch.count_nonzero(volume)) for volume in cleaned[:3]] == [1712840, 1488766, 0]
    for voxel, values in PUBLIC_VOXELS.items():
        assert cleaned[(slice(2), *voxel)].tolist() == pytest.approx(values, abs=1e-6)
    assert result["scale"][2:].tolist() == pytest.approx([1.0, 666.94256592], rel=1e-6)
    assert np.array_equal(cleaned.affine, GRID_AFFINE)


def test_the_threshold_is_the_center_of_the_bin_that_splits_best():
    # Bins of width 1 hold 3, 1, 0 and 3 voxels. A split after the first gives 12 * (0.5 - 3)^2 = 75; after the second
    # and after the third, 12 * (0.75 - 3.5)^2 = 90.75; the lower one is taken.
    assert otsu_threshold(torch.tensor([4.0, 0.0, 3.0, 1.0, 0.0, 4.0, 0.0]), bins=4) == 1.5


def test_voxels_at_the_threshold_stay():
    # Bins hold 2, 2, 0 and 3 voxels: 10 * (0.5 - 2.7)^2 = 48.4 after the first, 12 * (1 - 3.5)^2 = 75 after the second.
    image = torch.tensor([0.0, 0.0, 1.0, 1.5, 3.0, 4.0, 4.0]).reshape(1, 7, 1, 1)
    result = RemoveBackgroundd(radius=1, bins=4)({"image": image, "available": torch.tensor([True])})
    assert result["image"].flatten().tolist() == [0.0, 0.0, 0.0, 1.5, 3.0, 4.0, 4.0]


def test_dark_voxels_stay_inside_the_head_and_vanish_outside():
    volume = torch.full((15, 15, 15), 0.25)
    volume[4:11, 4:11, 4:11] = 2.0
    volume[7, 7, 7] = 0.5
    expected = torch.zeros(15, 15, 15)
    expected[4:11, 4:11, 4:11] = volume[4:11, 4:11, 4:11]
    cleaned = remove_background(MetaTensor(volume, affine=GRID_AFFINE), radius=2)
    assert torch.equal(cleaned.as_tensor(), expected)
    assert np.array_equal(cleaned.affine, GRID_AFFINE)


def test_each_available_contrast_has_a_background_of_its_own():
    image = MetaTensor(torch.full((4, 6, 6, 6), 1.0), affine=torch.diag(torch.tensor([-1.0, 1, 2, 1])))
    image[0, :2] = image[2, 3:] = image[3, :, [0, 5]] = 9.0  # the ball fits between
    before = image.clone()
    available = torch.tensor([True, False, True, True])
    result = RemoveBackgroundd(radius=1)({"image": image, "available": available, "name": "sub-01"})
    expected = torch.where(before > 1, before, 0)
    expected[1] = 1.0
    assert torch.equal(result["image"], expected)
    assert torch.equal(result["image"].affine, before.affine)
    assert result["name"] == "sub-01"
    assert torch.equal(image, before)  # the input is left alone


def test_a_contrast_of_one_value_is_refused():
    image = torch.rand(4, 3, 3, 3)
    image[1] = 0.5
    data = {"image": image, "available": torch.ones(4, dtype=torch.bool)}
    with pytest.raises(InputError, match="t2w must hold more than one value, its voxels are all 0.5"):
        RemoveBackgroundd()(data)


def test_bad_arguments_are_refused():
    with pytest.raises(InputError, match="`radius` must be a whole number of voxels from 1 to 127, got 0"):
        RemoveBackgroundd(radius=0)
    with pytest.raises(InputError, match="`bins` must be a whole number of at least 2, got 1"):
        RemoveBackgroundd(bins=1)


def test_below_a_ceiling_bright_fat_does_not_part_from_the_brain():
    """A shell of fat, which skull parts from a brain of a fifth of its brightness."""
    radius = np.linalg.norm(np.indices((40, 40, 40)) - 19.5, axis=0)
    brain, fat = radius < 10, (radius > 16) & (radius < 18)
    tissue = np.random.default_rng(0).uniform(0.6, 0.8, radius.shape)
    image = torch.from_numpy(np.where(brain, tissue, np.where(fat, 4.0, 0.02)).astype(np.float32))[None]
    data = {"image": image, "available": torch.tensor([True])}
    found = [RemoveBackgroundd(radius=1, ceiling=ceiling)(data)["image"][0].numpy() for ceiling in (None, 0.5)]
    assert (found[0][brain] > 0).mean() < 0.1
    assert (found[1][brain] > 0).all() and (found[1][fat] > 0).all() and not found[1][radius > 20].any()
