import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.metrics.realism import (
    appearances,
    contrast_ratios,
    contrast_to_noise,
    edge_percentiles,
    histogram_distance,
    noise_level,
    tissue_cores,
)


@pytest.fixture
def layers() -> np.ndarray:
    """CSF, grey and white matter as slabs of 5 x 7 x 7 voxels in an empty box; brightness 1, 5 and 10."""
    image = np.zeros((17, 9, 9), dtype=np.float32)
    for slab, brightness in enumerate((1, 5, 10)):
        image[1 + 5 * slab : 6 + 5 * slab, 1:8, 1:8] = brightness
    return image


def test_cores_are_the_classes_without_their_surface(layers):
    cores = tissue_cores(layers, layers > 0)
    assert {name: core.sum() for name, core in cores.items()} == {"csf": 75, "grey": 75, "white": 75}
    assert cores["csf"][2:5, 2:7, 2:7].all()
    assert cores["white"][12:15, 2:7, 2:7].all()


def test_cores_follow_the_brightness_and_not_the_percentiles_they_start_from():
    # Of 15 layers nine are CSF, so the grey class starts from the brightness of CSF.
    brightness = np.repeat([1, 5, 10], [9, 3, 3])[:, None, None]
    image = brightness * np.random.default_rng(0).normal(1, 0.02, (15, 9, 9))
    cores = tissue_cores(image, image > 0)
    assert {name: core.sum() / 49 for name, core in cores.items()} == {"csf": 7, "grey": 1, "white": 1}


def test_ratios(layers):
    cores = tissue_cores(layers, layers > 0)
    assert contrast_ratios(layers, cores) == (0.5, 0.1)


def test_noise_level_finds_white_noise_and_ignores_a_slope():
    everywhere = np.ones((40, 40, 40), dtype=bool)
    noise = np.random.default_rng(0).normal(0, 0.05, everywhere.shape)
    slope = 0.3 * np.indices(everywhere.shape)[0]
    assert noise_level(noise, everywhere) == pytest.approx(0.05, rel=0.03)
    assert noise_level(noise + slope, everywhere) == pytest.approx(0.05, rel=0.03)
    assert noise_level(slope, everywhere) == pytest.approx(0, abs=1e-9)


def test_contrast_to_noise():
    image = np.array([4.0, 5, 6, 8, 9, 10, 11, 12])
    cores = {"grey": np.arange(8) < 3, "white": np.arange(8) >= 3}
    # White matter has the median 10 and the median absolute deviation 1.
    assert contrast_to_noise(image, cores) == pytest.approx((10 - 5) / 1.4826)


def test_edges_of_a_plane_have_its_slope():
    x, y, _ = np.indices((9, 9, 9))
    mask = np.ones((9, 9, 9), dtype=bool)
    assert edge_percentiles(0.03 * x + 0.04 * y, mask) == pytest.approx([0.05] * 3)


def test_edges_leave_out_the_rim():
    step = np.zeros((9, 9, 9))
    step[2:7, 2:7, 2:7] = 1
    assert edge_percentiles(step, step > 0, [100]) == [0]


def test_histogram_distance_of_known_distributions():
    even = np.linspace(0, 1, 1001)
    assert histogram_distance(even, even) == 0
    assert histogram_distance(even, even + 0.3) == pytest.approx(0.3)
    assert histogram_distance(even, 2 * even) == pytest.approx(0.5)


def test_appearance_does_not_depend_on_gain(layers):
    noisy = layers * np.random.default_rng(0).normal(1, 0.05, layers.shape).astype(np.float32)
    images = {"t1w": noisy, "t2w": np.where(noisy > 0, 12 - noisy, 0)}
    found = appearances(images)
    louder = appearances({contrast: 7 * image for contrast, image in images.items()})
    assert list(found) == ["t1w", "t2w"]
    assert found["t1w"].numbers == pytest.approx(louder["t1w"].numbers, rel=1e-4)
    assert found["t1w"].numbers["grey_white_ratio"] == pytest.approx(0.5, rel=0.03)
    # T1w of 1, 5 and 10 are T2w of 11, 7 and 2.
    assert found["t2w"].numbers["csf_white_ratio"] == pytest.approx(11 / 2, rel=0.1)
    assert np.percentile(found["t2w"].intensities, 95) == pytest.approx(1)
    assert found["t1w"].intensities.shape == (3 * 5 * 7 * 7,)
    edges = [found["t1w"].numbers[f"edge_p{level}"] for level in (50, 90, 99)]
    assert edges == sorted(edges)


def test_image_without_tissue_contrast_is_refused():
    with pytest.raises(InputError, match="must show CSF, grey and white matter, but no .* stands out by brightness"):
        appearances({"t1w": np.ones((9, 9, 9), dtype=np.float32)})
