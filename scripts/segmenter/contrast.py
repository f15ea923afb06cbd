"""Random contrasts: how bright each tissue is in an image, whether a scanner could make it look so or not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..base.errors import InputError
from ..base.regions import REGIONS
from ..metrics.segmentation_network import OTHER_BRAIN
from .draws import between

TISSUES = ("white", "grey", "fluid")
# T1 (s) at which solid tissue is as bright as white and as gray matter, and beyond them as fat and as cysts.
_FAT, _WHITE, _GREY, _CYST = np.log([0.37, 0.85, 1.42, 3.0])
# With less water than this, tissue is darker: bone and air.
_LEAST_DENSITY = 0.65
_GROUPS = (
    ("cerebellar_gm", "cerebellar_wm"),
    *((name,) for name in ("caudate", "thalamus", "putamen", "brainstem")),
)
"""Regions whose tissue may differ from that of the cerebrum; the rest of the brain is one more group."""


@dataclass(frozen=True)
class Contrast:
    """Brightness of solid tissue by the logarithm of its T1 (`times`, `levels`), of fluid, and factors of `_GROUPS`."""

    times: tuple[float, ...]
    levels: tuple[float, ...]
    fluid: float
    factors: tuple[float, ...]

    def show(self, density: np.ndarray, t1: np.ndarray, fluid: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Image (X, Y, Z) float32 of a person, without anything that a scanner does to it."""
        table = np.ones(OTHER_BRAIN + 1, np.float32)
        for names, factor in zip(_GROUPS, self.factors, strict=False):
            table[[REGIONS.index(name) + 1 for name in names]] = factor
        table[OTHER_BRAIN] = self.factors[-1]
        solid = np.interp(t1, self.times, self.levels) * np.minimum(density / _LEAST_DENSITY, 1) * table[labels]
        return (solid + fluid * (self.fluid - solid)).astype(np.float32)


@dataclass(frozen=True)
class ContrastLaw:
    """Draws contrasts of all `kinds` equally often, by the ranges of brightness that each gives to `TISSUES`.

    White and gray matter differ by at least `least_difference` of the brightest possible, for where they do not nobody
    could say where one ends. Factors of groups of regions have a standard deviation of `factor_spread`.
    """

    kinds: Mapping[str, Mapping[str, Sequence[float]]]
    least_difference: float = 0.12
    factor_spread: float = 0.06

    def __post_init__(self) -> None:
        """Refuse ranges of which no contrast could be drawn."""
        for kind, ranges in self.kinds.items():
            if sorted(ranges) != sorted(TISSUES):
                raise InputError(f"contrast {kind} must have ranges of {', '.join(TISSUES)}, got {', '.join(ranges)}")
            (low, high), (other_low, other_high) = ranges["white"], ranges["grey"]
            if max(high - other_low, other_high - low) <= self.least_difference:
                raise InputError(
                    f"contrast {kind} must let white and grey differ by more than {self.least_difference}, "
                    f"got {low} to {high} and {other_low} to {other_high}"
                )

    def draw(self, rng: np.random.Generator) -> Contrast:
        """Draw one."""
        ranges = self.kinds[rng.choice(list(self.kinds))]
        white, grey, fluid = (between(rng, ranges[tissue]) for tissue in TISSUES)
        while abs(white - grey) < self.least_difference:
            white, grey = (between(rng, ranges[tissue]) for tissue in TISSUES[:2])
        fat = float(rng.uniform(0, 1.5))
        # Of tissue with more water than gray matter, as lesions are; somewhere between gray matter and fluid.
        cyst = grey + float(rng.uniform()) * (fluid - grey)
        factors = np.exp(self.factor_spread * rng.standard_normal(len(_GROUPS) + 1))
        times = (float(_FAT), float(_WHITE), float(_GREY), float(_CYST))
        return Contrast(times, (fat, white, grey, cyst), fluid, tuple(factors.tolist()))
