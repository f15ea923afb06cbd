"""Rigid registration by normalized mutual information, from many starts and from coarse to fine.

Both images are compared at random points in and around the brain, since jaws and necks move against it. A grid of turns
and shifts is tried on the coarsest pictures; the best go on, fewer at each finer level, each by L-BFGS.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..base.errors import InputError
from .comparison import Comparison, Rules
from .picture import Picture, make_picture
from .pose import RIGID, SCALED, make_pose, rigid_matrix


class Volume(Protocol):
    """Voxels (X, Y, Z) float32 and their voxel-to-world affine (4, 4)."""

    @property
    def voxels(self) -> np.ndarray:
        """The voxels."""

    @property
    def affine(self) -> np.ndarray:
        """The affine."""


@dataclass(frozen=True, eq=False)
class Registered:
    """The `matrix` (4, 4) from the world of the fixed image to that of the moving one, and how well they agree.

    `score` is the normalized mutual information on the pictures on which poses are judged; `overlap` the share of the
    region that the moving image shows.
    """

    matrix: np.ndarray
    score: float
    overlap: float

    def accept(self, lowest_score: float, moving: str, fixed: str) -> None:
        """Refuse a score below the lowest; the message speaks of `moving` and `fixed`."""
        if self.score < lowest_score:
            raise InputError(
                f"{moving} could not be registered to {fixed}: the score must be at least {lowest_score:g}, it is"
                f" {self.score:.4f} with {self.overlap:.0%} of the region in view;"
                " leave it out, or register it yourself and give --registration none"
            )


@dataclass(frozen=True)
class RigidRegistration:
    """Finds the rigid motion between two images of a head.

    First every combination of `turns_deg` about the axes and `shifts_mm` along them is tried, counted from where the
    headers put the images and from where the moving image's center of mass meets that of the region. Then, with voxels
    of each of `sizes_mm` in turn, the best `starts` are improved on `points` points. There is a row of `starts` for a
    try; the next is made where the score of all before stays below `enough`. Scores are those of the pose that is found
    on the finest voxels that are not finer than `judged_mm`: on finer ones noise would count.
    """

    sizes_mm: Sequence[float] = (8.0, 4.0, 2.0, 1.0)
    points: Sequence[int] = (3000, 10000, 15000, 40000)
    starts: Sequence[Sequence[int]] = ((6, 3, 1, 1),)
    turns_deg: Sequence[float] = (-25.0, 0.0, 25.0)
    shifts_mm: Sequence[float] = (-30.0, 0.0, 30.0)
    iterations: int = 40
    enough: float = 1.035
    judged_mm: float = 2.0
    rules: Rules = field(default_factory=Rules)
    seed: int = 0

    def __call__(self, fixed: Volume, moving: Volume, region: np.ndarray, scaled: bool = False) -> Registered:
        """Register where `region` (3, N) is, world points of `fixed`.

        With `scaled`, sizes along the axes are estimated too and then left out: two people's brains differ in size.
        """
        # Also where the caller goes without gradients.
        with torch.inference_mode(False), torch.enable_grad():
            found: list[Registered] = []
            for starts in self.starts:
                found.append(self._register(fixed, moving, torch.from_numpy(region), scaled, starts))
                if found[-1].score >= self.enough:
                    break
            return max(found, key=lambda one: one.score)

    def _register(
        self, fixed: Volume, moving: Volume, where: Tensor, scaled: bool, starts: Sequence[int]
    ) -> Registered:
        generator = torch.Generator().manual_seed(self.seed)
        center = where.mean(dim=1, keepdim=True)
        poses, judge = torch.empty(0), None
        for size_mm, points, count in zip(self.sizes_mm, self.points, starts, strict=True):
            pictures = [make_picture(each.voxels, each.affine, size_mm) for each in (fixed, moving)]
            drawn = where[:, torch.randint(where.shape[1], (points,), generator=generator)]
            comparison = Comparison(pictures[0], pictures[1], drawn, center, self.rules)
            tried = poses if len(poses) else self._starts(pictures[1], center, SCALED if scaled else RIGID)
            poses = torch.stack([comparison.climb(pose, self.iterations) for pose in comparison.best(tried, count)])
            if size_mm >= self.judged_mm:
                judge = comparison
        (pose,) = comparison.best(poses, 1)
        return Registered(rigid_matrix(pose, center), *(judge or comparison).judge(pose))

    def _starts(self, moving: Picture, center: Tensor, size: int) -> Tensor:
        """Poses (B, size)."""
        offsets = (torch.zeros(3), (moving.center_of_mass() - center)[:, 0])
        poses = [
            make_pose(turn, (offset + torch.tensor(shift)).tolist(), size)
            for offset in offsets
            for turn in product(self.turns_deg, repeat=3)
            for shift in product(self.shifts_mm, repeat=3)
        ]
        return torch.stack(poses)
