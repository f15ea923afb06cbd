"""What the harmonizer practices: to make the image of one contrast from those of others.

Neither a task nor a triplet is a MONAI `Randomizable`, whose random state would depend on the worker and on what went
before: both are drawn from the seed of the sample.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...artifacts.calibration import CALIBRATION_FILE
from ...artifacts.degrade import ArtifactParameters, apply_artifact
from ...artifacts.random_artifact import RandomArtifactd
from ...base.contrasts import CONTRASTS
from ...base.errors import InputError
from ...base.seeds import derive_seed
from ...training.samples import Sample


@dataclass(frozen=True)
class Crop:
    """A field of view that ends early: this share of what the source shows is missing on one side of an axis."""

    source: int
    axis: int
    at_end: bool
    share: float


@dataclass(frozen=True)
class HarmonizationTask:
    """What was drawn for one sample; contrasts are known by their places."""

    contrast: int
    from_other_scanner: bool
    sources: tuple[int, ...]
    artifacts: Mapping[int, ArtifactParameters]
    crop: Crop | None
    target_power: float = 1.0
    source_powers: Mapping[int, float] = field(default_factory=dict)


class HarmonizationTaskd:
    """Draws sources and a target from a sample of slices (see `SliceStream`), and applies what was drawn.

    The target is one of the contrasts of the visit, or, with the probability `traveling` where the truth is known, of
    another visit of the same person. Its own contrast is missing from the sources with the probability
    `target_dropout`, each other one with `contrast_dropout`; one that shows something is always left. A source has an
    artifact with the probability `degraded`. With the probability `cropped` one of them is cut off on one side, by up
    to `crop_share` of what it shows. Each image is raised to a power between 1 / `largest_power` and `largest_power`,
    the target like its reference, which makes contrasts that no scanner of the training has; where images are scaled
    so that a percentile of theirs is 1, it stays 1.

    Gives `source` (4, H, W), `available` (4,) and `tissues` (1, H, W); of the target `target` and `reference`
    (1, H, W), the place of its contrast `contrast`, and `from_other_scanner`. Where a target's field of view ends, the
    sources and `mask` (1, H, W) end too: what it would show there is not known. Intensities end at `upper`, as at
    inference.
    """

    def __init__(
        self,
        seed: int = 1,
        target_dropout: float = 0.8,
        contrast_dropout: float = 0.3,
        traveling: float = 0.5,
        degraded: float = 0.5,
        kinds: Sequence[str] | None = None,
        severity: tuple[float, float] = (0.0, 1.0),
        calibration_file: Path | str = CALIBRATION_FILE,
        cropped: float = 0.2,
        crop_share: float = 0.5,
        largest_power: float = 1.0,
        upper: float = 5.0,
    ) -> None:
        """Check the arguments; `kinds` and `severity` are those of `RandomArtifactd`."""
        shares = {"target_dropout": target_dropout, "contrast_dropout": contrast_dropout, "traveling": traveling}
        shares |= {"degraded": degraded, "cropped": cropped, "crop_share": crop_share}
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise InputError(f"`{name}` must be between 0 and 1, got {share}")
        if not 1 <= largest_power < inf:
            raise InputError(f"`largest_power` must be at least 1 and finite, got {largest_power}")
        self.seed = seed
        self.target_dropout = target_dropout
        self.contrast_dropout = contrast_dropout
        self.traveling = traveling
        self.degraded = degraded
        self.artifact = RandomArtifactd("image", kinds, severity, calibration_file)
        self.cropped = cropped
        self.crop_share = crop_share
        self.largest_power = largest_power
        self.upper = upper

    def __call__(self, sample: Sample) -> dict[str, Any]:
        """Draw and apply."""
        return self.apply(sample, self.draw(sample))

    def draw(self, sample: Sample) -> HarmonizationTask:
        """The task of a sample, always the same."""
        rng = np.random.default_rng(derive_seed(self.seed, "task", sample["seed"]))
        own = shown_contrasts(sample["image"], sample["available"])
        elsewhere = shown_contrasts(sample["truth"], sample["truth_available"])
        from_other_scanner = bool(rng.random() < self.traveling) and bool(elsewhere)
        contrast = int(rng.choice(elsewhere if from_other_scanner else own))
        sources = self._draw_sources(own, contrast, rng)
        degraded = [source for source in sources if rng.random() < self.degraded]
        artifacts = {source: draw_artifact(self.artifact, rng, sample["image"]) for source in degraded}
        crop = None
        if rng.random() < self.cropped:
            share = rng.uniform(0, self.crop_share)
            crop = Crop(int(rng.choice(sources)), int(rng.integers(2)), bool(rng.integers(2)), float(share))
        target_power = self._draw_power(rng)
        powers = {source: self._draw_power(rng) for source in sources}
        return HarmonizationTask(contrast, from_other_scanner, sources, artifacts, crop, target_power, powers)

    def _draw_power(self, rng: np.random.Generator) -> float:
        """As likely above 1 as below."""
        return float(self.largest_power ** rng.uniform(-1, 1))

    def _draw_sources(self, own: Sequence[int], contrast: int, rng: np.random.Generator) -> tuple[int, ...]:
        others = [source for source in own if source != contrast]
        kept = [source for source in others if rng.random() >= self.contrast_dropout]
        with_target = contrast in own and (rng.random() >= self.target_dropout or not others)
        if with_target:
            kept.append(contrast)
        elif not kept:
            kept.append(int(rng.choice(others)))
        return tuple(sorted(kept))

    def apply(self, sample: Sample, task: HarmonizationTask) -> dict[str, Any]:
        """The sources and the target that a task asks for."""
        truth, reference = ("truth", "truth_reference") if task.from_other_scanner else ("image", "reference")
        target = raise_to(sample[truth][task.contrast, None], task.target_power).clamp(max=self.upper)
        seen = _field_of_view(target)
        source, available = torch.zeros_like(sample["image"]), torch.zeros(len(CONTRASTS))
        for index in task.sources:
            clean = raise_to(sample["image"][index, None], task.source_powers.get(index, 1.0))
            source[index] = self._source(clean, task.artifacts.get(index))
            available[index] = 1.0
        if task.crop is not None:
            cut_off(source[task.crop.source], task.crop)
        return {
            "source": source * seen,
            "available": available,
            "target": target,
            "reference": raise_to(sample[reference][task.contrast, None], task.target_power).clamp(max=self.upper),
            "contrast": torch.tensor(task.contrast),
            "mask": sample["mask"] & seen,
            "tissues": sample["tissues"],
            "from_other_scanner": torch.tensor(task.from_other_scanner),
            **{name: sample[name] for name in ("subject", "scanner", "site", "orientation", "slice")},
        }

    def _source(self, image: Tensor, artifact: ArtifactParameters | None) -> Tensor:
        """An image (1, H, W) with its artifact, as (H, W)."""
        degraded = image if artifact is None else apply_artifact(image, artifact)
        return torch.as_tensor(degraded)[0].clamp(max=self.upper)


def shown_contrasts(image: Tensor, available: Tensor) -> list[int]:
    """The contrasts that are available (C,) and not empty in this slice (C, H, W)."""
    return [index for index in available.nonzero().flatten().tolist() if image[index].any()]


def raise_to(image: Tensor, power: float) -> Tensor:
    """An image to a power; what is below 0 becomes 0."""
    return image if power == 1 else image.clamp(min=0) ** power


def draw_artifact(artifact: RandomArtifactd, rng: np.random.Generator, image: Tensor) -> ArtifactParameters:
    """Draw an artifact for slices (C, H, W) or volumes (C, X, Y, Z) from `rng`."""
    artifact.set_random_state(seed=int(rng.integers(2**32))).randomize(image)
    return artifact.parameters


def cut_off(image: Tensor, crop: Crop) -> None:
    """Set to 0 what a cropped image (H, W) does not show, in place."""
    places = image.any(1 - crop.axis).nonzero().flatten()
    if len(places) == 0:
        return
    first, last = int(places[0]), int(places[-1])
    lost = round(crop.share * (last - first + 1))
    start = last + 1 - lost if crop.at_end else first
    image.narrow(crop.axis, start, lost).zero_()


def _field_of_view(image: Tensor) -> Tensor:
    """The box around what an image (1, H, W) shows, as a mask (1, H, W)."""
    box = torch.zeros_like(image, dtype=torch.bool)
    rows, columns = (image[0].any(1 - axis).nonzero().flatten().tolist() for axis in (0, 1))
    box[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return box
