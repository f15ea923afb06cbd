"""Targets in the form that a method's network takes."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError, speaking_of
from ..images.head_or_brain import LARGEST_BRAIN_ML, shows_head
from ..images.nifti import image_sha256
from ..images.siblings import siblings
from ..images.sources import Align, Correction, read_sources
from ..jobs.jobs import Job
from ..jobs.targets import MiddleGround, TargetCode, TargetSpec
from ..methods.haca3.levels import LevelCalibration, MakesUpTarget, mean_levels, with_levels
from ..methods.haca3.tone import RedrawsTarget, ToneCalibration, ToneCurve, mean_curve
from .model_weights import ModelWeights


class TargetEncoder(Protocol):
    """What every method's network can do."""

    def encode_target(self, image: Tensor, contrast: str) -> Any:
        """The code of target images (B, 1, X, Y, Z) of one contrast."""

    def stored_target(self, theta: Sequence[float], eta: Sequence[float], name: str) -> Any:
        """The code that is known by its numbers."""


@runtime_checkable
class WithoutTarget(Protocol):
    """What the network of a method can do that has no targets, but has to know the scanner of a scan."""

    def middle_ground(self, contrast: str, scanner: str | None) -> Any:
        """The code by which scans of a scanner are harmonized; refuses scanners that are not known."""


@dataclass(frozen=True, eq=False)
class PreparedTarget:
    """A network's `code` of one target, the intensity `scale` that 1.0 stands for if known, and where it comes from.

    `tone` mends the brightness of what the network makes of the code. Where there are `levels`, they do so for a
    subject who lacks the contrast. `head` is whether the target shows the head or the brain alone, if known.
    """

    contrast: str
    code: Any
    scale: float | None
    origin: dict[str, Any]
    tone: ToneCurve | None = None
    levels: tuple[float, ...] | None = None
    head: bool | None = None

    def for_making_up(self) -> "PreparedTarget":
        """As it is for a subject who lacks the contrast."""
        if self.levels is None:
            return self
        return replace(self, code=with_levels(self.code, self.levels), tone=None)


