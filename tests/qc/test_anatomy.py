import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.base.regions import REGIONS
from scripts.metrics.segmentation import TissueSegmenter
from scripts.qc.anatomy import largest_change, region_changes, tissue_segmenter
from scripts.qc.comparison import compare
from scripts.qc.findings import anatomy
from scripts.qc.part import Figures, Look, Part
from scripts.qc.verdicts import Limits

from .small_subject import CUBE, harmonized, small_subject, textured

FIRST, SECOND, *OTHERS = REGIONS


def by_brightness(image: np.ndarray) -> np.ndarray:
    """The first region where it is bright, the second where it shines."""
    return (image > 1).astype(np.uint8) + (image > 2)


def test_volumes_are_milliliters_before_and_after():
    before, after = 1.5 * CUBE, 1.5 * CUBE
    before[3:9, 3:9, 3] = after[3:9, 3:9, 3:5] = 3
    changes = region_changes(by_brightness, before, after)
    # The cube has 216 voxels of 1 mm in 6 layers of 36.
    assert changes[FIRST] == pytest.approx((0.180, 0.144)) and changes[SECOND] == pytest.approx((0.036, 0.072))
    assert all(changes[name] == (0, 0) for name in OTHERS)
    assert largest_change(changes) == pytest.approx(1.0)


def test_an_image_that_cannot_be_segmented_has_no_volumes():
    def refuse(image: np.ndarray) -> np.ndarray:
        raise InputError("too small")

    assert region_changes(refuse, textured(), textured()) == {}
    assert largest_change({}) == 0


def test_a_region_that_is_new_has_no_relative_change():
    assert largest_change({FIRST: (0.0, 1.0), SECOND: (2.0, 1.9)}) == pytest.approx(0.05)


def test_the_segmenter_is_that_of_the_evaluation():
    assert tissue_segmenter(2) == TissueSegmenter(voxel_mm=2)


def test_the_page_marks_changes_above_the_limit():
    comparison = compare(small_subject(t1w=textured()), harmonized(textured()), "t1w", "t1w", None)
    regions = {FIRST: (2.0, 2.3), SECOND: (2.0, 2.1)}
    thumbnail = np.zeros((2, 2), np.uint8)
    part = Part(comparison, {}, {"edges": 0.876}, {}, {}, [], {}, regions, thumbnail, Limits(volumes=0.1), Look())
    text = anatomy(part, Figures(lambda name, contrast: ""))
    assert '<td class="number flag">+15.0%</td>' in text and '<td class="number">+5.0%</td>' in text
    assert "agree to 0.88" in text
