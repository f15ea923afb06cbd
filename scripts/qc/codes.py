"""Contrast codes of an image before and after, and of the target, all read in the same way."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
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
    """Appearance and artifacts of the source of that contrast, of the harmonized image and of the target.

    Each is read as a target's would be. Methods whose codes do not tell have none.
    """
    if not target.code.describe():
        return {}
    method, contrast = preparation.method, target.contrast
    channel, codes = CONTRASTS.index(contrast), {"target": target.code.describe()}
    if contrast in subject.images:
        codes["before"] = method.describe_image(subject.data["image"][channel], contrast)
    prepared = _prepare(preparation.transform, result.image[0].float().cpu().clone(), channel)
    if prepared is not None:
        codes["after"] = method.describe_image(prepared, contrast)
    return codes


def code_distances(codes: Codes) -> dict[str, float]:
    """How far the appearance before and after is from that of the target, as measures."""
    appearance = {when: code["appearance"] for when, code in codes.items() if "appearance" in code}
    if "target" not in appearance:
        return {}
    return {
        f"contrast_{when}": float(np.linalg.norm(np.subtract(appearance[when], appearance["target"])))
        for when in ("before", "after")
        if when in appearance
    }


def _prepare(transform: Transform, volume: Tensor, channel: int) -> Tensor | None:
    """The harmonized image (X, Y, Z) as a target image (X, Y, Z) would be; None where it is as good as empty."""
    stack = volume.new_zeros(len(CONTRASTS), *volume.shape)
    stack[channel] = volume
    available = torch.arange(len(CONTRASTS)) == channel
    try:
        data = transform({"image": stack, "available": available})
    except Exception as error:
        if find_cause(error, InputError) is None:
            raise
        return None
    prepared: Tensor = data["image"][channel]
    return prepared
