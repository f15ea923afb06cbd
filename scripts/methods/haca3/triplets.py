"""What the artifact encoder learns from: two clean slices, and one of them degraded (HACA3+)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...artifacts.calibration import CALIBRATION_FILE
from ...artifacts.degrade import ArtifactParameters, apply_artifact
from ...artifacts.random_artifact import RandomArtifactd
from ...base.seeds import derive_seed
from ...training.samples import Sample
from .tasks import draw_artifact, shown_contrasts


@dataclass(frozen=True)
class ArtifactTriplet:
    """What was drawn for one sample; the contrast is known by its place."""

    contrast: int
    artifact: ArtifactParameters


class ArtifactTripletd:
    """Draws a contrast and an artifact for a sample of slices (see `SliceStream`), and applies the artifact.

    Gives `anchor`, the slice, `positive`, another one of the same volume, and `negative`, the anchor with the artifact,
    each (1, H, W); `severity` and `kind` of the artifact, and the contrast's place `contrast`. Intensities end at
    `upper`, as at inference.
    """

    def __init__(
        self,
        seed: int = 1,
        kinds: Sequence[str] | None = None,
        severity: tuple[float, float] = (0.0, 1.0),
        calibration_file: Path | str = CALIBRATION_FILE,
        upper: float = 5.0,
    ) -> None:
        """`kinds` and `severity` are those of `RandomArtifactd`, which checks them."""
        self.seed = seed
        self.artifact = RandomArtifactd("image", kinds, severity, calibration_file)
        self.upper = upper

    def __call__(self, sample: Sample) -> dict[str, Any]:
        """Draw and apply."""
        return self.apply(sample, self.draw(sample))

    def draw(self, sample: Sample) -> ArtifactTriplet:
        """The triplet of a sample, always the same."""
        rng = np.random.default_rng(derive_seed(self.seed, "triplet", sample["seed"]))
        contrast = int(rng.choice(shown_contrasts(sample["image"], sample["available"])))
        return ArtifactTriplet(contrast, draw_artifact(self.artifact, rng, sample["image"]))

    def apply(self, sample: Sample, triplet: ArtifactTriplet) -> dict[str, Any]:
        """The three slices that a triplet asks for."""
        clean = sample["image"][triplet.contrast, None]
        negative = torch.as_tensor(apply_artifact(clean, triplet.artifact))
        return {
            "anchor": clean.clamp(max=self.upper),
            "positive": sample["reference"][triplet.contrast, None].clamp(max=self.upper),
            "negative": negative.clamp(max=self.upper),
            "severity": torch.tensor(triplet.artifact.severity),
            "kind": triplet.artifact.kind,
            "contrast": torch.tensor(triplet.contrast),
            **{name: sample[name] for name in ("subject", "scanner", "site", "orientation", "slice")},
        }
