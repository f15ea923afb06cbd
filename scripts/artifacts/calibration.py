"""From severity to physical strength: the calibrated curve of every kind of artifact, read from data."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..base.errors import InputError
from .kinds import KINDS, ArtifactKind, build_kind

CALIBRATION_FILE = Path(__file__).with_name("calibration.json")


@dataclass(frozen=True)
class Curve:
    """Strength of one kind as a rising, piecewise linear function of severity.

    The curve holds for draws with the settings of its `kind`, so the two are kept together.
    """

    kind: ArtifactKind
    severities: Sequence[float]
    strengths: Sequence[float]

    def strength(self, severity: float) -> float:
        """Strength between the two nearest knots."""
        return float(np.interp(severity, self.severities, self.strengths))


Calibration = Mapping[str, Curve]


def load_calibration(path: Path | str = CALIBRATION_FILE) -> Calibration:
    """Read the curves of all kinds that the file holds; refuse what `calibrate_artifacts` would not have written."""
    try:
        kinds = json.loads(Path(path).read_text())["kinds"]
        return {name: _read_curve(name, content) for name, content in kinds.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"calibration file {path} must be one that calibrate_artifacts wrote: {error!r}") from error


def _read_curve(name: str, content: dict) -> Curve:
    curve = Curve(build_kind(name, content["settings"]), content["severities"], content["strengths"])
    ends = (curve.severities[0], curve.severities[-1], curve.strengths[0])
    if ends != (0, 1, KINDS[name].identity):
        raise ValueError(f"{name} must span severity 0 to 1 from its identity {KINDS[name].identity}, got {ends}")
    if len(curve.severities) != len(curve.strengths) or not _rises(curve.severities) or not _rises(curve.strengths):
        raise ValueError(f"severities and strengths of {name} must rise together")
    return curve


def _rises(values: Sequence[float]) -> bool:
    return bool(np.all(np.diff(values) > 0))
