"""Contrast codes of an image before and after, and of the target, all read in the same way."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError, find_cause
from ..harmonize.subjects import Subject
from ..harmonize.targets import PreparedTarget, TargetPreparation
from ..inferers.harmonization import Harmonized

Codes = Mapping[str, Mapping[str, list[float]]]
Transform = Callable[[dict[str, Any]], dict[str, Any]]


def read_codes(preparation: TargetPreparation, subject: Subject, target: PreparedTarget, result: Harmonized) -> Codes:
    """Theta and eta of the source of that contrast, of the harmonized image and of the target.

    Each is read as a target's would be. Methods without such codes have none.
    """
    if result.features is None:
        return {}
    network, codes, channel = preparation.network, {"target": target.code}, CONTRASTS.index(target.contrast)
    # Not within that mode, in which the transform's threads would not be.
    prepared = _prepare(preparation.transform, result.image[0].float().cpu().clone(), channel)
    with torch.inference_mode():
        if target.contrast in subject.images:
            source = subject.data["image"][None, channel, None]
            codes["before"] = network.encode_target(source, target.contrast)
        if prepared is not None:
            codes["after"] = network.encode_target(prepared, target.contrast)
    theta, numbers = result.features.theta, result.features.code.shape[1]
    flat = {name: code.flatten().float().cpu() for name, code in codes.items()}
    return {name: {"theta": code[:theta].tolist(), "eta": code[theta:numbers].tolist()} for name, code in flat.items()}


def _prepare(transform: Transform, volume: Tensor, channel: int) -> Tensor | None:
    """The harmonized image (X, Y, Z) as a target image (1, 1, X, Y, Z) would be; None where it is as good as empty."""
    stack = volume.new_zeros(len(CONTRASTS), *volume.shape)
    stack[channel] = volume
    available = torch.arange(len(CONTRASTS)) == channel
    try:
        data = transform({"image": stack, "available": available})
    except Exception as error:
        if find_cause(error, InputError) is None:
            raise
        return None
    return data["image"][None, channel, None]
