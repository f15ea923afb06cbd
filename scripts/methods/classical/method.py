"""The classical methods as methods: each maps an image onto one target image of the same contrast."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from ...base.contrasts import CONTRASTS
from ...inferers.harmonization import VolumeInferer
from ..base import Abilities, Code, Method
from .baseline import Baseline, TargetStyle


@dataclass(frozen=True, eq=False, kw_only=True)
class ClassicalCode(Code):
    """The `style` of a target image; it is of that image alone and not kept."""

    method: ClassVar[str] = "classical"

    style: TargetStyle

    def numbers(self) -> dict[str, Any]:
        """Of the style."""
        return {"style": self.style.style.tolist()}

    @classmethod
    def mean(cls, codes: Sequence[Self], **origin: Any) -> Self:
        """That of one image."""
        return codes[0]


class ClassicalMethod(Method):
    """Takes the source of the target's contrast alone, so that it cannot make one that a subject lacks."""

    network: Baseline

    def __init__(self, name: str, network: Baseline, inferer: VolumeInferer) -> None:
        self.name = name
        self.network = network
        self.inferer = inferer

    @property
    def can(self) -> Abilities:
        """Targets that are images."""
        return Abilities()

    @torch.inference_mode()
    def encode(self, images: Tensor, contrast: str, when_absent: bool = False) -> ClassicalCode:
        """What the method looks at in a target image."""
        style = self.network.encode_target(images[None, CONTRASTS.index(contrast), None], contrast)
        return ClassicalCode(contrast=contrast, style=style)

    def for_network(self, code: ClassicalCode) -> TargetStyle:
        """The style."""
        return code.style
