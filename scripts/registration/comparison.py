"""Two images of a head at one level of detail: how well a pose fits, and the better pose near it."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from .picture import Picture
from .pose import log_sizes, move_points
from .similarity import normalized_mutual_information

# So many points are moved at once: with fewer, calls would take longer than what they do.
_AT_ONCE = 200_000
# The optimizer's tolerances are absolute and made for larger values.
_GAIN = 1000.0


@dataclass(frozen=True)
class Rules:
    """What is the same at every level of detail.

    `bins` of the joint histogram. A pose that leaves less than `least_overlap` of the points in the field of view is
    worth nothing: the fewer points, the more they agree by chance. Each size that is estimated costs `size_weight`
    times the square of the logarithm of its ratio to `usual_size`, so that none runs away where an image tells little.
    """

    bins: int = 32
    least_overlap: float = 0.3
    usual_size: float = 0.93
    size_weight: float = 0.3


@dataclass(frozen=True, eq=False)
class Comparison:
    """Of `fixed` and `moving` at the world points (3, N) of `fixed`, turned about `center` (3, 1)."""

    fixed: Picture
    moving: Picture
    points: Tensor
    center: Tensor
    rules: Rules

    @torch.no_grad()
    def judge(self, pose: Tensor) -> tuple[float, float]:
        """Normalized mutual information, and the share of the points that `moving` shows."""
        score, overlap = self._compare(pose)
        return float(score), float(overlap)

    @torch.no_grad()
    def best(self, poses: Tensor, count: int) -> Tensor:
        """Those of the `poses` (B, size) that fit best, the best first, at most `count`."""
        values = [self._value(some) for some in poses.split(max(1, _AT_ONCE // self.points.shape[1]))]
        return poses[torch.cat(values).argsort(descending=True, stable=True)[:count]]

    def climb(self, pose: Tensor, iterations: int) -> Tensor:
        """Improve a pose by L-BFGS."""
        pose = pose.clone().requires_grad_(True)
        optimizer = torch.optim.LBFGS(
            [pose], max_iter=iterations, tolerance_grad=1e-6, tolerance_change=1e-6, line_search_fn="strong_wolfe"
        )

        def loss() -> Tensor:
            optimizer.zero_grad()
            loss = -_GAIN * self._value(pose)
            loss.backward()
            return loss

        optimizer.step(loss)
        return pose.detach()

    @cached_property
    def _seen(self) -> Tensor:
        """What `fixed` shows at the points (N,)."""
        return self.fixed.at(self.points)[0]

    def _value(self, pose: Tensor) -> Tensor:
        """Of each pose (..., size)."""
        excess = log_sizes(pose) - math.log(self.rules.usual_size)
        return self._compare(pose)[0] - self.rules.size_weight * excess.square().sum(dim=-1)

    def _compare(self, pose: Tensor) -> tuple[Tensor, Tensor]:
        """Of each pose (..., size) the measure, 0 where the overlap is too small, and that overlap."""
        moving, inside = self.moving.at(move_points(pose, self.points, self.center))
        overlap = inside.double().mean(dim=-1)
        enough = overlap >= self.rules.least_overlap
        # Where nothing is inside there is nothing to divide by.
        counted = inside | ~enough[..., None]
        score = normalized_mutual_information(self._seen, moving, counted, self.rules.bins)
        return torch.where(enough, score, 0 * score), overlap
