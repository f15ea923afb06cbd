"""Artifacts of slices by kind and severity; the same kinds as those for whole images, made by the sampler's own means.

Noise, ghosting, bias field and thick slices only change what a scanner does to a slice anyway, so they cost nothing;
motion is worked out for itself. Strengths mean what they mean in the calibration of artifacts, whose table is copied
here in five steps of severity.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ..base.errors import InputError
from . import effects as effects

ARTIFACTS = ("noise", "ghosting", "bias_field", "anisotropy", "motion")
STRENGTHS_FILE = Path(__file__).with_name("artifacts.json")
POSES = 4


@dataclass(frozen=True)
class Artifact:
    """Artifacts of the C images of one scan."""

    kind: np.ndarray
    """(C,), places in `ARTIFACTS`, -1 for none."""
    strength: np.ndarray
    axis: np.ndarray
    """(C,), 0 along rows, 1 along columns."""
    ghosts: np.ndarray
    weights: np.ndarray
    """(C, 4, 4, 4), of a field of unit variance."""
    angles: np.ndarray
    """(C, POSES), for a strength of 1; the first pose is the original one."""
    shifts: np.ndarray
    """(C, POSES, 2)."""
    changes: np.ndarray
    """(C, POSES - 1), when in the scan, from 0 to 1, poses change."""

    def _where(self, name: str) -> np.ndarray:
        return self.strength * (self.kind == ARTIFACTS.index(name))

    @property
    def noise(self) -> np.ndarray:
        """Spread (C,) of additional noise in the scaled image."""
        return self._where("noise")

    @property
    def field(self) -> np.ndarray:
        """Weights (C, 4, 4, 4) of additional log fields."""
        return self._where("bias_field")[:, None, None, None] * self.weights

    @property
    def moves(self) -> np.ndarray:
        """Whether there is motion (C,)."""
        return self._where("motion") > 0

    def degrade(self, filters: np.ndarray, side: int) -> np.ndarray:
        """Filters (C, bins) along rows (side 0) or columns with ghosts and thick slices."""
        filters = filters.copy()
        for row in np.flatnonzero(self.axis == side):
            name, bins = ARTIFACTS[self.kind[row]] if self.kind[row] >= 0 else "", filters.shape[1]
            if name == "anisotropy":
                filters[row] *= effects.gaussian_slab_filter(max(float(self.strength[row]), 1.0), bins)
            if name == "ghosting":
                # A comb of n ghosts has an energy of intensity^2 / n.
                intensity = min(float(self.strength[row] * np.sqrt(self.ghosts[row])), 1.0)
                filters[row] *= effects.ghost_filter(int(self.ghosts[row]), intensity, 2 * (bins - 1), bins)
        return filters

    def poses(self, row: int, window: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Angles (P,) in radians, shifts (P, 2) in voxels, and of each line of k-space, as FFTs count, its pose."""
        length = window[int(self.axis[row])]
        when = np.fft.ifftshift((np.arange(length) + 0.5) / length)
        pose = np.searchsorted(self.changes[row], when)
        # The pose in which the centre of k-space is acquired is the original one.
        pose = (pose - pose[0]) % POSES
        return np.deg2rad(self.angles[row] * self.strength[row]), self.shifts[row] * self.strength[row], pose


@dataclass(frozen=True)
class ArtifactTable:
    """Artifacts of the images (B, 4) of sources; `drawn` has a row for each."""

    severity: np.ndarray
    drawn: Artifact

    def of(self, sample: int, contrasts: np.ndarray | None) -> Artifact | None:
        """Those of some contrasts of a sample, None if none of them has one."""
        if contrasts is None:
            return None
        rows = sample * self.severity.shape[1] + contrasts
        if (self.drawn.kind[rows] < 0).all():
            return None
        return Artifact(**{item.name: getattr(self.drawn, item.name)[rows] for item in fields(Artifact)})


@dataclass(frozen=True)
class ArtifactLaw:
    """How artifacts are drawn: `share` of images have one, of one of the `kinds`, `severity` uniform in a range."""

    share: float = 0.15
    kinds: Sequence[str] = ARTIFACTS
    severity: Sequence[float] = (0.0, 1.0)
    most_ghosts: int = 10
    strengths: Mapping[str, Sequence[float]] | None = None
    """By kind, strengths at equal steps of severity from 0 to 1; without it those of `artifacts.json`."""

    def __post_init__(self) -> None:
        """Refuse wrong shares and kinds."""
        if not 0 <= self.share <= 1:
            raise InputError(f"`share` of artifacts must be between 0 and 1, got {self.share}")
        for kind in self.kinds:
            if kind not in ARTIFACTS:
                raise InputError(f"artifact `kinds` must be among {', '.join(ARTIFACTS)}, got {kind}")
        low, high = self.severity
        if not 0 <= low <= high <= 1:
            raise InputError(f"`severity` must be two ascending numbers between 0 and 1, got {list(self.severity)}")

    def draw(self, batch: int, contrasts: int, rng: np.random.Generator) -> ArtifactTable:
        """Draw for the images of a batch."""
        count = batch * contrasts
        strengths = self.strengths or json.loads(STRENGTHS_FILE.read_text())["strengths"]
        places = np.array([ARTIFACTS.index(kind) for kind in self.kinds])
        kind = rng.choice(places, count) if len(places) else np.full(count, -1)
        kind = np.where(rng.random(count) < self.share, kind, -1)
        severity = rng.uniform(self.severity[0], self.severity[1], count) * (kind >= 0)
        strength = np.zeros(count)
        for place, name in enumerate(ARTIFACTS):
            curve = np.asarray(strengths[name], dtype=float)
            known = np.linspace(0, 1, len(curve))
            strength = np.where(kind == place, np.interp(severity, known, curve), strength)
        direction = rng.normal(size=(count, POSES, 2))
        direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
        direction[:, 0] = 0
        turn = rng.choice([-1.0, 1.0], (count, POSES))
        turn[:, 0] = 0
        degree = np.indices((effects.ORDER,) * 3).sum(axis=0)
        law = ((degree > 0) & (degree < effects.ORDER)) / np.sqrt(((degree > 0) & (degree < effects.ORDER)).sum())
        drawn = Artifact(
            kind=kind,
            strength=strength,
            axis=rng.integers(2, size=count),
            ghosts=rng.integers(2, self.most_ghosts + 1, size=count),
            weights=rng.normal(size=(count, *law.shape)) * law,
            angles=turn,
            shifts=direction,
            changes=np.sort(rng.uniform(0, 1, (count, POSES - 1)), axis=1),
        )
        return ArtifactTable(severity.reshape(batch, contrasts), drawn)
