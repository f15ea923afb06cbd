import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.metrics.site_probe import image_features, learnable_sites, site_accuracy

SHAPE = (16, 16, 16)
EVERYWHERE = np.ones(SHAPE, dtype=bool)


def cohort(separation: float) -> tuple[np.ndarray, list[str], list[str]]:
    """Six subjects at three sites each; `separation` is how far apart the sites are, in units of noise."""
    random = np.random.default_rng(0)
    pairs = [(f"sub-{s}", f"site-{t}") for s in range(6) for t in range(3)]
    features = np.array([separation * np.eye(3)[int(site[-1])] for _, site in pairs]) + random.standard_normal((18, 3))
    return features, [site for _, site in pairs], [subject for subject, _ in pairs]


def test_intensity_quantiles_come_first() -> None:
    image = np.linspace(0.0, 1.0, 16**3).reshape(SHAPE)
    np.testing.assert_allclose(image_features(image, EVERYWHERE, 3, 1, 4)[:3], [0.25, 0.5, 0.75], atol=1e-3)


def test_gradient_of_a_ramp_is_its_slope() -> None:
    ramp = np.broadcast_to(0.1 * np.arange(16.0).reshape(16, 1, 1), SHAPE)
    assert image_features(ramp, EVERYWHERE, 1, 1, 4)[1] == pytest.approx(0.1)


def test_a_wave_fills_the_band_of_its_frequency() -> None:
    # 6 periods in 16 voxels are 0.375 cycles per voxel: the upper edge of band 2 and so the start of band 3 of 4.
    wave = np.broadcast_to(np.cos(2 * np.pi * 6 * np.arange(16.0) / 16).reshape(16, 1, 1), SHAPE)
    bands = image_features(wave, EVERYWHERE, 1, 1, 4)[2:]
    assert np.argmax(bands) == 3
    assert bands[3] - np.sort(bands)[-2] > 10.0


def test_features_do_not_see_outside_the_mask() -> None:
    image = np.random.default_rng(0).random(SHAPE)
    mask = np.zeros(SHAPE, dtype=bool)
    mask[4:12, 4:12, 4:12] = True
    np.testing.assert_array_equal(image_features(image, mask), image_features(np.where(mask, image, 9.0), mask))


def test_separated_sites_are_recognised_and_equal_ones_are_not() -> None:
    apart, together = site_accuracy(*cohort(20.0)), site_accuracy(*cohort(0.0))
    assert apart.accuracy == 1.0
    assert apart.balanced_accuracy == pytest.approx(1.0)
    assert together.accuracy < 0.7
    assert (apart.n_images, apart.n_sites, apart.n_subjects) == (18, 3, 6)


def test_chance_levels_by_hand() -> None:
    features, sites, subjects = cohort(1.0)
    # Without two images of site-2, the sites have 6, 6 and 4 images.
    keep = [index for index in range(18) if index not in (2, 5)]
    result = site_accuracy(features[keep], [sites[i] for i in keep], [subjects[i] for i in keep])
    assert result.accuracy_chance == pytest.approx(6 / 16)
    assert result.balanced_chance == pytest.approx(1 / 3)


def test_no_subject_is_in_training_and_test_at_once() -> None:
    # Each subject has a mark of its own and one site only: a probe that saw the subject would always be right.
    features = np.repeat(np.eye(4), 3, axis=0)
    sites, subjects = ["a"] * 6 + ["b"] * 6, [f"sub-{index // 3}" for index in range(12)]
    assert site_accuracy(features, sites, subjects).accuracy <= 0.5


def test_sites_of_a_single_subject_are_left_out() -> None:
    assert learnable_sites(["a", "a", "b", "b"], ["1", "2", "1", "1"]) == {"a"}
    with pytest.raises(InputError, match="at least 2 sites that 2 subjects visited, got 1"):
        site_accuracy(np.zeros((4, 1)), ["a", "a", "b", "b"], ["1", "2", "1", "1"])
