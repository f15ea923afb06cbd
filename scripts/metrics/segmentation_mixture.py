"""The intensities: one Gaussian per structure and a smooth gain field, fitted by expectation maximisation."""

from itertools import product

import numpy as np
import torch

from ..images.grid import GRID_SHAPE
from .segmentation_atlas import STRUCTURES

OUTSIDE = STRUCTURES.index("outside")
FLUIDS = [STRUCTURES.index(name) for name in ("ventricles", "sulcal_fluid")]

# Structures of like tissue share one Gaussian; the atlas alone tells them apart.
TIED = [STRUCTURES.index(name) for name in ("caudate", "putamen")]

# The histogram outside the brain: bins up to this brightness, relative to the image's 99th percentile.
_BINS, _BRIGHTEST = 32, 1.6


def gain_basis(points: torch.Tensor, order: int) -> torch.Tensor:
    """Products of Legendre polynomials up to total degree `order` at points (N, 3); (N, P), the first is constant."""
    x = (2 * points + 1) / torch.tensor(GRID_SHAPE) - 1
    legendre = [torch.ones_like(x), x]
    for n in range(1, order):
        legendre.append(((2 * n + 1) * x * legendre[n] - n * legendre[n - 1]) / (n + 1))
    degrees = (d for d in product(range(order + 1), repeat=3) if sum(d) <= order)
    return torch.stack([legendre[i][:, 0] * legendre[j][:, 1] * legendre[k][:, 2] for i, j, k in degrees], dim=1)


class Mixture:
    """p(value | structure k) = Normal(value; gain(x) mean_k, variance_k); outside the brain a density in steps.

    That density is flat for a skull-stripped image and a fitted histogram for a whole head.
    Fluid and outside are equally likely where the image is dark (removed with the skull, or without signal); tissue
    has only `dark_density` there. Each variance is pulled to the pooled one as if `variance_pull` of all points
    had it, which keeps the Gaussians of small structures from swallowing their neighbours.
    """

    def __init__(
        self,
        gain_order: int,
        outside_density: float,
        dark_density: float,
        variance_pull: float,
        least_sd: float,
        whole_head: bool,
    ) -> None:
        """Keep the settings; the first `update` finds means, variances, gain and, in a whole head, the histogram."""
        self.outside_densities = torch.full((_BINS,), outside_density)
        self.whole_head = whole_head
        self.dark_density = dark_density
        self.variance_pull = variance_pull
        self.least_variance = least_sd**2
        self.means = torch.zeros(len(STRUCTURES))
        self.variances = torch.ones(len(STRUCTURES))
        terms = (gain_order + 1) * (gain_order + 2) * (gain_order + 3) // 6
        self.coefficients = torch.eye(terms)[0]

    def likelihood(self, values: torch.Tensor, basis: torch.Tensor, dark: torch.Tensor) -> torch.Tensor:
        """Density of each value under each structure, (K, N)."""
        deviation = values - (basis @ self.coefficients) * self.means[:, None]
        peak = (2 * np.pi * self.variances[:, None]).rsqrt()
        density = peak * torch.exp(-0.5 * deviation.square() / self.variances[:, None])
        density[OUTSIDE] = self.outside_densities[_bin(values)]
        density[:, dark] = self.dark_density
        for structure in (OUTSIDE, *FLUIDS):
            density[structure, dark] = 1.0
        return density

    def update(self, values: torch.Tensor, basis: torch.Tensor, posterior: torch.Tensor) -> None:
        """M-step, given the posterior (K, N) of points that are not dark."""
        self._update_gaussians(values, basis @ self.coefficients, posterior)
        self._update_gain(values, basis, posterior)
        if self.whole_head:
            counts = torch.bincount(_bin(values), weights=posterior[OUTSIDE], minlength=_BINS) + 1.0
            self.outside_densities = counts / counts.sum() * (_BINS / _BRIGHTEST)

    def _update_gaussians(self, values: torch.Tensor, gain: torch.Tensor, posterior: torch.Tensor) -> None:
        self.means = _tie(posterior @ (values * gain)) / _tie(posterior @ gain.square()).clamp_min(1e-6)
        squares = _tie((posterior * (values - gain * self.means[:, None]).square()).sum(dim=1))
        mass = _tie(posterior.sum(dim=1))
        pooled = squares[:OUTSIDE].sum() / mass[:OUTSIDE].sum()
        pull = self.variance_pull * posterior.shape[1]
        self.variances = (squares + pull * pooled) / (mass + pull) + self.least_variance

    def _update_gain(self, values: torch.Tensor, basis: torch.Tensor, posterior: torch.Tensor) -> None:
        """Weighted least squares: min over gain of sum_k posterior_k (value - gain mean_k)^2 / variance_k."""
        weight = posterior / self.variances[:, None]
        weight[OUTSIDE] = 0
        curvature = self.means.square() @ weight
        normal = basis.T @ (curvature[:, None] * basis)
        ridge = 1e-4 * normal[0, 0] * torch.eye(len(normal))
        solved = torch.linalg.solve(normal + ridge, basis.T @ ((self.means @ weight) * values))
        # Gain and means share one scale: the gain has mean 1.
        scale = (basis @ solved).mean()
        self.coefficients, self.means = solved / scale, self.means * scale


def _bin(values: torch.Tensor) -> torch.Tensor:
    return (values * (_BINS / _BRIGHTEST)).long().clamp(0, _BINS - 1)


def _tie(sums: torch.Tensor) -> torch.Tensor:
    tied = sums.clone()
    tied[TIED] = sums[TIED].sum()
    return tied
