import math

import numpy as np
import pytest

from scripts.metrics.volumes import anatomy_preservation, coefficient_of_variation, dice, region_volumes

LABELS = np.array([0, 1, 1, 1, 2, 0, 0, 0], dtype=np.uint8).reshape(2, 2, 2)
REFERENCE = np.array([0, 1, 0, 0, 2, 2, 2, 0], dtype=np.uint8).reshape(2, 2, 2)


def test_dice_by_hand() -> None:
    # Region 1: 2 * 1 / (3 + 1); region 2: 2 * 1 / (1 + 3); region 3 is in neither.
    np.testing.assert_allclose(dice(LABELS, REFERENCE, 3), [0.5, 0.5, 1.0])


def test_dice_of_a_region_only_one_map_has_is_zero() -> None:
    np.testing.assert_allclose(dice(LABELS, np.zeros_like(LABELS), 2), [0.0, 0.0])


def test_volumes_count_voxels_in_millimetres() -> None:
    np.testing.assert_allclose(region_volumes(LABELS, 3), [3.0, 1.0, 0.0])
    np.testing.assert_allclose(region_volumes(LABELS, 2, voxel_volume=0.5), [1.5, 0.5])


def test_coefficient_of_variation_by_hand() -> None:
    # Mean 4, squared deviations 4 + 0 + 4: sd 2 with n - 1, sqrt(8 / 3) with n.
    assert coefficient_of_variation([2.0, 4.0, 6.0]) == pytest.approx(0.5)
    assert coefficient_of_variation([2.0, 4.0, 6.0], ddof=0) == pytest.approx(math.sqrt(8 / 3) / 4)


@pytest.mark.parametrize("values", [[], [3.0], [0.0, 0.0], [-1.0, 1.0]])
def test_coefficient_of_variation_is_undefined(values: list[float]) -> None:
    assert math.isnan(coefficient_of_variation(values))


def test_anatomy_preservation_by_hand() -> None:
    assert anatomy_preservation(90.0, 100.0) == pytest.approx(0.9)
    assert anatomy_preservation(110.0, 100.0) == pytest.approx(0.9)
    assert anatomy_preservation(250.0, 100.0) == pytest.approx(-0.5)
    assert math.isnan(anatomy_preservation(1.0, 0.0))
