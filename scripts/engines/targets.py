"""Targets in the form that a method's network takes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from ..contrasts import CONTRASTS
from ..errors import InputError
from ..io.nifti import image_sha256
from ..io.sources import Align, Correction, read_sources
from ..io.targets import MiddleGround, TargetCode, TargetSpec
from ..transforms.tone import RedrawsTarget, ToneCalibration, ToneCurve, mean_curve
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

    `tone` mends the brightness of what the network makes of the code.
    """

    contrast: str
    code: Any
    scale: float | None
    origin: dict[str, Any]
    tone: ToneCurve | None = None


class TargetPreparation:
    """Encodes target images, prepared like sources, and hands on stored codes; keeps the `remembered` last images.

    A code means something to the `weights` that made it alone. Without `tone` no target has a curve. A run may set
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
        remembered: int = 8,
    ) -> None:
        self.network = network
        self.transform = transform
        self.weights = weights
        self.corrections = corrections
        self.align = align
        self.tone = tone
        self.brain_masks: Mapping[Path, Path] = {}
        self._encode = lru_cache(maxsize=remembered)(self._encode_image)
        self._show = lru_cache(maxsize=len(CONTRASTS))(self._show_image)

    def __call__(self, target: TargetSpec, contrast: str) -> PreparedTarget:
        """Prepare the target of one contrast."""
        if isinstance(target, TargetCode):
            code = self.network.stored_target(target.theta, target.eta, target.name)
            if target.weights and target.weights != self.weights.code_maker:
                raise InputError(
                    f"target code {target.name} must have been made by the weights of this run,"
                    f" {self.weights.code_maker}, it is of {target.weights}; encode its image again"
                )
            tone = target.tone if self.tone is not None else None
            return PreparedTarget(contrast, code, target.scale, asdict(target), tone)
        if isinstance(target, MiddleGround):
            if not isinstance(self.network, WithoutTarget):
                kind = type(self.network).__name__
                raise InputError(f"`middle_ground` is for methods without targets, {kind} needs one")
            code = self.network.middle_ground(contrast, target.scanner)
            return PreparedTarget(contrast, code, None, self.origin(target))
        return self._encode(target, contrast)

    def volume(self, target: TargetSpec, contrast: str) -> Tensor | None:
        """The target image (X, Y, Z) on the working grid, prepared but in its own intensities; None of a code."""
        return self._show(target, contrast) if isinstance(target, Path) else None

    def origin(self, target: TargetSpec) -> dict[str, Any]:
        """What a sidecar says of a target, without a look at what is in its image."""
        if isinstance(target, Path):
            return self._origin_of_image(target, image_sha256(target))
        if isinstance(target, MiddleGround):
            return {"middle_ground": True, **asdict(target)}
        return asdict(target)

    def _encode_image(self, path: Path, contrast: str) -> PreparedTarget:
        data, sha256 = self._prepare(path, contrast)
        channel = CONTRASTS.index(contrast)
        # Not around the transform, whose threads would not be in this mode.
        with torch.inference_mode():
            code = self.network.encode_target(data["image"][None, channel, None], contrast)
            tone = None
            if self.tone is not None and isinstance(self.network, RedrawsTarget):
                tone = self.tone(self.network, data["image"][channel], contrast, code)
        return PreparedTarget(contrast, code, _scale(data, channel), self._origin_of_image(path, sha256), tone)

    def _origin_of_image(self, path: Path, sha256: str) -> dict[str, Any]:
        mask = self.brain_masks.get(path)
        return {"file": path.name, "sha256": sha256, **({} if mask is None else {"brain_mask": image_sha256(mask)})}

    def _show_image(self, path: Path, contrast: str) -> Tensor:
        data, _ = self._prepare(path, contrast)
        channel = CONTRASTS.index(contrast)
        return Tensor(data["image"][channel] * (_scale(data, channel) or 1.0))

    def _prepare(self, path: Path, contrast: str) -> tuple[dict[str, Any], str]:
        """What preprocessing makes of the image, and the hash of its file."""
        sources = read_sources({contrast: path}, self.corrections, self.align, self.brain_masks.get(path))
        data = {"image": torch.from_numpy(sources.stack), "available": torch.from_numpy(sources.available)}
        return self.transform(data), sources.sha256[contrast]


def _scale(data: dict[str, Any], channel: int) -> float | None:
    return float(data["scale"][channel]) if "scale" in data else None


def mean_code(targets: Sequence[PreparedTarget], theta: int, origin: str, maker: str, name: str = "") -> TargetCode:
    """What images of one contrast have in common; `theta` is how many numbers of a code are that."""
    code = torch.cat([target.code.cpu() for target in targets]).mean(0).tolist()
    scales = [target.scale for target in targets if target.scale is not None]
    scale = sum(scales) / len(scales) if scales else None
    tone = mean_curve([target.tone for target in targets if target.tone is not None])
    return TargetCode(targets[0].contrast, tuple(code[:theta]), tuple(code[theta:]), scale, origin, maker, name, tone)
