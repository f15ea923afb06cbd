from dataclasses import replace

import numpy as np
import pytest
import torch

from scripts.segmenter.scan import DrawnScan, ScanLaw, blurred

NOTHING = DrawnScan(
    seed=1,
    gain=0.0,
    gain_mm=40.0,
    blur_mm=(0.0, 0.0, 0.0),
    slice_axis=0,
    slice_mm=1.0,
    sharpening=0.0,
    noise=0.0,
    smoothing_mm=0.0,
    gamma=1.0,
    rim_mm=None,
)
IMAGE = np.random.default_rng(0).uniform(0.2, 1, (16, 18, 20)).astype(np.float32)
DEEP = np.full(IMAGE.shape, 5.0)


def test_a_scan_in_which_nothing_happens_leaves_the_image():
    np.testing.assert_allclose(NOTHING.take(IMAGE, DEEP), IMAGE, rtol=1e-6)


def test_a_blur_keeps_the_sum_and_has_the_variance_that_was_asked_for():
    point = torch.zeros(21, 21, 21)
    point[10, 10, 10] = 1
    spread = blurred(point, [0.0, 1.5, 0.8])
    assert float(spread.sum()) == pytest.approx(1, abs=1e-5)
    places = torch.arange(21.0) - 10
    for axis, width in enumerate((0.0, 1.5, 0.8)):
        profile = spread.sum(dim=[a for a in range(3) if a != axis])
        # The kernel ends after two and a half widths.
        assert float((profile * places**2).sum()) == pytest.approx(width**2, rel=0.1)


def test_brain_extraction_leaves_a_rim():
    depth = np.linspace(-9, 9, IMAGE.shape[0])[:, None, None] * np.ones(IMAGE.shape)
    thin, thick = (replace(NOTHING, rim_mm=rim).take(IMAGE, depth) > 0 for rim in (0.0, 3.0))
    assert not thick[depth < -6].any() and thin[depth > 3].all()
    assert thin.sum() < thick.sum()


@pytest.mark.parametrize(
    "change",
    [
        {"gain": 0.2},
        {"slice_mm": 4.0},
        {"sharpening": 0.5},
        {"noise": 0.05},
        {"blur_mm": (1.0, 0.0, 0.0)},
        {"smoothing_mm": 0.5},
        {"gamma": 1.3},
    ],
    ids=str,
)
def test_whatever_is_drawn_changes_the_image_and_is_repeated_by_its_seed(change):
    scan = replace(NOTHING, **change)
    assert np.abs(scan.take(IMAGE, DEEP) - IMAGE).max() > 0.01
    np.testing.assert_array_equal(scan.take(IMAGE, DEEP), scan.take(IMAGE, DEEP))


def test_noise_has_the_spread_that_was_asked_for():
    bright = np.full((40, 40, 40), 2.0, np.float32)
    noisy = replace(NOTHING, noise=0.05).take(bright, np.full(bright.shape, 5.0))
    assert (noisy - bright).std() == pytest.approx(0.05, rel=0.05)


def test_shares_are_of_images():
    rng = np.random.default_rng(2)
    drawn = [ScanLaw(head_share=0.25, slices_share=0.5).draw(rng) for _ in range(400)]
    assert np.mean([scan.rim_mm is None for scan in drawn]) == pytest.approx(0.25, abs=0.06)
    assert np.mean([scan.slice_mm > 1 for scan in drawn]) == pytest.approx(0.5, abs=0.07)
