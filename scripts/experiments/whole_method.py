"""All that a run of the bundle does with prepared volumes, for experiments that have no files."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..base.contrasts import CONTRASTS
from ..harmonize.targets import PreparedTarget
from ..methods.haca3.levels import LevelCalibration
from ..methods.haca3.network import Haca3
from ..methods.haca3.redrawings import harmonize_and_redraw
from ..methods.haca3.tone import ToneCalibration
from ..methods.haca3.triplanar import TriPlanarInferer


@dataclass(frozen=True, eq=False)
class WholeMethod:
    """Harmonizes sources to the image of a target; `tone` to `postprocessing` are those of `inference.json`."""

    network: Haca3
    inferer: TriPlanarInferer
    tone: ToneCalibration | None
    levels: LevelCalibration | None
    postprocessing: Callable[[dict[str, Any]], dict[str, Any]]

    @torch.inference_mode()
    def __call__(self, sources: Tensor, visit: Tensor, contrast: str) -> Tensor:
        """The image (X, Y, Z) that normalised `sources` (4, X, Y, Z) give in the style of the target.

        That is the image of the `contrast` in a `visit` (4, X, Y, Z), whose others count if the sources lack it.
        """
        available = sources.flatten(1).any(1)
        channel = CONTRASTS.index(contrast)
        target = visit[channel]
        code = self.network.encode_target(target[None, None].to(self.network.default_target.device), contrast)
        levels = None
        if self.levels is not None and not available[channel]:
            beside = available.clone()
            beside[channel] = True
            levels = self.levels(self.network, visit * beside[:, None, None, None], contrast, code)
        tone = None if self.tone is None else self.tone(self.network, target, contrast, code)
        prepared = PreparedTarget(contrast, code, None, {}, tone, levels).for_making_up()
        data = {"image": sources, "available": available}
        (result,), redrawings = harmonize_and_redraw(self.inferer, self.network, data, [prepared.code], [contrast])
        finished = self.postprocessing(
            {
                **data,
                "pred": result.image,
                "target_contrast": contrast,
                "target_scale": None,
                "target_tone": prepared.tone,
                "redrawing": redrawings.get(contrast),
            }
        )
        image: Tensor = finished["pred"][0].cpu()
        return image
