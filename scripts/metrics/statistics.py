"""Paired tests between two methods and their correction for many comparisons."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import false_discovery_control, ttest_rel, wilcoxon


def paired_wilcoxon(first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray) -> float:
    """Two-sided p-value of the Wilcoxon signed-rank test on pairs, by scipy.

    Range: 0 to 1; lower is stronger evidence that the two differ. 1 where no pair differs.
    """
    differences = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    return float(wilcoxon(differences).pvalue) if np.any(differences) else 1.0


def paired_t_test(first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray) -> float:
    """Two-sided p-value of Student's t-test on pairs, by scipy.

    Range: 0 to 1; lower is stronger evidence that the means differ. 1 where no pair differs, NaN for a single pair, 0
    where all differ by the same.
    """
    differences = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    if not np.any(differences):
        return 1.0
    if len(differences) < 2:
        return float("nan")
    return 0.0 if np.ptp(differences) == 0 else float(ttest_rel(differences, np.zeros_like(differences)).pvalue)


def bonferroni(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Family-wise correction. Formula: min(1, m p) for m tests. Range: 0 to 1."""
    p_values = np.asarray(p_values, dtype=np.float64)
    return np.minimum(p_values * len(p_values), 1.0)


def benjamini_hochberg(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Correction for the false discovery rate, by scipy. Formula: min over j >= rank of m p_(j) / j. Range: 0 to 1."""
    p_values = np.asarray(p_values, dtype=np.float64)
    return false_discovery_control(p_values, method="bh") if len(p_values) else p_values
