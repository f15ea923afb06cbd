"""A dictionary transform that degrades an image by one artifact of random kind and severity."""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import KeysCollection, NdarrayOrTensor
from monai.transforms import MapTransform, Randomizable

from ..base.errors import InputError
from .calibration import CALIBRATION_FILE, load_calibration
from .degrade import apply_artifact, draw_artifact


class RandomArtifactd(Randomizable, MapTransform):
    """Apply one drawn artifact to the images of `keys`, and put its kind and its severity beside them.

    Kinds are equally probable (all calibrated ones by default), the severity is uniform between the two `severity`
    bounds. All keys get the same artifact.
    """

    def __init__(
        self,
        keys: KeysCollection,
        kinds: Sequence[str] | None = None,
        severity: tuple[float, float] = (0.0, 1.0),
        calibration_file: Path | str = CALIBRATION_FILE,
        keep_background: bool = True,
        kind_key: str = "artifact_kind",
        severity_key: str = "artifact_severity",
        allow_missing_keys: bool = False,
    ) -> None:
        """Check the arguments."""
        super().__init__(keys, allow_missing_keys)
        self.calibration = load_calibration(calibration_file)
        self.kinds = list(self.calibration if kinds is None else kinds)
        unknown = [kind for kind in self.kinds if kind not in self.calibration]
        if unknown or not self.kinds:
            raise InputError(f"`kinds` must be some of {', '.join(self.calibration)}, got {kinds}")
        if not 0.0 <= severity[0] <= severity[1] <= 1.0:
            raise InputError(f"`severity` must be a lower and an upper bound between 0 and 1, got {severity}")
        self.severity = severity
        self.keep_background = keep_background
        self.kind_key = kind_key
        self.severity_key = severity_key

    def randomize(self, data: NdarrayOrTensor) -> None:
        """Draw one artifact for an image with as many spatial axes as `data`."""
        kind = self.kinds[self.R.randint(len(self.kinds))]
        severity = float(self.R.uniform(*self.severity))
        seed = int(self.R.randint(np.iinfo(np.int32).max))
        self.parameters = draw_artifact(kind, severity, seed, self.calibration, data.ndim - 1)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Degrade the images (C, H, W) or (C, X, Y, Z)."""
        result = dict(data)
        present = list(self.key_iterator(result))
        if present:
            self.randomize(result[present[0]])
            result[self.kind_key] = self.parameters.kind
            result[self.severity_key] = self.parameters.severity
            for key in present:
                result[key] = apply_artifact(result[key], self.parameters, self.keep_background)
        return result
