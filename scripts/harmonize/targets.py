"""Targets in the form that a method takes: its own codes, and what a sidecar says of where they come from."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError, speaking_of
from ..base.steps import tell
from ..images.head_or_brain import LARGEST_BRAIN_ML, shows_head
from ..images.nifti import image_sha256
from ..images.siblings import siblings
from ..images.sources import Align, Correction, read_sources
from ..jobs.jobs import Job
from ..jobs.targets import MiddleGround, StoredCode, TargetSpec
from ..methods.base import Code, Method
from .model_weights import ModelWeights


@dataclass(frozen=True, eq=False)
class PreparedTarget:
    """The `code` of one target, and its `origin` as a sidecar tells it."""

    code: Code
    origin: dict[str, Any]

    @property
    def contrast(self) -> str:
        """That the target is of."""
        return self.code.contrast


class TargetPreparation:
    """Has the `method` encode target images, prepared like sources, and read stored codes; remembers the last ones.

    A code means something to the `weights` that made it alone. An image that shows more than `largest_brain_ml` shows
    the head. A run may set `brain_masks`, by image, of those images whose brain alone counts.
    """

    def __init__(
        self,
        method: Method,
        transform: Callable[[dict[str, Any]], dict[str, Any]],
        weights: ModelWeights,
        corrections: Sequence[Correction] = (),
        align: Align | None = None,
        largest_brain_ml: float = LARGEST_BRAIN_ML,
        remembered: int = 8,
    ) -> None:
        self.method = method
        self.transform = transform
        self.weights = weights
        self.corrections = corrections
        self.align = align
        self.largest_brain_ml = largest_brain_ml
        self.brain_masks: Mapping[Path, Path] = {}
        self._encode = lru_cache(maxsize=remembered)(self._encode_image)
        self._show = lru_cache(maxsize=len(CONTRASTS))(self._show_image)

    def __call__(self, target: TargetSpec, contrast: str, contrasts_instead: Collection[str] = ()) -> PreparedTarget:
        """Prepare the target of one contrast; `contrasts_instead` are the contrasts of subjects who lack it."""
        if isinstance(target, StoredCode):
            return PreparedTarget(self._read(target), self.origin(target))
        if isinstance(target, MiddleGround):
            return PreparedTarget(self.method.middle_ground(contrast, target.scanner), self.origin(target))
        return self._encode(target, contrast, frozenset(contrasts_instead))

    def of_job(self, job: Job, contrast: str) -> PreparedTarget:
        """Prepare the target of one contrast for the subject of a job, who may lack it."""
        contrasts_instead = job.contrasts_instead(contrast)
        target = self(job.targets[contrast], contrast, contrasts_instead)
        return replace(target, code=target.code.when_absent()) if contrasts_instead else target

    def check(self, jobs: Sequence[Job]) -> None:
        """Refuse a stored code that the method does not take, before any long work."""
        for stored in {target for job in jobs for target in job.targets.values() if isinstance(target, StoredCode)}:
            self._read(stored)

    def volume(self, target: TargetSpec, contrast: str) -> Tensor | None:
        """The target image (X, Y, Z) on the working grid, prepared but in its own intensities; None of a code."""
        return self._show(target, contrast) if isinstance(target, Path) else None

    def origin(self, target: TargetSpec, contrasts_instead: Collection[str] = ()) -> dict[str, Any]:
        """What a sidecar says of a target, without a look at what is in its image."""
        if isinstance(target, Path):
            beside = self._beside(target, contrasts_instead)
            return self._origin_of_image(target, image_sha256(target), {c: image_sha256(beside[c]) for c in beside})
        if isinstance(target, MiddleGround):
            return {"middle_ground": True, **asdict(target)}
        return {**target.to_json(), "name": target.name} if isinstance(target, StoredCode) else asdict(target)

    def _read(self, stored: StoredCode) -> Code:
        code = self.method.read_code(stored)
        if code.weights and code.weights != self.weights.code_maker:
            raise InputError(
                f"target code {code.name} must have been made by the weights of this run,"
                f" {self.weights.code_maker}, it is of {code.weights}; encode its image again"
            )
        return code

    def _encode_image(self, path: Path, contrast: str, contrasts_instead: frozenset[str]) -> PreparedTarget:
        tell("encode the target")
        with speaking_of(f"target {path}"):
            return self._encode_readable(path, contrast, contrasts_instead)

    def _encode_readable(self, path: Path, contrast: str, contrasts_instead: frozenset[str]) -> PreparedTarget:
        beside = self._beside(path, contrasts_instead)
        data, sha256 = self._prepare(path, contrast, beside)
        channel = CONTRASTS.index(contrast)
        code = self.method.encode(data["image"], contrast, when_absent=bool(contrasts_instead))
        origin = self._origin_of_image(path, sha256.pop(contrast), sha256)
        head = shows_head(data["image"][channel], self.largest_brain_ml)
        return PreparedTarget(replace(code, scale=scale_of(data, channel), head=head), origin)

    def _beside(self, path: Path, contrasts_instead: Collection[str]) -> dict[str, Path]:
        """Other images of the target's visit, of the contrasts that its own is made of elsewhere."""
        if not self.method.can.companions:
            return {}
        return {contrast: image for contrast, image in siblings(path).items() if contrast in contrasts_instead}

    def _origin_of_image(self, path: Path, sha256: str, beside: Mapping[str, str]) -> dict[str, Any]:
        origin: dict[str, Any] = {"file": path.name, "sha256": sha256}
        if path in self.brain_masks:
            origin["brain_mask"] = image_sha256(self.brain_masks[path])
        return origin | ({"beside": dict(beside)} if beside else {})

    def _show_image(self, path: Path, contrast: str) -> Tensor:
        data, _ = self._prepare(path, contrast, {})
        channel = CONTRASTS.index(contrast)
        return Tensor(data["image"][channel] * (scale_of(data, channel) or 1.0))

    def _prepare(self, path: Path, contrast: str, beside: Mapping[str, Path]) -> tuple[dict[str, Any], dict[str, str]]:
        """What preprocessing makes of the image and those beside it, and the hashes of their files."""
        mask = self.brain_masks.get(path)
        sources = read_sources({**beside, contrast: path}, self.corrections, self.align, mask)
        data = {"image": torch.from_numpy(sources.stack), "available": torch.from_numpy(sources.available)}
        return self.transform(data), dict(sources.sha256)


def scale_of(data: Mapping[str, Any], channel: int) -> float | None:
    """The intensity that 1.0 stands for in a channel, where preprocessing has scaled it."""
    return float(data["scale"][channel]) if "scale" in data else None
