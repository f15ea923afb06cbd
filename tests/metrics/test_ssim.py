import time

import numpy as np
import pytest
import torch
from monai.metrics.regression import compute_ssim_and_cs

from scripts.base.errors import InputError
from scripts.metrics.ssim import Similarity, global_ssim, ssim_maps, windowed_ssim

RANDOM = np.random.default_rng(7)
REFERENCE = RANDOM.random((18, 17, 16)).astype(np.float32)
IMAGE = (0.7 * REFERENCE + 0.3 * RANDOM.random(REFERENCE.shape)).astype(np.float32)
EVERYWHERE = np.ones(REFERENCE.shape, dtype=bool)


def ball(radius: float) -> np.ndarray:
    axes = np.ogrid[tuple(slice(0, length) for length in REFERENCE.shape)]
    return sum((axis - 8.0) ** 2 for axis in axes) < radius**2


def test_global_factors_by_hand() -> None:
    # x = (0, 2), y = (0, 4), L = 1: means 1 and 2, deviations 1 and 2, covariance 2; C1 = 1e-4, C2 = 9e-4.
    x, y = np.array([0.0, 2.0]).reshape(2, 1, 1), np.array([0.0, 4.0]).reshape(2, 1, 1)
    result = global_ssim(x, y, np.ones(x.shape, dtype=bool))
    assert result.luminance == pytest.approx(4.0001 / 5.0001)
    assert result.contrast == pytest.approx(4.0009 / 5.0009)
    assert result.structure == pytest.approx(1.0)
    assert result.value == pytest.approx(4.0001 / 5.0001 * 4.0009 / 5.0009)


def test_an_offset_costs_luminance_only_and_a_gain_keeps_structure() -> None:
    shifted = windowed_ssim(REFERENCE + 0.5, REFERENCE, ball(20.0))
    assert shifted.luminance < 0.9
    assert global_ssim(REFERENCE + 0.5, REFERENCE, EVERYWHERE)[2:] == pytest.approx((1.0, 1.0))
    scaled = global_ssim(0.5 * REFERENCE, REFERENCE, EVERYWHERE)
    assert scaled.structure == pytest.approx(1.0, abs=2e-3)
    assert scaled.contrast == pytest.approx(0.8, abs=5e-3)  # 2 * 0.5 / (0.25 + 1)


@pytest.mark.parametrize("measure", [global_ssim, windowed_ssim])
def test_equal_images_score_one(measure) -> None:
    assert measure(REFERENCE, REFERENCE, EVERYWHERE) == pytest.approx((1.0, 1.0, 1.0, 1.0), abs=1e-5)


def test_an_inverted_image_has_negative_structure() -> None:
    assert ssim_maps(1.0 - REFERENCE, REFERENCE).structure[6:-6, 6:-6, 6:-6].max() < -0.9


@pytest.mark.parametrize("window", ["gaussian", "uniform"])
def test_maps_agree_with_monai(window: str) -> None:
    maps = ssim_maps(IMAGE, REFERENCE, data_range=1.2, window=window, sigma=1.5, radius=3)
    batch = (torch.from_numpy(values)[None, None] for values in (IMAGE, REFERENCE))
    theirs, contrast_structure = compute_ssim_and_cs(*batch, 3, (7, 7, 7), (1.5,) * 3, 1.2, window)
    interior = (slice(3, -3),) * 3
    np.testing.assert_allclose(maps.value[interior], theirs[0, 0], atol=2e-5)
    np.testing.assert_allclose((maps.contrast * maps.structure)[interior], contrast_structure[0, 0], atol=2e-5)


def test_only_the_mask_matters_and_cropping_to_it_changes_nothing() -> None:
    mask = ball(6.0)
    whole_head = np.where(mask, IMAGE, 5.0)
    box = (slice(2, 15), slice(2, 15), slice(2, 15))
    expected = windowed_ssim(IMAGE, REFERENCE, mask)
    assert windowed_ssim(whole_head, REFERENCE, mask) == expected
    assert windowed_ssim(IMAGE[box], REFERENCE[box], mask[box]) == pytest.approx(expected, abs=1e-6)


def test_value_is_the_mean_over_the_mask() -> None:
    mask = ball(5.0)
    maps = ssim_maps(np.where(mask, IMAGE, 0.0), np.where(mask, REFERENCE, 0.0))
    assert windowed_ssim(IMAGE, REFERENCE, mask) == Similarity(*(pytest.approx(m[mask].mean()) for m in maps))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"window": "box"}, "`window` must be gaussian or uniform, got box"),
        ({"radius": 0}, "`radius` must be at least 1, got 0"),
    ],
)
def test_refuses_a_bad_window(arguments: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        windowed_ssim(IMAGE, REFERENCE, EVERYWHERE, **arguments)


def test_a_brain_takes_seconds_at_most() -> None:
    brain = RANDOM.random((150, 180, 150), dtype=np.float32)
    start = time.perf_counter()
    windowed_ssim(brain, brain[::-1], np.ones(brain.shape, dtype=bool))
    # About 0.4 s on one quiet core; the bound leaves room for a busy machine, a dense kernel takes minutes.
    assert time.perf_counter() - start < 5.0
