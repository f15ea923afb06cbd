import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from scripts.metrics.image import correlation, psnr, wasserstein

MASK = np.array([True, True, True, True, False]).reshape(5, 1, 1)
REFERENCE = np.array([0.0, 1.0, 2.0, 3.0, 9.0]).reshape(5, 1, 1)


def test_psnr_of_a_constant_error() -> None:
    # An error of 0.1 everywhere: 10 log10(1 / 0.01) = 20 dB; four times the range adds 20 log10(4) = 12.04 dB.
    assert psnr(REFERENCE + 0.1, REFERENCE, MASK) == pytest.approx(20.0)
    assert psnr(REFERENCE + 0.1, REFERENCE, MASK, data_range=4.0) == pytest.approx(32.0412, abs=1e-4)


def test_psnr_of_equal_images_is_infinite() -> None:
    assert psnr(REFERENCE, REFERENCE, MASK) == float("inf")


def test_correlation_ignores_gain_and_offset() -> None:
    assert correlation(3.0 * REFERENCE + 7.0, REFERENCE, MASK) == pytest.approx(1.0)
    assert correlation(-REFERENCE, REFERENCE, MASK) == pytest.approx(-1.0)


def test_correlation_by_hand() -> None:
    # (0,1,3,2) against (0,1,2,3): covariance sum 4, both sums of squares 5.
    image = np.array([0.0, 1.0, 3.0, 2.0, 5.0]).reshape(5, 1, 1)
    assert correlation(image, REFERENCE, MASK) == pytest.approx(0.8)


def test_wasserstein_of_a_shift_is_the_shift_and_place_is_ignored() -> None:
    assert wasserstein(REFERENCE + 0.25, REFERENCE, MASK) == pytest.approx(0.25)
    swapped = REFERENCE.copy()
    swapped[:4] = swapped[3::-1]
    assert wasserstein(swapped, REFERENCE, MASK) == 0.0


def test_wasserstein_agrees_with_scipy() -> None:
    random = np.random.default_rng(0)
    first, second = random.random((6, 6, 6)), random.random((6, 6, 6)) ** 2
    everywhere = np.ones(first.shape, dtype=bool)
    expected = wasserstein_distance(first.ravel(), second.ravel())
    assert wasserstein(first, second, everywhere) == pytest.approx(expected)


@pytest.mark.parametrize("metric", [psnr, correlation, wasserstein])
def test_voxels_outside_the_mask_do_not_count(metric) -> None:
    image = np.array([0.5, 1.0, 3.0, 2.0, 5.0]).reshape(5, 1, 1)
    other = image.copy()
    other[4] = -100.0
    assert metric(image, REFERENCE, MASK) == metric(other, REFERENCE, MASK)
