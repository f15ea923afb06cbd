import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.metrics.mixed_model import intraclass_correlation, variance_components


def anova_icc(table: np.ndarray) -> float:
    """Closed form for a balanced table (subjects, scans), from the two mean squares of a one-way ANOVA."""
    n_subjects, n_scans = table.shape
    between = n_scans * np.var(table.mean(axis=1), ddof=1)
    within = np.sum((table - table.mean(axis=1, keepdims=True)) ** 2) / (n_subjects * (n_scans - 1))
    return max((between - within) / (between + (n_scans - 1) * within), 0.0)


def flatten(table: np.ndarray) -> tuple[np.ndarray, list[str]]:
    return table.ravel(), [f"sub-{row}" for row in range(len(table)) for _ in range(table.shape[1])]


def test_balanced_case_by_hand() -> None:
    # Scans (1, 3) and (5, 7): mean squares 16 and 2, so s_e^2 = 2, s_b^2 = (16 - 2) / 2 = 7 and ICC = 7 / 9.
    values, subjects = flatten(np.array([[1.0, 3.0], [5.0, 7.0]]))
    assert intraclass_correlation(values, subjects) == pytest.approx(7 / 9, abs=1e-5)
    assert variance_components(values, subjects) == pytest.approx((7.0, 2.0), rel=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_balanced_case_agrees_with_anova(seed: int) -> None:
    random = np.random.default_rng(seed)
    table = 1500.0 + 80.0 * random.standard_normal((8, 1)) + 60.0 * random.standard_normal((8, 4))
    assert intraclass_correlation(*flatten(table)) == pytest.approx(anova_icc(table), abs=1e-4)


def test_no_difference_between_subjects_is_zero() -> None:
    values, subjects = flatten(np.array([[1.0, 5.0], [5.0, 1.0], [2.0, 4.0]]))
    assert intraclass_correlation(values, subjects) == 0.0


def test_exact_repetition_is_one() -> None:
    values, subjects = flatten(np.array([[1.0, 1.0], [5.0, 5.0], [9.0, 9.0]]))
    assert intraclass_correlation(values, subjects) == pytest.approx(1.0, abs=1e-6)


def test_constant_values_have_no_correlation() -> None:
    assert np.isnan(intraclass_correlation([2.0] * 4, ["a", "a", "b", "b"]))


def test_unbalanced_case_recovers_the_variances() -> None:
    random = np.random.default_rng(1)
    counts = random.integers(2, 6, 400)
    subjects = np.repeat(np.arange(400), counts)
    values = 2.0 * random.standard_normal(400)[subjects] + random.standard_normal(len(subjects))
    between, error = variance_components(values, subjects.astype(str))
    assert between == pytest.approx(4.0, rel=0.15)
    assert error == pytest.approx(1.0, rel=0.15)


def test_a_covariate_takes_its_share() -> None:
    random = np.random.default_rng(2)
    subjects, age = np.repeat(np.arange(30), 3), np.tile([0.0, 5.0, 10.0], 30)
    values = random.standard_normal(30)[subjects] + 0.5 * age + 0.1 * random.standard_normal(90)
    assert intraclass_correlation(values, subjects.astype(str)) < 0.5
    assert intraclass_correlation(values, subjects.astype(str), age) > 0.95


@pytest.mark.parametrize("subjects", [["a", "a", "a"], ["a", "b", "c"]])
def test_refuses_data_that_cannot_tell_the_variances_apart(subjects: list[str]) -> None:
    with pytest.raises(InputError, match="at least 2 subjects, one of them scanned twice"):
        intraclass_correlation([1.0, 2.0, 3.0], subjects)
