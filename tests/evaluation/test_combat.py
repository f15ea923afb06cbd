import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.evaluation.combat import batch_effect, combat

BATCH = ["a", "a", "b", "b"]
COLUMN = np.array([1.0, 3.0, 6.0, 10.0])


def test_values_by_hand():
    # Both features show the same batch effects, so the priors are exact and nothing is shrunk. Means 2 and 8 go to
    # their mean 5; deviations sqrt(2) and sqrt(8) go to the residual one, sqrt((1 + 1 + 4 + 4) / 4).
    harmonized = combat(np.stack([COLUMN, 10 * COLUMN + 7], axis=1), BATCH)
    expected = 5 + np.sqrt(2.5) / np.sqrt(2) * np.array([-1, 1, -1, 1])
    np.testing.assert_allclose(harmonized, np.stack([expected, 10 * expected + 7], axis=1))


def test_location_is_drawn_to_the_batch_mean_by_hand():
    # Locations 0 and 2, so gamma_bar = 1 and tau^2 = 2; both scales 2, which therefore stay 2. With n = 2:
    # gamma = (2 * 2 * location + 2 * 1) / (2 * 2 + 2) = 1/3 and 5/3.
    gamma, delta_squared = batch_effect(np.array([[-1.0, 1.0], [1.0, 3.0]]))
    np.testing.assert_allclose(gamma, [1 / 3, 5 / 3])
    np.testing.assert_allclose(delta_squared, [2, 2])


def test_scale_is_drawn_to_the_batch_mean_by_hand():
    # Locations 0, so gamma = 0; scales 2 and 8: m = 5, s^2 = 18, lambda = 61/18, theta = 5 * 43/18. With n = 2 and sums
    # of squares 2 and 8: delta^2 = (theta + 1) / lambda and (theta + 4) / lambda.
    _, delta_squared = batch_effect(np.array([[-1.0, -2.0], [1.0, 2.0]]))
    np.testing.assert_allclose(delta_squared, np.array([215 / 18 + 1, 215 / 18 + 4]) / (61 / 18))


def test_batch_effects_go_and_the_covariate_stays():
    rng = np.random.default_rng(0)
    batch = np.repeat(["a", "b", "c"], 40)
    age = rng.uniform(-1, 1, 120)
    truth = 50 + np.outer(age, np.linspace(-5, 5, 6)) + rng.normal(size=(120, 6))
    shift = {"a": 0.0, "b": 8.0, "c": -5.0}
    scale = {"a": 1.0, "b": 3.0, "c": 0.5}
    noise = truth - 50 - np.outer(age, np.linspace(-5, 5, 6))
    seen = truth + np.array([[shift[b]] for b in batch]) + noise * np.array([[scale[b] - 1] for b in batch])

    harmonized = combat(seen, batch, age[:, None])

    design = np.column_stack([np.ones(120), age])
    coefficients = np.linalg.lstsq(design, harmonized, rcond=None)[0]
    np.testing.assert_allclose(coefficients[1], np.linspace(-5, 5, 6), atol=0.9)
    residuals = [(harmonized - design @ coefficients)[batch == name] for name in "abc"]
    np.testing.assert_allclose([r.mean() for r in residuals], 0, atol=0.1)
    stds = np.array([r.std() for r in residuals])
    np.testing.assert_allclose(stds / stds.mean(), 1, atol=0.1)
    assert np.abs([(seen[batch == name] - 50).mean() for name in "bc"]).min() > 4


def test_order_of_samples_does_not_matter():
    features = np.random.default_rng(1).normal(size=(9, 3))
    batch = np.array(list("aabbbccca"))
    order = np.random.default_rng(2).permutation(9)
    np.testing.assert_allclose(combat(features[order], batch[order]), combat(features, batch)[order])


TWO_COLUMNS = np.stack([COLUMN, COLUMN**2], axis=1)


@pytest.mark.parametrize(
    ("features", "batch", "covariates", "words"),
    [
        (TWO_COLUMNS, ["a", "a", "a", "b"], None, "`batch` must give every batch at least two samples, `b` has one"),
        (TWO_COLUMNS, ["a"] * 4, None, "`batch` must name at least two batches, got a"),
        (TWO_COLUMNS[:, :1], BATCH, None, r"`features` must be \(4 samples, 2 or more features\), got shape \(4, 1\)"),
        (TWO_COLUMNS[:3], BATCH, None, r"`features` must be \(4 samples, 2 or more features\), got shape \(3, 2\)"),
        (np.where(TWO_COLUMNS == 1, np.nan, TWO_COLUMNS), BATCH, None, "`features` and `covariates` must be finite"),
        (TWO_COLUMNS, BATCH, COLUMN, r"`covariates` must be \(4 samples, covariates\), got shape \(4,\)"),
        (TWO_COLUMNS, BATCH, np.array([[0], [0], [1], [1]]), "`covariates` must not be a combination of"),
        (TWO_COLUMNS * [1, 0], BATCH, None, "`features` must vary beyond batches and covariates, column 1 does not"),
        (TWO_COLUMNS[[0, 0, 2, 3]], BATCH, None, "must vary inside every batch, the samples of `a` are all equal"),
    ],
)
def test_refusals(features, batch, covariates, words):
    with pytest.raises(InputError, match=words):
        combat(features, batch, covariates)
