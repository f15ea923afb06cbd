"""From image voxels to template voxels: an affine map plus smooth displacements on ever finer control grids."""

import torch
from torch.nn.functional import grid_sample

from ..images.grid import GRID_SHAPE

# Affine numbers act on distances from the grid's centre in units of this, about half a brain: all twelve are in mm.
_HALF_BRAIN_MM = 80.0


def _sample(volume: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Read (C, X, Y, Z), which fills the working grid, at `points` (N, 3) in grid voxels; gives (C, N)."""
    place = ((2 * points + 1) / torch.tensor(GRID_SHAPE) - 1).flip(-1)
    return grid_sample(volume[None], place[None, None, None], padding_mode="border", align_corners=False)[0, :, 0, 0]


class Warp:
    """Template position = image position + affine displacement + trilinear displacements of all levels, in mm."""

    def __init__(self) -> None:
        """Start as the identity."""
        self.affine = torch.zeros(3, 4)
        self.levels: list[torch.Tensor] = []

    def add_level(self, spacing_mm: float) -> None:
        """Add a control grid of zeros; earlier levels stay adjustable."""
        self.levels.append(torch.zeros(3, *(max(2, round(n / spacing_mm)) for n in GRID_SHAPE)))

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        """Template position of each image point (N, 3), both in grid voxels."""
        centred = (points - torch.tensor(GRID_SHAPE) / 2) / _HALF_BRAIN_MM
        moved = points + centred @ self.affine[:, :3].T + self.affine[:, 3]
        for level in self.levels:
            moved = moved + _sample(level, points).T
        return moved

    def priors(self, atlas: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        """Prior of each structure (K, N) at the image points."""
        return _sample(atlas, self(points))

    def roughness(self) -> torch.Tensor:
        """Mean over the grid of the squared slope (mm per mm) of the displacement, summed over levels."""
        total = torch.zeros(())
        for level in self.levels:
            for axis, size in enumerate(GRID_SHAPE, start=1):
                slope = level.diff(dim=axis) * (level.shape[axis] / size)
                total = total + slope.square().sum(dim=0).mean()
        return total

    def fit(
        self,
        atlas: torch.Tensor,
        points: torch.Tensor,
        likelihood: torch.Tensor,
        steps: int,
        step_mm: float,
        stiffness: float,
        damping: float,
    ) -> None:
        """Climb mean log sum_k prior_k(warped point) likelihood_k - stiffness * roughness in steps of about `step_mm`.

        `damping` is the gradient, in nats per mm over the whole brain, below which a parameter moves less than a step.
        """
        parameters = [self.affine, *self.levels]
        for parameter in parameters:
            parameter.requires_grad_(True)
        groups = [{"params": [parameter], "eps": damping / parameter.numel()} for parameter in parameters]
        # Little memory: the likelihood changes between calls, old gradients mislead.
        optimiser = torch.optim.Adam(groups, lr=step_mm, betas=(0.6, 0.9))
        for _ in range(steps):
            optimiser.zero_grad()
            evidence = (self.priors(atlas, points) * likelihood).sum(dim=0)
            loss = stiffness * self.roughness() - evidence.clamp_min(1e-6).log().mean()
            loss.backward()
            optimiser.step()
        for parameter in parameters:
            parameter.requires_grad_(False)
