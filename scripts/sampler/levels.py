"""Levels of whole volumes, from voxels drawn at random, so that no volume has to be rendered for a slice of it.

What the scanner's resolution does to a voxel follows from the fractions of the voxel, blurred along each axis, and
the mean signal of each tissue.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..base.contrasts import CONTRASTS
from . import effects as effects
from .map_file import BLUR_MM
from .map_library import MapLibrary
from .noise import Noise
from .plan import SlicePlan
from .resolution import Resolution
from .signal import Maps, Signals
from .texture import Texture

# Fields are smooth, so voxels read them from a lattice of so many cells along each axis.
_CELLS = 16
_WHITE = 2
# Fluid, gray and white matter, which come first among the tissues.
_MEASURED = 3


@dataclass(frozen=True)
class Levels:
    """By scan (as in `slice_render.py`), sample and contrast, (4, B, 4, ...)."""

    peak: np.ndarray
    """The percentile that images are divided by, over the whole grid."""
    reference: np.ndarray
    """Mean signal of white matter."""
    percentiles: np.ndarray
    """(4, B, 4, P), of the foreground, after division and curve."""
    tissues: np.ndarray
    """(4, B, 4, 3), levels of fluid, gray and white matter, likewise."""


@dataclass(frozen=True)
class _Voxels:
    """The voxels of a person: maps (V,), by how much blurring changes fractions (3 x 6, V), cells (V,) of the lattice.

    `share` is how much of the grid the person fills.
    """

    maps: Maps
    change: np.ndarray
    cells: np.ndarray
    share: float


class VolumeLevels:
    """Works out the levels of a batch."""

    def __init__(
        self,
        library: MapLibrary,
        percentiles: Sequence[float],
        peak_percentile: float,
        voxels: int,
        upper: float,
        texture: Texture,
    ) -> None:
        self.maps, self.voxels, self.upper, self.texture = library, voxels, upper, texture
        self.percentiles, self.peak_percentile = np.asarray(percentiles, dtype=float), peak_percentile

    @cached_property
    def grid(self) -> tuple[int, int, int]:
        """Voxels of the grid on which people are."""
        return next(iter(self.maps.files.values())).header.grid

    @cached_property
    def _known(self) -> dict[int, "_Voxels"]:
        return {}

    def _person(self, person: int) -> "_Voxels":
        if person not in self._known:
            file = self.maps.files[person]
            kept = file.voxels[: self.voxels]
            cell = (kept["place"].astype(np.int64) * _CELLS) // np.array(self.grid)
            flat = (cell[:, 0] * _CELLS + cell[:, 1]) * _CELLS + cell[:, 2]
            maps = Maps.of(*(np.ascontiguousarray(kept[name].T) for name in ("relaxation", "fractions")))
            change = (kept["blurred"].astype(np.float32) - kept["fractions"][:, None]) / 255
            share = file.header.foreground / float(np.prod(self.grid))
            self._known[person] = _Voxels(maps, change.reshape(len(kept), -1).T.copy(), flat, share)
        return self._known[person]

    def __call__(self, plan: SlicePlan, signals: Signals, resolution: Resolution, noise: Noise) -> Levels:
        """Levels of all scans of a batch."""
        batch, contrasts = len(plan.people), len(CONTRASTS)
        found = Levels(
            np.ones((4, batch, contrasts)),
            np.ones((4, batch, contrasts)),
            np.zeros((4, batch, contrasts, len(self.percentiles))),
            np.zeros((4, batch, contrasts, _MEASURED)),
        )
        table = plan.scanners
        lopsided = effects.lattice_fields(table.transmit, _CELLS)
        weights = table.receive * table.bias_strength[..., None, None, None]
        receive = np.exp(effects.lattice_fields(weights.reshape(-1, *weights.shape[2:]), _CELLS))
        receive = receive.reshape(2 * batch, contrasts, -1)
        pattern = effects.transmit_pattern(effects.lattice_radius(_CELLS), lopsided)
        for sample in range(batch):
            for scan, person, scanner in ((0, 0, sample), (1, 0, sample + batch), (2, 2, sample + batch)):
                voxels = self._person(int(plan.people[sample, person]))
                wanted = np.flatnonzero(plan.available[sample]) if scan == 0 else np.arange(contrasts)
                uneven = self.texture.on_voxels(voxels.maps, *plan.texture(self.texture, sample, person))
                signal = signals.of(scanner, wanted.tolist(), uneven, pattern[scanner][voxels.cells])
                white = voxels.maps.fractions[_WHITE]
                reference = (signal @ white) / max(float(white.sum()), 1e-6)
                signal += _blur(signal, voxels, resolution.variance[scanner, wanted])
                if scan != 1:
                    signal *= receive[scanner][wanted][:, voxels.cells]
                    spread = (reference * resolution.noise_spread[scanner, wanted]).astype(np.float32)
                    signal = noise.magnitude(signal, spread[:, None])
                at = (scan, sample, wanted)
                found.reference[at] = reference
                curve = (table.gamma[scanner, wanted], table.shoulder[scanner, wanted])
                found.peak[at], found.percentiles[at], found.tissues[at] = self._measure(signal, voxels, *curve)
        for values in (found.peak, found.reference, found.percentiles, found.tissues):
            values[3] = values[0]
        return found

    def _measure(
        self, values: np.ndarray, voxels: _Voxels, gamma: np.ndarray, shoulder: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Peak (C,), percentiles (C, P) and levels of tissue (C, 3) of the person's voxels (C, V)."""
        tissues = _tissue_means(values, voxels)[:, :_MEASURED]
        values.sort(axis=1)
        # Outside of the foreground the volume is 0, so its percentile is one further down in the foreground.
        place = np.clip(1 - (1 - self.peak_percentile / 100) / voxels.share, 0, 1)
        peak = np.maximum(_between(values, np.array([place]))[:, 0], 1e-6)
        both = np.concatenate([_between(values, self.percentiles / 100), tissues], axis=1) / peak[:, None]
        bent = [effects.bend(row, *curve) for row, *curve in zip(both, gamma, shoulder, strict=True)]
        ended = np.minimum(bent, self.upper)
        return peak, ended[:, :-_MEASURED], ended[:, -_MEASURED:]


def _blur(signal: np.ndarray, voxels: _Voxels, variance: np.ndarray, most: float = 1.3) -> np.ndarray:
    """By how much the resolution changes signals (C, V); `variance` (C, 3) is that of a point along each axis."""
    means = _tissue_means(signal, voxels)
    # Blurring twice as wide changes about twice as much.
    strength = np.minimum(variance / BLUR_MM**2, most).astype(np.float32)
    change = (strength[:, :, None] * means[:, None]).reshape(len(signal), -1) @ voxels.change
    return np.maximum(change, -0.95 * signal)


def _tissue_means(signal: np.ndarray, voxels: _Voxels) -> np.ndarray:
    """Mean signals (C, 6) of the tissues."""
    # Of mixed voxels little is learned about a tissue.
    weights = voxels.maps.fractions**4
    means: np.ndarray = (signal @ weights.T) / np.maximum(weights.sum(axis=1), 1e-6)
    return means


def _between(ordered: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Quantiles (C, P) of ordered values (C, V)."""
    places = shares * (ordered.shape[1] - 1)
    low = np.floor(places).astype(int)
    high = np.minimum(low + 1, ordered.shape[1] - 1)
    return ordered[:, low] + (places - low) * (ordered[:, high] - ordered[:, low])
