"""Artifacts of slices by kind and severity; the same kinds as those for whole images, made by the sampler's own means.

Noise, ghosting, bias field and thick slices only change what a scanner does to a slice anyway, so they cost nothing; motion
is worked out for itself. Strengths mean what they mean in the calibration of artifacts, whose table is copied here in five
steps of severity.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError

ARTIFACTS = ("noise", "ghosting", "bias_field", "anisotropy", "motion")
STRENGTHS_FILE = Path(__file__).with_name("slice_artifacts.json")
POSES = 4


@dataclass(frozen=True)
class ArtifactTable:
    """Artifacts of N images, (N,) each: place in `ARTIFACTS` or -1, severity, strength, axis 0 rows or 1 columns.

    `ghosts`, `weights` (N, 4, 4, 4) of the bias field, and of motion `angles` and `shifts` (N, POSES, 2) for a strength
    of 1 and `changes` (N, POSES - 1), when in the scan poses change, are drawn for every image and used where they apply.
    """

    kind: np.ndarray
    severity: np.ndarray
    strength: np.ndarray
    axis: np.ndarray
    ghosts: np.ndarray
    weights: np.ndarray
    angles: np.ndarray
    shifts: np.ndarray
    changes: np.ndarray

    def strengths_of(self, name: str, identity: float = 0.0) -> np.ndarray:
        """Strength (N,) of one kind, `identity` where an image has another or none."""
        return np.where(self.kind == ARTIFACTS.index(name), self.strength, identity)


@dataclass(frozen=True)
class ArtifactLaw:
    """How artifacts are drawn: `share` of images have one, of one of the `kinds`, its severity uniform in `severity`."""

    share: float = 0.15
    kinds: Sequence[str] = ARTIFACTS
    severity: Sequence[float] = (0.0, 1.0)
    most_ghosts: int = 10
    strengths: Mapping[str, Sequence[float]] | None = None
    """By kind, strengths at equal steps of severity from 0 to 1; without it those of `slice_artifacts.json`."""

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

    def draw(self, count: int, field_law: np.ndarray, rng: np.random.Generator) -> ArtifactTable:
        """Draw for `count` images; `field_law` (4, 4, 4) is the spread of the weights of a field."""
        strengths = self.strengths or json.loads(STRENGTHS_FILE.read_text())["strengths"]
        places = np.array([ARTIFACTS.index(kind) for kind in self.kinds])
        kind = rng.choice(places, count) if len(places) else np.full(count, -1)
        kind = np.where(rng.random(count) < self.share, kind, -1)
        severity = rng.uniform(*self.severity, count) * (kind >= 0)
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
        return ArtifactTable(
            kind=kind,
            severity=severity,
            strength=strength,
            axis=rng.integers(2, size=count),
            ghosts=rng.integers(2, self.most_ghosts + 1, size=count),
            weights=rng.normal(size=(count, *field_law.shape)) * field_law,
            angles=turn,
            shifts=direction,
            changes=np.sort(rng.uniform(0, 1, (count, POSES - 1)), axis=1),
        )
