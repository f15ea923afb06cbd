from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nibabel.nifti1 import Nifti1Header

from scripts.base.errors import InputError
from scripts.images.nifti import NativeImage
from scripts.preprocessing.bias_correction import BiasCorrection

# The coarse voxels of 2 x 2 x 1 of these do not fill the volume.
SHAPE = (45, 41, 23)
AFFINE = np.array([[-2.5, 0, 0, 50], [0, 0, 4.0, -40], [0, 2.5, 0, -45], [0, 0, 0, 1]])
X, Y, Z = np.meshgrid(*(np.linspace(-1, 1, size) for size in SHAPE), indexing="ij")
RADIUS = np.sqrt(X**2 + Y**2 + Z**2)
TISSUE = np.select([RADIUS < 0.5, RADIUS < 0.9], [100.0, 70.0])
FIELD = np.exp(0.4 * X + 0.3 * Y * Z - 0.2 * Z**2)


def to_image(voxels: np.ndarray) -> NativeImage:
    return NativeImage(Path("some/sub-01_T1w.nii.gz"), voxels.astype(np.float32), AFFINE, Nifti1Header(), "0f")


def variation(voxels: np.ndarray, tissue: float) -> float:
    values = voxels[tissue == TISSUE]
    return float(values.std() / values.mean())


@pytest.fixture(scope="module")
def acquired() -> NativeImage:
    noise = np.random.default_rng(0).normal(0, 1, SHAPE)
    return to_image(np.where(TISSUE > 0, TISSUE * FIELD + noise, 0))


@pytest.fixture(scope="module")
def corrected(acquired: NativeImage) -> NativeImage:
    return BiasCorrection(iterations=(20, 20, 20))(acquired)


@pytest.mark.parametrize("tissue", [70.0, 100.0])
def test_a_tissue_varies_less_than_half_as_much(acquired, corrected, tissue):
    assert variation(acquired.voxels, tissue) > 0.08
    assert variation(corrected.voxels, tissue) < 0.5 * variation(acquired.voxels, tissue)


def test_the_field_that_is_divided_out_is_the_one_that_was_there(acquired, corrected):
    inside = RADIUS < 0.8
    found = np.log(acquired.voxels[inside] / corrected.voxels[inside])
    assert np.corrcoef(found, np.log(FIELD[inside]))[0, 1] > 0.95


def test_mean_and_grid_are_kept_and_nothing_stays_nothing(acquired, corrected):
    assert corrected.voxels.mean(dtype=np.float64) == pytest.approx(acquired.voxels.mean(dtype=np.float64), rel=1e-5)
    assert (corrected.voxels.shape, corrected.voxels.dtype) == (SHAPE, np.float32)
    assert corrected.affine is acquired.affine and corrected.path == acquired.path
    np.testing.assert_array_equal(corrected.voxels == 0, acquired.voxels == 0)


def test_the_same_image_is_corrected_in_the_same_way(acquired):
    correct = BiasCorrection(iterations=(3, 3))
    first, second = correct(acquired).voxels, correct(acquired).voxels
    np.testing.assert_array_equal(first, second)
    assert (first != acquired.voxels).any()


def test_an_image_of_two_slices_is_corrected():
    correct = BiasCorrection(iterations=(5,))
    thin = to_image((TISSUE * FIELD)[:, :, 11:13])
    result = correct(thin).voxels
    assert np.isfinite(result).all()
    inside = TISSUE[:, :, 11:13] == 70
    before, after = thin.voxels[inside], result[inside]
    assert after.std() / after.mean() < before.std() / before.mean()


@pytest.mark.parametrize("value", [0, 42])
def test_a_constant_image_is_refused(value):
    expected = rf"image some/sub-01_T1w.nii.gz must not be constant for its bias to be corrected, it is {value} every"
    with pytest.raises(InputError, match=expected):
        BiasCorrection()(to_image(np.full(SHAPE, value)))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"voxel_mm": 0.0}, "`voxel_mm` of the bias correction must be above 0, got 0"),
        ({"iterations": []}, r"`iterations` of the bias correction must be whole numbers of at least 1, got \[\]"),
        ({"iterations": [50, 0]}, r"whole numbers of at least 1, got \[50, 0\]"),
        ({"control_points": 3}, "`control_points` of the bias correction must be at least 4, got 3"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], expected: str):
    with pytest.raises(InputError, match=expected):
        BiasCorrection(**settings)
