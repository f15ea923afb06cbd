"""All that a run of the bundle does with prepared volumes, for experiments that have no files."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..engines.redrawings import harmonize_and_redraw
from ..inferers.triplanar import TriPlanarInferer
from ..networks.haca3 import Haca3
from ..transforms.tone import ToneCalibration


@dataclass(frozen=True, eq=False)
class WholeMethod:
    """Harmonizes sources to the image of a target; `tone` and `postprocessing` are those of `inference.json`."""

    network: Haca3
    inferer: TriPlanarInferer
    tone: ToneCalibration | None
    postprocessing: Callable[[dict[str, Any]], dict[str, Any]]

    @torch.inference_mode()
    def __call__(self, sources: Tensor, target: Tensor, contrast: str) -> Tensor:
        """The image (X, Y, Z) that normalised `sources` (4, X, Y, Z) give in the style of `target` (X, Y, Z)."""
        code = self.network.encode_target(target[None, None].to(self.network.default_target.device), contrast)
        data = {"image": sources, "available": sources.flatten(1).any(1)}
        (result,), redrawings = harmonize_and_redraw(self.inferer, self.network, data, [code], [contrast])
        finished = self.postprocessing(
            {
                **data,
                "pred": result.image,
                "target_contrast": contrast,
                "target_scale": None,
                "target_tone": self.tone and self.tone(self.network, target, contrast, code),
                "redrawing": redrawings.get(contrast),
            }
        )
        image: Tensor = finished["pred"][0].cpu()
        return image
