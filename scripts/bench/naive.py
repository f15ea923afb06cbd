"""The plain way to run HACA3+ on a volume, with which the inferer is compared.

All slices of a plane, empty or not, in large batches; everything in single precision; the sources encoded again for
every target; the fusion net on the whole cube at once.
"""

import torch
from torch import Tensor

from ..images.orientations import from_slices, to_slices
from ..methods.haca3.fusion_net import FusionNet
from ..methods.haca3.network import Haca3
from ..preprocessing.intensity_scale import scale_by_percentile

BATCH = 56


@torch.inference_mode()
def decode_plane(sources: Tensor, network: Haca3, target: Tensor, orientation: str) -> Tensor:
    """Sources (C, X, Y, Z) to the volume (X, Y, Z) that one orientation gives."""
    slices = to_slices(sources, orientation, network.field_of_view).transpose(0, 1)
    batches = [_decode(batch, network, target) for batch in slices.split(BATCH)]
    return from_slices(torch.cat(batches)[:, 0], orientation, sources.shape[1:])


@torch.inference_mode()
def fuse_planes(planes: list[Tensor], network: FusionNet, field_of_view: int) -> Tensor:
    """Three volumes (X, Y, Z) to one."""
    scaled = [to_slices(scale_by_percentile(plane)[0], "axial", field_of_view) for plane in planes]
    return from_slices(network(torch.stack(scaled)[None])[0, 0], "axial", planes[0].shape)


def _decode(slices: Tensor, network: Haca3, target: Tensor) -> Tensor:
    """A batch (B, C, H, W), one source after the other through the encoders."""
    query, available = target.expand(len(slices), -1), slices.new_ones(slices.shape[:2])
    sources = slices.split(1, dim=1)
    codes = torch.cat([network.encode_code(source) for source in sources], dim=1)
    logits = torch.cat([network.encode_anatomy(source) for source in sources], dim=1)
    foreground = network.foreground(slices)
    weights = network.attention(query, codes, foreground, available)
    visible = network.attention.visible(foreground, available)
    return network.decode(network.fuse(logits, weights), query, visible)
