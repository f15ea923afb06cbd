import numpy as np
import pytest

from scripts.metrics.statistics import benjamini_hochberg, bonferroni, paired_t_test, paired_wilcoxon


def test_wilcoxon_of_consistent_differences_by_hand() -> None:
    # Five positive differences: all signs alike has probability 2 / 2^5.
    assert paired_wilcoxon([2.0, 4.0, 6.0, 8.0, 10.0], [1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2 / 32)


def test_wilcoxon_of_equal_samples_is_one() -> None:
    assert paired_wilcoxon([1.0, 2.0], [1.0, 2.0]) == 1.0


def test_t_test_of_two_pairs_by_hand() -> None:
    # Differences 1 and 3: t = 2 / (sqrt(2) / sqrt(2)) = 2; with one degree of freedom p = 1 - 2 atan(t) / pi.
    assert paired_t_test([2.0, 5.0], [1.0, 2.0]) == pytest.approx(1 - 2 * np.arctan(2.0) / np.pi)


def test_t_test_where_its_statistic_is_not_defined() -> None:
    assert paired_t_test([1.0, 2.0], [1.0, 2.0]) == 1.0
    assert paired_t_test([2.0, 3.0], [1.0, 2.0]) == 0.0
    assert np.isnan(paired_t_test([2.0], [1.0]))


def test_bonferroni_by_hand() -> None:
    np.testing.assert_allclose(bonferroni([0.01, 0.2, 0.5]), [0.03, 0.6, 1.0])


def test_benjamini_hochberg_by_hand() -> None:
    # Sorted: 0.01 * 4 / 1, 0.02 * 4 / 2, 0.03 * 4 / 3, 0.5 * 4 / 4, then made monotone from the right.
    np.testing.assert_allclose(benjamini_hochberg([0.03, 0.01, 0.5, 0.02]), [0.04, 0.04, 0.5, 0.04])


@pytest.mark.parametrize("correct", [bonferroni, benjamini_hochberg])
def test_no_tests_need_no_correction(correct) -> None:
    assert len(correct([])) == 0
