"""What the network's parts are sized by, in groups as a config writes them."""

from collections.abc import Sequence
from dataclasses import dataclass

PERCENTILES = (1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 98.0, 99.0, 99.5)


@dataclass(frozen=True)
class CodeSizes:
    """How many numbers of each kind a code has."""

    theta: int = 16
    eta: int = 2
    percentiles: Sequence[float] = PERCENTILES
    contrasts: int = 4


@dataclass(frozen=True)
class AnatomySizes:
    """The channels of beta, those of known tissues first, and the widths of its encoder by scale."""

    tissues: int = 6
    free: int = 6
    widths: Sequence[int] = (32, 64, 96)


@dataclass(frozen=True)
class ChangeLimits:
    """How far the image may go from the percentile match, see `curve.py` and `identity.py`."""

    curve: float = 1.5
    gain: float = 0.5
    residual_share: float = 0.5
    residual_floor: float = 0.05
