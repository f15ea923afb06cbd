"""Sources that the network makes anew with their own codes, for detail to be carried from them."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...base.contrasts import CONTRASTS
from ...inferers.harmonization import HarmonizationInferer, Harmonized
from .carry_detail import Redrawing
from .tone import RedrawsTarget


def own_codes(network: nn.Module, data: Mapping[str, Any], contrasts: Sequence[str]) -> dict[str, Tensor]:
    """The codes of a subject's sources of these contrasts as if they were targets; none of a method without codes."""
    if not isinstance(network, RedrawsTarget):
        return {}
    available = {contrast for contrast, there in zip(CONTRASTS, data["available"].tolist(), strict=True) if there}
    with torch.inference_mode():
        return {
            contrast: network.encode_target(data["image"][None, CONTRASTS.index(contrast), None], contrast)
            for contrast in contrasts
            if contrast in available
        }


def harmonize_and_redraw(
    inferer: HarmonizationInferer, network: Any, data: Mapping[str, Any], codes: Sequence[Any], contrasts: Sequence[str]
) -> tuple[list[Harmonized], dict[str, Redrawing]]:
    """A subject harmonized to the `codes` of targets, and its sources of `contrasts` redrawn.

    All at once, since the anatomy of the sources is then encoded once.
    """
    own = own_codes(network, data, contrasts)
    if not codes and not own:
        return [], {}
    results = inferer.harmonize(data["image"], network, [*codes, *own.values()], data["available"])
    redrawn = zip(own.items(), results[len(codes) :], strict=True)
    redrawings = {contrast: Redrawing(result.image, network.severity(code)) for (contrast, code), result in redrawn}
    return results[: len(codes)], redrawings
