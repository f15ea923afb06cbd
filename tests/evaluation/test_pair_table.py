import math

import pytest
from scipy.stats import ttest_rel

from scripts.evaluation.measurements import PairMeasurement
from scripts.evaluation.pair_table import PairRow, pair_markdown, pair_table


def measure(method: str, name: str, values: list[float], tissue: str = "", pair: str = "AB") -> list[PairMeasurement]:
    """One value for each subject."""
    return [
        PairMeasurement(method, f"sub-{number:02d}", "t1w", *pair, name, tissue, value)
        for number, value in enumerate(values, start=1)
    ]


MEASUREMENTS = [
    *measure("unharmonized", "similarity", [0.7, 0.8, 0.9]),
    *measure("unharmonized", "similarity", [0.5, 0.6, 0.7], pair="AC"),
    *measure("unharmonized", "difference", [3.0, -4.0, 5.0], "GM"),
    *measure("unharmonized", "difference", [1.0, 1.0, 1.0], "GM", "AC"),
    *measure("unharmonized", "dice", [0.6, 0.6, 0.6], "GM"),
    *measure("mine", "similarity", [0.8, 0.85, 0.99]),
    *measure("mine", "similarity", [0.5, 0.6, 0.7], pair="AC"),
    *measure("mine", "difference", [1.0, -1.0, 1.0], "GM"),
    *measure("mine", "difference", [2.0, 2.0, 2.0], "GM", "AC"),
    *measure("mine", "dice", [0.9, 0.8, 0.7], "GM"),
]


def row(method: str, name: str, pair: str = "A – B") -> PairRow:
    return next(r for r in pair_table(MEASUREMENTS) if (r.method, r.measure, r.pair) == (method, name, pair))


def test_means_by_hand():
    assert (row("unharmonized", "similarity").mean, row("unharmonized", "similarity").sd) == pytest.approx((0.8, 0.1))
    # Absolute values 3, 4 and 5.
    assert (row("unharmonized", "volume_difference").mean, row("unharmonized", "volume_difference").sd) == (4.0, 1.0)
    assert row("unharmonized", "rmse").mean == pytest.approx(math.sqrt(50 / 3))
    assert row("mine", "rmse").mean == 1.0
    assert row("mine", "dice").n_subjects == 3


def test_p_values_are_of_a_paired_t_test_on_what_is_averaged():
    assert row("mine", "volume_difference").p == pytest.approx(ttest_rel([1, 1, 1], [3, 4, 5]).pvalue)
    assert row("mine", "similarity").p == pytest.approx(ttest_rel([0.8, 0.85, 0.99], [0.7, 0.8, 0.9]).pvalue)
    assert row("mine", "similarity", "A – C").p == 1
    assert math.isnan(row("unharmonized", "similarity").p) and math.isnan(row("mine", "rmse").p)


def test_markdown_marks_the_best_and_sums_up():
    text = pair_markdown(pair_table(MEASUREMENTS), significance=0.05)
    assert "| – | mine | **0.880 ± 0.098\\*** |" in text
    assert "| GM | mine | **1.00 ± 0.00\\*** | 2.00 ± 0.00\\* | 1.50 |" in text
    # SSIM .74 after .70; differences (4 + 1) / 2 before and (1 + 2) / 2 after; each is best in one of two pairs.
    assert "| mine | +0.040 | -40% | 1 of 2 |" in text
    assert "| unharmonized | +0.000 | +0% | 1 of 2 |" in text