class TargetPreparation:
    """Encodes target images, prepared like sources, and hands on stored codes; keeps the `remembered` last images.

    A code means something to the `weights` that made it alone. Without `tone` no target has a curve, and without
    `levels` none has levels. An image that shows more than `largest_brain_ml` shows the head. A run may set
    `brain_masks`, by image, of those images whose brain alone counts.
    """

    def __init__(
        self,
        network: TargetEncoder,
        transform: Callable[[dict[str, Any]], dict[str, Any]],
        weights: ModelWeights,
        corrections: Sequence[Correction] = (),
        align: Align | None = None,
        tone: ToneCalibration | None = None,
        levels: LevelCalibration | None = None,
        largest_brain_ml: float = LARGEST_BRAIN_ML,
        remembered: int = 8,
    ) -> None:
        self.network = network
        self.transform = transform
        self.weights = weights
        self.corrections = corrections
        self.align = align
        self.tone = tone
        self.levels = levels
        self.largest_brain_ml = largest_brain_ml
        self.brain_masks: Mapping[Path, Path] = {}
        self._encode = lru_cache(maxsize=remembered)(self._encode_image)
        self._show = lru_cache(maxsize=len(CONTRASTS))(self._show_image)

    def __call__(self, target: TargetSpec, contrast: str, made_of: Collection[str] = ()) -> PreparedTarget:
        """Prepare the target of one contrast; levels are for subjects who lack it and have those it is `made_of`."""
        if isinstance(target, TargetCode):
            code = self.network.stored_target(target.theta, target.eta, target.name)
            if target.weights and target.weights != self.weights.code_maker:
                raise InputError(
                    f"target code {target.name} must have been made by the weights of this run,"
                    f" {self.weights.code_maker}, it is of {target.weights}; encode its image again"
                )
            tone = target.tone if self.tone is not None else None
            levels = self._stored_levels(target)
            return PreparedTarget(contrast, code, target.scale, asdict(target), tone, levels, target.head)
        if isinstance(target, MiddleGround):
            if not isinstance(self.network, WithoutTarget):
                kind = type(self.network).__name__
                raise InputError(f"`middle_ground` is for methods without targets, {kind} needs one")
            code = self.network.middle_ground(contrast, target.scanner)
            return PreparedTarget(contrast, code, None, self.origin(target))
        return self._encode(target, contrast, frozenset(made_of))

    def of_job(self, job: Job, contrast: str) -> PreparedTarget:
        """Prepare the target of one contrast for the subject of a job, who may lack it."""
        made_of = job.made_of(contrast)
        target = self(job.targets[contrast], contrast, made_of)
        return target.for_making_up() if made_of else target

    def volume(self, target: TargetSpec, contrast: str) -> Tensor | None:
        """The target image (X, Y, Z) on the working grid, prepared but in its own intensities; None of a code."""
        return self._show(target, contrast) if isinstance(target, Path) else None

    def origin(self, target: TargetSpec, made_of: Collection[str] = ()) -> dict[str, Any]:
        """What a sidecar says of a target, without a look at what is in its image."""
        if isinstance(target, Path):
            beside = self._beside(target, made_of)
            return self._origin_of_image(target, image_sha256(target), {c: image_sha256(beside[c]) for c in beside})
        if isinstance(target, MiddleGround):
            return {"middle_ground": True, **asdict(target)}
        return asdict(target)

    def _stored_levels(self, target: TargetCode) -> tuple[float, ...] | None:
        if target.levels is None or self.levels is None or not isinstance(self.network, MakesUpTarget):
            return None
        classes = self.network.anatomy_classes
        if len(target.levels) != classes:
            raise InputError(
                f"target code {target.name} must have {classes} levels, one for each class of anatomy,"
                f" it has {len(target.levels)}"
            )
        return target.levels

    def _encode_image(self, path: Path, contrast: str, made_of: frozenset[str]) -> PreparedTarget:
        with speaking_of(f"target {path}"):
            return self._encode_readable(path, contrast, made_of)

    def _encode_readable(self, path: Path, contrast: str, made_of: frozenset[str]) -> PreparedTarget:
        beside = self._beside(path, made_of)
        data, sha256 = self._prepare(path, contrast, beside)
        channel = CONTRASTS.index(contrast)
        # Not around the transform, whose threads would not be in this mode.
        with torch.inference_mode():
            code = self.network.encode_target(data["image"][None, channel, None], contrast)
            tone = levels = None
            if self.tone is not None and isinstance(self.network, RedrawsTarget):
                tone = self.tone(self.network, data["image"][channel], contrast, code)
            if self.levels is not None and made_of and isinstance(self.network, MakesUpTarget):
                levels = self.levels(self.network, data["image"], contrast, code)
        origin = self._origin_of_image(path, sha256.pop(contrast), sha256)
        head = shows_head(data["image"][channel], self.largest_brain_ml)
        return PreparedTarget(contrast, code, _scale(data, channel), origin, tone, levels, head)

    def _beside(self, path: Path, made_of: Collection[str]) -> dict[str, Path]:
        """Other images of the target's visit, of the contrasts that its own is made of elsewhere."""
        if self.levels is None or not isinstance(self.network, MakesUpTarget):
            return {}
        return {contrast: image for contrast, image in siblings(path).items() if contrast in made_of}

    def _origin_of_image(self, path: Path, sha256: str, beside: Mapping[str, str]) -> dict[str, Any]:
        origin: dict[str, Any] = {"file": path.name, "sha256": sha256}
        if path in self.brain_masks:
            origin["brain_mask"] = image_sha256(self.brain_masks[path])
        return origin | ({"beside": dict(beside)} if beside else {})

    def _show_image(self, path: Path, contrast: str) -> Tensor:
        data, _ = self._prepare(path, contrast, {})
        channel = CONTRASTS.index(contrast)
        return Tensor(data["image"][channel] * (_scale(data, channel) or 1.0))

    def _prepare(self, path: Path, contrast: str, beside: Mapping[str, Path]) -> tuple[dict[str, Any], dict[str, str]]:
        """What preprocessing makes of the image and those beside it, and the hashes of their files."""
        mask = self.brain_masks.get(path)
        sources = read_sources({**beside, contrast: path}, self.corrections, self.align, mask)
        data = {"image": torch.from_numpy(sources.stack), "available": torch.from_numpy(sources.available)}
        return self.transform(data), dict(sources.sha256)


def _scale(data: dict[str, Any], channel: int) -> float | None:
    return float(data["scale"][channel]) if "scale" in data else None


def mean_code(targets: Sequence[PreparedTarget], theta: int, origin: str, maker: str, name: str = "") -> TargetCode:
    """What images of one contrast have in common; `theta` is how many numbers of a code are that."""
    code = torch.cat([target.code.cpu() for target in targets]).mean(0).tolist()
    scales = [target.scale for target in targets if target.scale is not None]
    scale = sum(scales) / len(scales) if scales else None
    tone = mean_curve([target.tone for target in targets if target.tone is not None])
    levels = mean_levels([target.levels for target in targets])
    heads = {target.head for target in targets}
    head = heads.pop() if len(heads) == 1 else None
    numbers = tuple(code[:theta]), tuple(code[theta:])
    return TargetCode(targets[0].contrast, *numbers, scale, origin, maker, name, tone, levels, head)
