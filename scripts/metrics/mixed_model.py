"""Intra-class correlation from a linear mixed model with one random intercept per subject (HACA3, Table 2)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from ..base.errors import InputError


class VarianceComponents(NamedTuple):
    """Variance between subjects, s_b^2, and of the error, s_e^2."""

    between: float
    error: float

    @property
    def icc(self) -> float:
        """s_b^2 / (s_b^2 + s_e^2); NaN when nothing varies at all."""
        total = self.between + self.error
        return self.between / total if total > 0.0 else float("nan")


def intraclass_correlation(
    values: Sequence[float] | np.ndarray, subjects: Sequence[str], covariates: np.ndarray | None = None
) -> float:
    """Share of the variance that is due to real differences between subjects.

    Model: y_ij = x_ij a + b_j + e_ij for scan i of subject j, with b_j ~ N(0, s_b^2) and e_ij ~ N(0, s_e^2).
    Formula: ICC = s_b^2 / (s_b^2 + s_e^2). Range: 0 to 1; higher is better, a harmonized study being near 1.
    """
    return variance_components(values, subjects, covariates).icc


def variance_components(
    values: Sequence[float] | np.ndarray, subjects: Sequence[str], covariates: np.ndarray | None = None
) -> VarianceComponents:
    """Fit the model by restricted maximum likelihood.

    `values` is (n,), `covariates` (n, k) fixed effects beside the intercept, for instance age. Given the ICC, all other
    parameters have closed forms, so the search is over one number.
    """
    y = np.asarray(values, dtype=np.float64)
    groups = np.unique(np.asarray(subjects), return_inverse=True)[1]
    n_subjects = groups.max() + 1
    if not 2 <= n_subjects < len(y):
        raise InputError(
            f"ICC needs at least 2 subjects, one of them scanned twice, got {n_subjects} subjects and {len(y)} scans"
        )
    fixed = [np.ones((len(y), 1))] if covariates is None else [np.ones((len(y), 1)), covariates.reshape(len(y), -1)]
    design = np.concatenate(fixed, axis=1)
    unit = y.std()
    if unit == 0.0:
        return VarianceComponents(0.0, 0.0)
    # A tiny but positive error keeps the logarithms finite where scans of one subject agree exactly.
    best = minimize_scalar(
        lambda icc: _fit(icc, y / unit, design, groups)[0],
        bounds=(0.0, 1.0 - 1e-9),
        method="bounded",
        options={"xatol": 1e-8},
    ).x
    icc = min((0.0, float(best)), key=lambda candidate: _fit(candidate, y / unit, design, groups)[0])
    total = _fit(icc, y / unit, design, groups)[1] * unit**2 / (1.0 - icc)
    return VarianceComponents(icc * total, (1.0 - icc) * total)


def _fit(icc: float, y: np.ndarray, design: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """Minus twice the restricted log-likelihood, up to a constant, and s_e^2, both for a given ICC."""
    ratio = icc / (1.0 - icc)  # s_b^2 / s_e^2
    counts = np.bincount(groups)
    shrinkage = ratio / (1.0 + counts * ratio)

    def whiten(columns: np.ndarray) -> np.ndarray:
        """Multiply by the inverse of I + ratio Z Z', which is block-wise I - shrinkage 1 1'."""
        sums = np.stack([np.bincount(groups, weights=column) for column in columns.T], axis=1)
        return columns - (shrinkage[:, None] * sums)[groups]

    precision = design.T @ whiten(design)
    effects = np.linalg.solve(precision, whiten(design).T @ y)
    residual = (y - design @ effects)[:, None]
    freedom = len(y) - design.shape[1]
    error = max(float((residual.T @ whiten(residual))[0, 0]) / freedom, np.finfo(np.float64).tiny)
    criterion = freedom * np.log(error) + np.log1p(counts * ratio).sum() + np.linalg.slogdet(precision)[1]
    return float(criterion), error
