"""The default segmenter of the evaluation: a tissue mixture with MNI priors, for one brain image of any contrast.

It behaves like the tools used in multi-site studies: it adapts its intensity model to each image, so what it finds
still depends, moderately, on scanner contrast, noise and sharpness.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import binary_dilation, binary_fill_holes

from ..base.errors import InputError
from ..base.regions import REGIONS
from ..images.grid import GRID_SHAPE
from .segmentation_atlas import build_atlas
from .segmentation_input import relative_intensities
from .segmentation_mixture import OUTSIDE, Mixture, gain_basis
from .segmentation_warp import Warp

# Voxels are labelled in chunks of this many, to bound memory.
_CHUNK = 400_000


@dataclass(frozen=True)
class _Sample:
    """Points (N, 3) of an image in grid voxels, their values, gain basis (N, P) and whether they are dark."""

    points: torch.Tensor
    values: torch.Tensor
    basis: torch.Tensor
    dark: torch.Tensor

    def lit(self) -> "_Sample":
        """Return the points that are not dark."""
        keep = ~self.dark
        return _Sample(self.points[keep], self.values[keep], self.basis[keep], self.dark[keep])


@dataclass(frozen=True)
class TissueSegmenter:
    """Image (X, Y, Z) on the working grid -> label map (X, Y, Z) uint8, 0 or the label of one of the nine `REGIONS`.

    Prior probabilities of the regions, made from the MNI152 tissue maps, are warped onto the image while one Gaussian
    per structure and a smooth gain field are fitted to its intensities. Both maximise the same likelihood, so the
    contrast need not be known. Each voxel then gets its most probable structure. Intensities are relative to the
    image's 99th percentile.
    """

    # Whether fluid outside the ventricles gets a label too, the one after those of the regions.
    sulcal_fluid: bool = False

    # Spacing of the labelled voxels (with 2 or 4 each label fills a block), of the fitted points, of mask and atlas.
    voxel_mm: int = 1
    fit_voxel_mm: int = 4
    mask_voxel_mm: int = 4
    atlas_voxel_mm: int = 2

    # Atlas: softness of outlines and of tissue maps, least prior of fluid, grey and white matter within the brain, and
    # how far beyond the template's brain the image is looked at.
    outline_blur_mm: float = 1.0
    tissue_blur_mm: float = 0.5
    tissue_floor: float = 0.02
    reach_mm: float = 20.0

    # Warp: control grids, added one after the other to the affine part; rounds of intensity and warp for each; steps of
    # the warp in each round and their size in the first; what else `Warp.fit` explains. `outlier_likelihood`, relative
    # to the best structure, is what every structure has at least.
    control_spacings_mm: tuple[float, ...] = (16.0, 8.0)
    rounds: int = 3
    warp_steps: int = 6
    affine_step_mm: float = 1.5
    warp_step_mm: float = 0.5
    stiffness: float = 1.0
    damping: float = 0.01
    outlier_likelihood: float = 1e-3

    # Intensities: degree of the polynomial gain, steps of expectation maximisation per round, and what `Mixture`
    # explains. Up to `dark_level` a voxel has no signal. A whole head is an image with more than `head_fraction` of its
    # signal outside the template's brain.
    gain_order: int = 3
    em_steps: int = 2
    variance_pull: float = 0.05
    least_sd: float = 0.02
    dark_level: float = 0.02
    dark_density: float = 1e-3
    outside_density: float = 0.3
    head_fraction: float = 0.3

    def __post_init__(self) -> None:
        """Refuse spacings that do not fill the grid."""
        for name in ("voxel_mm", "fit_voxel_mm", "mask_voxel_mm", "atlas_voxel_mm"):
            if getattr(self, name) not in (1, 2, 4, 8):
                raise InputError(f"`{name}` must be 1, 2, 4 or 8, got {getattr(self, name)}")
        if self.mask_voxel_mm < self.atlas_voxel_mm:
            raise InputError(
                f"`mask_voxel_mm` must be at least `atlas_voxel_mm` = {self.atlas_voxel_mm}, got {self.mask_voxel_mm}"
            )

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Segment one image."""
        values = relative_intensities(image)
        atlas = build_atlas(self.atlas_voxel_mm, self.outline_blur_mm, self.tissue_blur_mm, self.tissue_floor)
        mask = self._mask(values, atlas)
        priors = torch.from_numpy(atlas)
        fitted = self._sample(values, self._voxels(mask, self.fit_voxel_mm))
        mixture, warp = self._fit(fitted, priors)
        return self._label(values, self._voxels(mask, self.voxel_mm), priors, mixture, warp)

    def _mask(self, values: np.ndarray, atlas: np.ndarray) -> np.ndarray:
        """Blocks of the image that hold signal, and the holes they enclose, near the template's brain."""
        size = self.mask_voxel_mm
        signal = (values > self.dark_level).reshape([s for n in GRID_SHAPE for s in (n // size, size)]).any((1, 3, 5))
        step = size // self.atlas_voxel_mm
        brain = atlas[OUTSIDE, ::step, ::step, ::step] < 0.5
        near = binary_dilation(brain, iterations=max(1, round(self.reach_mm / size)))
        return binary_fill_holes(binary_dilation(signal)) & near

    def _voxels(self, mask: np.ndarray, spacing: int) -> np.ndarray:
        """Grid voxels (N, 3) inside the mask, `spacing` apart."""
        axes = [np.arange(spacing // 2, n, spacing) for n in GRID_SHAPE]
        chosen = mask[np.ix_(*(axis // self.mask_voxel_mm for axis in axes))]
        return np.argwhere(chosen) * spacing + spacing // 2

    def _sample(self, values: np.ndarray, voxels: np.ndarray) -> _Sample:
        points = torch.from_numpy(voxels.astype(np.float32))
        seen = torch.from_numpy(values[tuple(voxels.T)])
        return _Sample(points, seen, gain_basis(points, self.gain_order), seen <= self.dark_level)

    def _fit(self, sample: _Sample, priors: torch.Tensor) -> tuple[Mixture, Warp]:
        """Alternate between the intensities and the warp, which starts as the identity and gets finer by level."""
        warp, lit = Warp(), sample.lit()
        prior = warp.priors(priors, lit.points)
        mixture = Mixture(
            self.gain_order,
            self.outside_density,
            self.dark_density,
            self.variance_pull,
            self.least_sd,
            whole_head=bool(prior[OUTSIDE].mean() > self.head_fraction),
        )
        mixture.update(lit.values, lit.basis, prior)
        for spacing_mm in (None, *self.control_spacings_mm):
            first_step_mm = self.warp_step_mm if spacing_mm else self.affine_step_mm
            if spacing_mm:
                warp.add_level(spacing_mm)
            for step_mm in first_step_mm * np.linspace(1, 0, self.rounds, endpoint=False):
                _improve(mixture, lit, warp.priors(priors, lit.points), self.em_steps)
                likelihood = mixture.likelihood(sample.values, sample.basis, sample.dark)
                likelihood = likelihood / likelihood.max(dim=0).values.clamp_min(1e-12) + self.outlier_likelihood
                warp.fit(priors, sample.points, likelihood, self.warp_steps, step_mm, self.stiffness, self.damping)
        _improve(mixture, lit, warp.priors(priors, lit.points), 2 * self.em_steps)
        return mixture, warp

    def _label(
        self, values: np.ndarray, voxels: np.ndarray, priors: torch.Tensor, mixture: Mixture, warp: Warp
    ) -> np.ndarray:
        """Most probable structure of each voxel; structures that are no region become 0."""
        labels = np.zeros([n // self.voxel_mm for n in GRID_SHAPE], dtype=np.uint8)
        for chunk in np.array_split(voxels, max(1, len(voxels) // _CHUNK)):
            sample = self._sample(values, chunk)
            joint = mixture.likelihood(sample.values, sample.basis, sample.dark) * warp.priors(priors, sample.points)
            label = joint.max(dim=0).indices + 1
            label[label > len(REGIONS) + self.sulcal_fluid] = 0
            labels[tuple((chunk // self.voxel_mm).T)] = label.to(torch.uint8).numpy()
        return labels.repeat(self.voxel_mm, 0).repeat(self.voxel_mm, 1).repeat(self.voxel_mm, 2)


def _improve(mixture: Mixture, lit: _Sample, prior: torch.Tensor, steps: int) -> None:
    """Expectation maximisation of the intensities, the prior (K, N) fixed."""
    for _ in range(steps):
        joint = prior * mixture.likelihood(lit.values, lit.basis, lit.dark)
        mixture.update(lit.values, lit.basis, joint / joint.sum(dim=0).clamp_min(1e-12))
