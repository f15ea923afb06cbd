"""How well the site can be told from an image: a probe that is retrained on each method's outputs."""

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import fft
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..base.errors import InputError


class ProbeResult(NamedTuple):
    """Accuracies in [0, 1] (nearer to chance is better) with the chance level of each, and what they rest on."""

    accuracy: float
    accuracy_chance: float
    balanced_accuracy: float
    balanced_chance: float
    n_images: int
    n_sites: int
    n_subjects: int


def image_features(
    image: np.ndarray, mask: np.ndarray, n_quantiles: int = 19, n_gradients: int = 9, n_bands: int = 16
) -> np.ndarray:
    """Describe brightness, sharpness and texture inside `mask` by n_quantiles + n_gradients + n_bands numbers.

    Evenly spaced quantiles of intensity, then of gradient magnitude, then the logarithm of the mean spectral power in
    `n_bands` rings from 0 to 0.5 cycles per voxel, relative to the total power.
    """
    inside = np.where(mask, image, 0.0).astype(np.float32)
    gradient = np.sqrt(sum(np.square(slope) for slope in np.gradient(inside)))
    return np.concatenate(
        [
            np.quantile(inside[mask], _even_levels(n_quantiles)),
            np.quantile(gradient[mask], _even_levels(n_gradients)),
            _band_powers(inside, n_bands),
        ]
    )


def site_accuracy(
    features: np.ndarray,
    sites: Sequence[str],
    subjects: Sequence[str],
    folds: int = 5,
    regularization: float = 1.0,
    max_iterations: int = 5000,
) -> ProbeResult:
    """Train a logistic regression on standardized features (n, k) and test it on subjects it has not seen.

    Accuracy is the share of images whose site is named right, its chance level that of always naming the most frequent
    site; balanced accuracy is the mean over sites, its chance level 1 / number of sites. Sites that a single subject
    visited are left out, since no other subject could teach them. `folds` is lowered to the number of subjects.
    """
    keep = learnable_sites(sites, subjects)
    chosen = [index for index, site in enumerate(sites) if site in keep]
    x = np.asarray(features, dtype=np.float64)[chosen]
    labels, groups = np.asarray(sites)[chosen], np.asarray(subjects)[chosen]
    if len(keep) < 2:
        raise InputError(f"a site probe needs at least 2 sites that 2 subjects visited, got {len(keep)}")
    model = make_pipeline(StandardScaler(), LogisticRegression(C=regularization, max_iter=max_iterations))
    splits = GroupKFold(n_splits=min(folds, len(set(groups))))
    predicted = cross_val_predict(model, x, labels, groups=groups, cv=splits)
    counts = np.unique(labels, return_counts=True)[1]
    return ProbeResult(
        accuracy=float(accuracy_score(labels, predicted)),
        accuracy_chance=float(counts.max() / counts.sum()),
        balanced_accuracy=float(balanced_accuracy_score(labels, predicted)),
        balanced_chance=1.0 / len(counts),
        n_images=len(labels),
        n_sites=len(counts),
        n_subjects=len(set(groups)),
    )


def learnable_sites(sites: Sequence[str], subjects: Sequence[str]) -> set[str]:
    """Sites that at least two subjects visited."""
    visitors: dict[str, set[str]] = defaultdict(set)
    for site, subject in zip(sites, subjects, strict=True):
        visitors[site].add(subject)
    return {site for site, who in visitors.items() if len(who) >= 2}


def _even_levels(count: int) -> np.ndarray:
    return np.arange(1, count + 1) / (count + 1)


def _band_powers(image: np.ndarray, n_bands: int) -> np.ndarray:
    power = np.square(np.abs(fft.rfftn(image)))
    bands = _frequency_bands(image.shape, n_bands)
    counts = np.bincount(bands, minlength=n_bands + 1)[:n_bands]
    means = np.bincount(bands, weights=power.ravel(), minlength=n_bands + 1)[:n_bands] / np.maximum(counts, 1)
    # The floor stands for "no power at all", as in a ring that a tiny image has no frequency in.
    return np.log(np.maximum(means / power.sum(), np.finfo(np.float32).tiny))


@lru_cache(maxsize=4)
def _frequency_bands(shape: tuple[int, ...], n_bands: int) -> np.ndarray:
    """Ring of every frequency of `rfftn`; `n_bands` stands for those beyond 0.5 cycles per voxel."""
    axes = [fft.fftfreq(length) for length in shape[:-1]] + [fft.rfftfreq(shape[-1])]
    radius = np.sqrt(sum(np.square(axis) for axis in np.meshgrid(*axes, indexing="ij", sparse=True)))
    return np.minimum((radius * 2 * n_bands).astype(np.intp), n_bands).ravel()
