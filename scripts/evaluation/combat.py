"""ComBat: removes the location and scale that a batch (a scanner) adds to a table of features.

Johnson, Li & Rabinovic 2007 (Biostatistics 8) for gene expression, Fortin et al. 2018 (NeuroImage 167) for brain
measurements. Feature v of sample j in batch i is modelled as

    y_ijv = alpha_v + x_ij beta_v + gamma_iv + delta_iv e_ijv,    e_ijv ~ N(0, sigma_v^2)

with priors over the features of one batch, gamma_iv ~ N and delta_iv^2 ~ inverse gamma. Batch effects are thereby drawn
towards what the features of a batch have in common, the more so the fewer its samples.
"""

from collections.abc import Sequence

import numpy as np

from ..base.errors import InputError


def combat(features: np.ndarray, batch: Sequence[str], covariates: np.ndarray | None = None) -> np.ndarray:
    """Return the features (samples, features) without batch effects: (z - gamma) / delta * sigma + alpha + x beta.

    `batch` names the batch of each sample. `covariates` (samples, covariates) are numbers whose effect is kept, such as
    age or subject dummies; a constant term is not one of them.
    """
    features = np.asarray(features, dtype=float)
    names, batch_of = np.unique(np.asarray(batch, dtype=str), return_inverse=True)
    covariates = np.empty((len(batch_of), 0)) if covariates is None else np.asarray(covariates, dtype=float)
    _check(features, names, batch_of, covariates)

    members = np.eye(len(names))[batch_of]
    design = np.hstack([members, covariates])
    coefficients = np.linalg.lstsq(design, features, rcond=None)[0]
    batch_means, beta = np.split(coefficients, [len(names)])
    kept = members.mean(axis=0) @ batch_means + covariates @ beta
    sigma = np.sqrt(np.mean((features - design @ coefficients) ** 2, axis=0))
    # A residual of rounding alone counts as none.
    unvaried = np.flatnonzero(sigma <= 1e-10 * np.abs(features).max(axis=0))
    if unvaried.size:
        raise InputError(f"`features` must vary beyond batches and covariates, column {unvaried[0]} does not")

    standardized = (features - kept) / sigma
    for index in range(len(names)):
        of_batch = batch_of == index
        gamma, delta_squared = batch_effect(standardized[of_batch])
        standardized[of_batch] = (standardized[of_batch] - gamma) / np.sqrt(delta_squared)
    return standardized * sigma + kept


def batch_effect(z: np.ndarray, tolerance: float = 1e-8, iterations: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Posterior location gamma (features,) and squared scale delta^2 (features,) of one batch's z (samples, features).

    The priors' moments are those of the features' own locations and scales. The two conditional expectations

        gamma   = (n tau^2 mean(z) + delta^2 gamma_bar) / (n tau^2 + delta^2)
        delta^2 = (theta + sum (z - gamma)^2 / 2) / (lambda + n / 2 - 1)

    are iterated to their fixed point; lambda = m^2 / s^2 + 2 and theta = m (lambda - 1) come from the mean m and the
    variance s^2 of the squared scales. The code multiplies numerator and denominator by s^2, which may be 0.
    """
    n, location, scale = len(z), z.mean(axis=0), z.var(axis=0, ddof=1)
    gamma_bar, tau_squared = location.mean(), location.var(ddof=1)
    m, s_squared = scale.mean(), scale.var(ddof=1)
    gamma, delta_squared = location, scale
    for _ in range(iterations):
        previous = np.stack([gamma, delta_squared])
        gamma = (n * tau_squared * location + delta_squared * gamma_bar) / (n * tau_squared + delta_squared)
        half_squares = ((z - gamma) ** 2).sum(axis=0) / 2
        delta_squared = (m * (m**2 + s_squared) + s_squared * half_squares) / (m**2 + s_squared * (1 + n / 2))
        if np.allclose([gamma, delta_squared], previous, rtol=tolerance, atol=tolerance):
            return gamma, delta_squared
    raise InputError(f"the batch effects of `features` must converge, they did not in {iterations} iterations")


def _check(features: np.ndarray, names: np.ndarray, batch_of: np.ndarray, covariates: np.ndarray) -> None:
    samples = len(batch_of)
    if features.ndim != 2 or features.shape[1] < 2 or len(features) != samples:
        raise InputError(f"`features` must be ({samples} samples, 2 or more features), got shape {features.shape}")
    if covariates.ndim != 2 or len(covariates) != samples:
        raise InputError(f"`covariates` must be ({samples} samples, covariates), got shape {covariates.shape}")
    if not (np.isfinite(features).all() and np.isfinite(covariates).all()):
        raise InputError("`features` and `covariates` must be finite, but hold NaN or infinity")
    if len(names) < 2:
        raise InputError(f"`batch` must name at least two batches, got {', '.join(names)}")
    sizes = np.bincount(batch_of)
    if sizes.min() < 2:
        raise InputError(f"`batch` must give every batch at least two samples, `{names[sizes.argmin()]}` has one")
    for index, name in enumerate(names):
        if not np.ptp(features[batch_of == index], axis=0).any():
            raise InputError(f"`features` must vary inside every batch, the samples of `{name}` are all equal")
    design = np.hstack([np.eye(len(names))[batch_of], covariates])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise InputError("`covariates` must not be a combination of each other and of the batches, but one is")
