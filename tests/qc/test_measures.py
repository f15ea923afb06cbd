import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.base.regions import REGIONS
from scripts.metrics.segmentation import TissueSegmenter
from scripts.qc.comparison import Box, Comparison
from scripts.qc.measures import MEASURES, largest_change, measure, region_changes, share_cut_off, tissue_segmenter

from .small_subject import CUBE, textured

FIRST, SECOND, *OTHERS = REGIONS


def compared(before: np.ndarray | None, after: np.ndarray, target: np.ndarray | None = None) -> Comparison:
    sources = {} if before is None else {"t1w": before}
    box = Box((0, 0, 0), (4, 4, 4))
    return Comparison("t1w", box, sources, after, target, np.ones((4, 4, 4), bool), None, None, {}, None)


def ramp() -> np.ndarray:
    return np.indices((4, 4, 4))[0].astype(np.float32) ** 2 + 1


def test_change_is_the_mean_difference_from_the_source():
    values = measure(compared(np.full((4, 4, 4), 0.5), np.full((4, 4, 4), 0.7)), {})
    assert values["change"] == pytest.approx(0.2)


def test_edges_that_stay_correlate_whatever_the_contrast():
    assert measure(compared(ramp(), 5 - 0.1 * ramp()), {})["edges"] == pytest.approx(1)
    assert abs(measure(compared(ramp(), ramp().transpose(1, 0, 2)), {})["edges"]) < 1e-6
    assert measure(compared(np.ones((4, 4, 4)), ramp()), {})["edges"] == 0


def test_histograms_are_apart_by_how_far_one_must_be_moved():
    values = measure(compared(ramp() + 3, ramp() + 1, ramp()), {})
    assert values["histogram_before"] == pytest.approx(3)
    assert values["histogram_after"] == pytest.approx(1)


def test_what_sidecars_found_is_taken_over():
    found = {"sources": {"t1w": {"severity": 0.2}, "flair": {"severity": 0.9}}, "imputed_share": 0.125}
    values = measure(compared(np.ones((4, 4, 4)), ramp()), found)
    assert (values["severity"], values["imputed"]) == (0.9, 0.125)


def test_what_is_cut_off_is_a_share_of_the_volume_whatever_the_size_of_voxels():
    # 64 mm^3 are on the working grid.
    assert share_cut_off(ramp(), 0, 8.0) == 0
    assert share_cut_off(ramp(), 64, 1.0) == share_cut_off(ramp(), 8, 8.0) == 0.5
    assert share_cut_off(np.zeros((4, 4, 4)), 8, 1.0) == 1


def test_a_contrast_without_a_source_has_nothing_to_be_compared_with():
    assert set(measure(compared(None, ramp(), ramp()), {})) == {"histogram_after"}


def test_every_measure_says_how_it_is_read():
    assert all(entry.label and entry.meaning for entry in MEASURES.values())
    assert (MEASURES["change"].text(0.1234), MEASURES["edges"].text(0.987)) == ("12.3 %", "0.99")


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
