"""Levels of whole volumes, from voxels drawn at random, so that no volume has to be rendered for a slice of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..contrasts import CONTRASTS
from . import slice_effects as effects
from .map_library import MapLibrary
from .slice_noise import Noise
from .slice_plan import SlicePlan
from .slice_signal import Maps, Signals

# Fields are smooth, so voxels read them from a lattice of so many cells along each axis.
_CELLS = 16
_WHITE = 2


@dataclass(frozen=True)
class Levels:
    """By scan (as in `slice_render.py`), sample and contrast, (4, B, 4, ...)."""

    peak: np.ndarray
    """The percentile that images are divided by, over the whole grid."""
    reference: np.ndarray
    """Mean signal of white matter."""
    percentiles: np.ndarray
    """(4, B, 4, P), of the foreground, after division and curve."""


class VolumeLevels:
    """Works out the levels of a batch."""

    def __init__(
        self, library: MapLibrary, percentiles: Sequence[float], peak_percentile: float, voxels: int, upper: float
    ) -> None:
        self.library, self.voxels, self.upper = library, voxels, upper
        self.percentiles, self.peak_percentile = np.asarray(percentiles, dtype=float), peak_percentile

    @cached_property
    def grid(self) -> tuple[int, int, int]:
        """Voxels of the grid on which people are."""
        return next(iter(self.library.files.values())).header.grid

    @cached_property
    def _known(self) -> dict[int, tuple[Maps, np.ndarray, float]]:
        return {}

    def _person(self, person: int) -> tuple[Maps, np.ndarray, float]:
        """Maps of the voxels, the cells in which they lie, and the share of the grid that the person fills."""
        if person not in self._known:
            file = self.library.files[person]
            kept = file.voxels[: self.voxels]
            cell = (kept["place"].astype(np.int64) * _CELLS) // np.array(self.grid)
            flat = (cell[:, 0] * _CELLS + cell[:, 1]) * _CELLS + cell[:, 2]
            maps = Maps.of(*(np.ascontiguousarray(kept[name].T) for name in ("relaxation", "fractions")))
            self._known[person] = maps, flat, file.header.foreground / float(np.prod(self.grid))
        return self._known[person]

    def __call__(self, plan: SlicePlan, signals: Signals, noise_spread: np.ndarray, noise: Noise) -> Levels:
        """Levels of all scans of a batch; `noise_spread` (2 B, 4) is relative to white matter."""
        batch, contrasts = len(plan.people), len(CONTRASTS)
        found = Levels(
            np.ones((4, batch, contrasts)),
            np.ones((4, batch, contrasts)),
            np.zeros((4, batch, contrasts, len(self.percentiles))),
        )
        table = plan.scanners
        lopsided = effects.lattice_fields(table.transmit, _CELLS)
        weights = table.receive * table.bias_strength[..., None, None, None]
        receive = np.exp(effects.lattice_fields(weights.reshape(-1, *weights.shape[2:]), _CELLS))
        receive = receive.reshape(2 * batch, contrasts, -1)
        pattern = effects.transmit_pattern(effects.lattice_radius(_CELLS), lopsided)
        for sample in range(batch):
            for scan, person, scanner in ((0, 0, sample), (1, 0, sample + batch), (2, 2, sample + batch)):
                maps, cells, share = self._person(int(plan.people[sample, person]))
                wanted = np.flatnonzero(plan.available[sample]) if scan == 0 else np.arange(contrasts)
                signal = signals.of(scanner, wanted.tolist(), maps, pattern[scanner][cells])
                white = maps.fractions[_WHITE]
                reference = (signal @ white) / max(float(white.sum()), 1e-6)
                if scan != 1:
                    signal *= receive[scanner][wanted][:, cells]
                    spread = (reference * noise_spread[scanner, wanted]).astype(np.float32)
                    signal = noise.magnitude(signal, spread[:, None])
                at = (scan, sample, wanted)
                found.reference[at] = reference
                curve = (table.gamma[scanner, wanted], table.shoulder[scanner, wanted])
                found.peak[at], found.percentiles[at] = self._measure(signal, share, *curve)
        for values in (found.peak, found.reference, found.percentiles):
            values[3] = values[0]
        return found

    def _measure(
        self, values: np.ndarray, share: float, gamma: np.ndarray, shoulder: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Peak (C,) and percentiles (C, P) of voxels (C, V) of a foreground that fills that `share` of the grid."""
        values.sort(axis=1)
        # Outside of the foreground the volume is 0, so its percentile is one further down in the foreground.
        place = np.clip(1 - (1 - self.peak_percentile / 100) / share, 0, 1)
        peak = np.maximum(_between(values, np.array([place]))[:, 0], 1e-6)
        scaled = _between(values, self.percentiles / 100) / peak[:, None]
        bent = [effects.bend(row, *curve) for row, *curve in zip(scaled, gamma, shoulder, strict=True)]
        return peak, np.minimum(bent, self.upper)


def _between(ordered: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Quantiles (C, P) of ordered values (C, V)."""
    places = shares * (ordered.shape[1] - 1)
    low = np.floor(places).astype(int)
    high = np.minimum(low + 1, ordered.shape[1] - 1)
    return ordered[:, low] + (places - low) * (ordered[:, high] - ordered[:, low])
