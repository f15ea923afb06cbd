"""Artifacts of a given severity: drawn by one function, applied by another.

Equal severity means, on average over slices and draws, equal loss of SSIM to the clean slice, whatever the kind. The
calibration is one of slices; volumes take the same strengths.
"""

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from monai.config import NdarrayOrTensor
from monai.utils import convert_to_dst_type, convert_to_tensor

from ..base.errors import InputError
from .calibration import Calibration
from .kinds import KINDS, Arguments, check_kind


@dataclass(frozen=True)
class ArtifactParameters:
    """One drawn artifact. `dataclasses.asdict` gives what JSON can hold, and these values build it again."""

    kind: str
    severity: float
    spatial_dims: int
    arguments: Arguments

    def __post_init__(self) -> None:
        """Refuse what no drawing gives."""
        _check_request(self.kind, self.severity, self.spatial_dims)


def draw_artifact(
    kind: str,
    severity: float,
    seed: int | np.random.Generator,
    calibration: Calibration,
    spatial_dims: int = 2,
) -> ArtifactParameters:
    """Draw all that `apply_artifact` needs for an artifact of that kind and severity, from a seed or a generator."""
    _check_request(kind, severity, spatial_dims)
    if kind not in calibration:
        raise InputError(f"artifact `kind` must be a calibrated one of {', '.join(calibration)}, got {kind!r}")
    curve = calibration[kind]
    arguments = curve.kind.draw(curve.strength(severity), np.random.default_rng(seed), spatial_dims)
    return ArtifactParameters(kind, severity, spatial_dims, arguments)


def apply_artifact(
    image: NdarrayOrTensor, parameters: ArtifactParameters, keep_background: bool = True
) -> NdarrayOrTensor:
    """Return the degraded image; (C, H, W) or (C, X, Y, Z), of the type, device and metadata of `image`.

    The image is scaled to a 95th percentile of 1 and its background is 0. Values below 0 become 0, as in a magnitude
    image. With `keep_background` voxels that are 0 stay 0, because background is removed after acquisition and takes
    the artifact along; without it noise, ghosts and moved edges show there too. Severity 0 returns a copy of the clean
    image. The random stream of torch is left as it was.
    """
    clean = convert_to_tensor(image, dtype=torch.float32, track_meta=False, device="cpu")
    _check_image(clean, parameters.spatial_dims)
    if parameters.severity == 0.0:
        return deepcopy(image)
    volume = clean.reshape(*clean.shape, *[1] * (4 - clean.ndim))
    with torch.random.fork_rng(devices=[]):
        degraded = KINDS[parameters.kind].apply(volume, **parameters.arguments).reshape(clean.shape)
    degraded = degraded.clamp(min=0.0)
    return convert_to_dst_type(torch.where(clean > 0, degraded, 0.0) if keep_background else degraded, image)[0]


def _check_request(kind: str, severity: float, spatial_dims: int) -> None:
    check_kind(kind)
    if not 0.0 <= severity <= 1.0:
        raise InputError(f"artifact `severity` must be between 0 and 1, got {severity}")
    if spatial_dims not in (2, 3):
        raise InputError(f"artifact `spatial_dims` must be 2 or 3, got {spatial_dims}")


def _check_image(clean: torch.Tensor, spatial_dims: int) -> None:
    if clean.ndim != spatial_dims + 1:
        raise InputError(
            f"`image` must have a channel and {spatial_dims} spatial axes, its shape is {tuple(clean.shape)}"
        )
    if not torch.isfinite(clean).all():
        raise InputError(f"`image` must be finite, {int((~torch.isfinite(clean)).sum())} of its values are not")
