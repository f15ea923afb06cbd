import numpy as np
import pytest

from scripts.qc.comparison import Comparison
from scripts.qc.measures import MEASURES, measure
from scripts.qc.planes import Box


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
    found = {
        "sources": {"t1w": {"severity": 0.2}, "flair": {"severity": 0.9}},
        "imputed_share": 0.125,
        "foreground_outside_network_box": 64,
    }
    values = measure(compared(np.ones((4, 4, 4)), ramp()), found)
    assert (values["severity"], values["imputed"], values["outside"]) == (0.9, 0.125, 0.5)


def test_a_contrast_without_a_source_has_nothing_to_be_compared_with():
    assert set(measure(compared(None, ramp(), ramp()), {})) == {"histogram_after"}


def test_every_measure_says_how_it_is_read():
    assert all(entry.label and entry.meaning for entry in MEASURES.values())
    assert (MEASURES["change"].text(0.1234), MEASURES["edges"].text(0.987)) == ("12.3 %", "0.99")
