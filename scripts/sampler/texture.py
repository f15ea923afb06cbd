"""Texture of tissue: real tissue is less even than maps of it, by something that every contrast of a scan shows.

Without it a network that sees maps alone takes whatever is uneven in a real brain for noise, and removes it. Fields are
cut out of a bank of noise that was blurred to several widths.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.ndimage import gaussian_filter

from ..base.errors import InputError
from .signal import Maps

WIDTHS = (0.0, 1.0, 2.0, 5.0)
"""Standard deviations of the blurs, in voxels."""
_SIDE = 640
# How much of a field of T1 those of PD and T2 share, and how strong that of PD is.
_SHARED, _DENSITY = 0.6, 0.35


@dataclass(frozen=True)
class Texture:
    """Draws how strong texture is, and lays it over maps.

    Of each width the standard deviation of log T1 is drawn between 0 and `most`.
    """

    most: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what makes no tissue."""
        if not 0 <= self.most <= 0.5:
            raise InputError(f"`most` of texture must be between 0 and 0.5, got {self.most}")

    @cached_property
    def _bank(self) -> np.ndarray:
        rng = np.random.default_rng(0)
        fields = [rng.standard_normal((_SIDE, _SIDE), dtype=np.float32) for _ in WIDTHS]
        blurred = [
            gaussian_filter(f, width, mode="wrap") if width else f for f, width in zip(fields, WIDTHS, strict=True)
        ]
        return np.stack([field / field.std() for field in blurred])

    def strengths(self, rng: np.random.Generator) -> np.ndarray:
        """The standard deviation of each width."""
        return rng.uniform(0, self.most, len(WIDTHS)).astype(np.float32)

    def field(self, shape: Sequence[int], strengths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A field (H, W)."""
        corners = rng.integers(0, [_SIDE - side + 1 for side in shape], (len(WIDTHS), 2))
        height, width = shape
        found = np.zeros((height, width), dtype=np.float32)
        for bank, strength, (top, left) in zip(self._bank, strengths.tolist(), corners.tolist(), strict=True):
            found += bank[top : top + height, left : left + width] * np.float32(strength)
        return found

    def on_slices(self, views: dict[int, Maps], strengths: np.ndarray, rng: np.random.Generator) -> dict[int, Maps]:
        """Maps of a slice and of its neighbours, all with the same texture."""
        if not self.most or not views:
            return views
        shape = next(iter(views.values())).pd.shape
        factors = _factors(*(self.field(shape, strengths, rng) for _ in range(3)))
        return {offset: _changed(maps, factors) for offset, maps in views.items()}

    def on_voxels(self, maps: Maps, strengths: np.ndarray, rng: np.random.Generator) -> Maps:
        """Maps of voxels (V,) that do not lie beside each other."""
        if not self.most:
            return maps
        spread = np.float32(np.sqrt(np.square(strengths).sum()))
        fields = (spread * rng.standard_normal(maps.pd.shape, dtype=np.float32) for _ in range(3))
        return _changed(maps, _factors(*fields))


def _factors(first: np.ndarray, second: np.ndarray, third: np.ndarray) -> tuple[np.ndarray, ...]:
    """Of PD, 1 / T1 and 1 / T2, from fields of log T1 and of what log T2 and log PD have of their own."""
    own = np.float32(np.sqrt(1 - _SHARED**2))
    shared = np.float32(_SHARED) * first
    return np.exp(np.float32(_DENSITY) * (shared + own * third)), np.exp(-first), np.exp(-(shared + own * second))


def _changed(maps: Maps, factors: Sequence[np.ndarray]) -> Maps:
    pd, r1, r2 = factors
    return replace(maps, pd=maps.pd * pd, r1=maps.r1 * r1, r2=maps.r2 * r2)
