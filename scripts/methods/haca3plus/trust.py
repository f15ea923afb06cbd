"""How far the network is trusted with a subject: as far as it can redraw what it was given (not in the papers).

The network learned from simulated people. Of a scan unlike all that it saw, it draws an image that is unlike that scan
even by the scan's own code. What it would change in such a scan is not to be trusted, and the result stays at what the
levels of tissue say. An artifact is another reason for being unlike, and there the network is the remedy, which it
takes from the other sources: as far as it can redraw those.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ...base.contrasts import CONTRASTS
from ...base.errors import InputError


@dataclass(frozen=True)
class TrustLaw:
    """By contrast the likeness up to which nothing is trusted, and from which on all is; likewise the severity.

    An artifact of the second `severity` makes up for any unlikeness where all other sources are like what was learned,
    one of the first for none. What comes of both is taken as nothing up to the first of `enough`, and as all from the
    second on: a little of what is not to be trusted would harm a little.
    """

    likeness: Mapping[str, Sequence[float]]
    severity: Sequence[float] = (0.6, 0.85)
    enough: Sequence[float] = (0.35, 0.6)

    def __post_init__(self) -> None:
        """Refuse ranges that do not rise."""
        if set(self.likeness) != set(CONTRASTS):
            raise InputError(f"`likeness` must have {', '.join(CONTRASTS)}, got {', '.join(self.likeness) or 'none'}")
        for name, limits in {**self.likeness, "severity": self.severity, "enough": self.enough}.items():
            if len(limits) != 2 or not limits[0] < limits[1]:
                raise InputError(f"`{name}` of trust must be two numbers that rise, got {limits}")

    def of(self, likeness: Mapping[str, float], severity: Mapping[str, float]) -> dict[str, float]:
        """From 0 to 1 for each of a subject's sources: its own trust times the mean of all.

        A person is trusted as a whole, for what is unlike in one scan may be unlike in all.
        """
        known = {contrast: _ramp(found, self.likeness[contrast]) for contrast, found in likeness.items()}
        own = {}
        for contrast in known:
            others = [each for name, each in known.items() if name != contrast]
            repaired = _ramp(severity[contrast], self.severity) * (sum(others) / len(others) if others else 0.0)
            own[contrast] = 1 - (1 - known[contrast]) * (1 - repaired)
        mean = sum(own.values()) / len(own)
        return {contrast: _ramp(each * mean, self.enough) for contrast, each in own.items()}


def likeness(redrawn: Tensor, image: Tensor, shown: Tensor, width: int = 3) -> float:
    """The share of what varies in images (B, 1, H, W), where they are `shown`, that their redrawing has too.

    At most 1, and below 0 where their mean would be more alike. Noise does not count: both are smoothed over `width`.
    """
    weight = avg_pool2d(shown, width, 1, width // 2).clamp(min=1e-3)
    places = shown > 0
    one, other = (
        (avg_pool2d(each.float() * shown, width, 1, width // 2) / weight)[places] for each in (redrawn, image)
    )
    variation = (other - other.mean()).square().mean().clamp(min=1e-12)
    return float(1 - (one - other).square().mean() / variation)


def _ramp(value: float, limits: Sequence[float]) -> float:
    low, high = limits
    return float(torch.tensor((value - low) / (high - low)).clamp(0, 1))
