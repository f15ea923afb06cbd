"""One contrast from others, voxel by voxel: what can be had without a network."""

from itertools import combinations_with_replacement

import torch
from torch import Tensor


class VoxelwiseRegression:
    """A polynomial of the sources' intensities, fitted by least squares to voxels of which the wanted one is known.

    It has all products of up to `degree` sources. A person and a scanner whose image is wanted are not known to it but
    by the intensities.
    """

    def __init__(self, degree: int = 3) -> None:
        self.degree = degree
        self.weights = torch.empty(0)

    def fit(self, sources: Tensor, wanted: Tensor) -> "VoxelwiseRegression":
        """Of voxels: `sources` (C, N) and `wanted` (N,)."""
        terms = self._terms(sources)
        self.weights = torch.linalg.lstsq(terms, wanted.double()[:, None]).solution
        return self

    def __call__(self, sources: Tensor) -> Tensor:
        """Voxels (N,) of sources (C, N); none is below 0."""
        return (self._terms(sources) @ self.weights)[:, 0].clamp(min=0).float()

    def _terms(self, sources: Tensor) -> Tensor:
        """All products (N, terms), 1 being the first."""
        voxels = sources.double()
        products = [torch.ones_like(voxels[0])]
        for degree in range(1, self.degree + 1):
            products += [
                voxels[list(chosen)].prod(0) for chosen in combinations_with_replacement(range(len(voxels)), degree)
            ]
        return torch.stack(products, dim=1)
