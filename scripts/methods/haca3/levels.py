"""What the few numbers of theta leave unsaid of a contrast that a subject lacks, levels say (not in the papers).

A source that has the target's contrast tells how bright this person's tissues are beside each other. Where there is
none, the target tells it: the network makes its image anew from other images of the same visit, and what each class of
anatomy lacks there is added to that class wherever the contrast is made up. A code with levels is (theta, eta, levels).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from ...base.errors import InputError
from .network import Haca3


@dataclass(frozen=True)
class LevelCalibration:
    """Finds the levels by least squares over pixels where image and anew made image exceed `threshold`.

    `ridge` times the number of pixels holds levels of classes that are hardly seen near 0.
    """

    threshold: float = 0.05
    ridge: float = 1e-4

    def __post_init__(self) -> None:
        """Refuse what fits nothing."""
        if not self.ridge > 0:
            raise InputError(f"`ridge` must be above 0, got {self.ridge}")

    def __call__(self, network: Haca3, images: Tensor, contrast: str, code: Tensor) -> tuple[float, ...] | None:
        """A level for each class (K,), of the target of `contrast` among the images; None where it shows nothing."""
        wanted, made, anatomy = network.make_up_target(images, contrast, code)
        seen = ((wanted > self.threshold) & (made > self.threshold))[:, 0]
        if not seen.any():
            return None
        shares = anatomy.movedim(1, -1)[seen].double()
        lacking = (wanted - made)[:, 0][seen].double()
        normal = shares.T @ shares + self.ridge * len(lacking) * torch.eye(shares.shape[1]).to(shares)
        return tuple(torch.linalg.solve(normal, shares.T @ lacking).tolist())


def with_levels(code: Tensor, levels: Sequence[float]) -> Tensor:
    """The code (1, theta + eta) with its levels behind it."""
    return torch.cat([code, code.new_tensor([levels])], dim=1)


def same_width(codes: Sequence[Tensor]) -> Tensor:
    """Codes (T, D) of some that have levels and some that do not, whose levels are then 0."""
    widest = max(code.shape[1] for code in codes)
    return torch.cat([pad(code, [0, widest - code.shape[1]]) for code in codes])


def mean_levels(levels: Sequence[Sequence[float] | None]) -> tuple[float, ...] | None:
    """The mean of those that there are; None of none."""
    known = [each for each in levels if each is not None]
    return tuple(torch.tensor(known, dtype=torch.float64).mean(0).tolist()) if known else None
