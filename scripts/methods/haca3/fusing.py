"""One volume of the three that the planes gave."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import instance_norm, leaky_relu_, pad

from ...images.orientations import cube_margins
from ...inferers.precision import PRECISIONS
from ...preprocessing.intensity_scale import scale_by_percentile
from .fusion_net import LEAK, FusionNet, PlaneFusionNet

Net = TypeVar("Net", bound=nn.Module)


class Fusion(ABC):
    """Makes one volume of three planes."""

    @abstractmethod
    def __call__(self, planes: Sequence[Tensor], field_of_view: int, precision: str) -> Tensor:
        """Three planes (X, Y, Z) to one volume (X, Y, Z)."""


class MedianFusion(Fusion):
    """The median of the planes at each voxel."""

    def __call__(self, planes: Sequence[Tensor], field_of_view: int, precision: str) -> Tensor:
        """Three planes (X, Y, Z) to one volume (X, Y, Z)."""
        return torch.stack(list(planes)).median(0).values


class KeepingFusion(MedianFusion):
    """The median, which keeps the planes that each volume is made of."""

    def __init__(self) -> None:
        self.kept: list[Tensor] = []

    def __call__(self, planes: Sequence[Tensor], field_of_view: int, precision: str) -> Tensor:
        """Three planes (X, Y, Z) to one volume (X, Y, Z)."""
        self.kept.append(torch.stack(list(planes)))
        return super().__call__(planes, field_of_view, precision)


class PlaneFusion(Fusion):
    """A fusion net without normalisation, in the box around what the planes show.

    It works through `slab` layers of the box at a time, since the features of all at once would take gigabytes.
    """

    def __init__(self, network: PlaneFusionNet, slab: int = 16) -> None:
        self.network = network
        self.slab = slab

    def __call__(self, planes: Sequence[Tensor], field_of_view: int, precision: str) -> Tensor:
        """Three planes (X, Y, Z) to one volume (X, Y, Z)."""
        network = _in_precision(self.network, precision, planes[0].device)
        box = _box(torch.stack([plane != 0 for plane in planes]).any(0), margin=network.reach)
        volumes = torch.stack([plane[box] for plane in planes])[None].to(PRECISIONS[precision])
        fused = torch.zeros_like(planes[0])
        fused[box] = in_slabs(network, [volumes], network.reach, self.slab)[0, 0].to(fused.dtype)
        return fused


class NetworkFusion(Fusion):
    """HACA3's fusion net, which sees a cube of `field_of_view` voxels, each plane scaled by its own percentile.

    It works through `slab` layers of the cube at a time: the features of all at once would take 3 GB.
    """

    def __init__(self, network: FusionNet, slab: int = 32) -> None:
        self.network = network
        self.slab = slab

    def __call__(self, planes: Sequence[Tensor], field_of_view: int, precision: str) -> Tensor:
        """Three planes (X, Y, Z) to one volume (X, Y, Z)."""
        shape, dtype = planes[0].shape, PRECISIONS[precision]
        network = _in_precision(self.network, precision, planes[0].device)
        margins = cube_margins(shape, field_of_view)
        scaled = torch.stack([scale_by_percentile(plane, name="a decoded plane")[0].to(dtype) for plane in planes])
        # The network's axes are (Z, Y, X).
        cube = pad(scaled.permute(0, 3, 2, 1), [side for margin in margins for side in margin])
        del scaled
        fused = self._run(network, cube[None])[0, 0].permute(2, 1, 0).float()
        for axis, (low, _) in enumerate(margins):
            fused = fused.narrow(axis, low, shape[axis])
        return fused

    def _run(self, network: FusionNet, cube: Tensor) -> Tensor:
        """What `network(cube)` gives."""
        features = cube
        for block in network.features:
            features = in_slabs(next(block.children()), [features], halo=1, slab=self.slab)
            for channel in features[0]:
                channel.copy_(leaky_relu_(instance_norm(channel[None, None]), LEAK)[0, 0])
        return in_slabs(network.merge, [cube, features], halo=2, slab=self.slab)


def in_slabs(module: Callable[[Tensor], Tensor], inputs: list[Tensor], halo: int, slab: int) -> Tensor:
    """`module`, whose receptive field reaches `halo` layers to each side, on the concatenated `inputs` (1, C, D, H, W).

    It sees `slab` layers at a time.
    """
    depth, output = inputs[0].shape[2], torch.empty(0)
    for start in range(0, depth, slab):
        stop = min(start + slab, depth)
        low, high = max(start - halo, 0), min(stop + halo, depth)
        layers = torch.cat([volume[:, :, low:high] for volume in inputs], dim=1)
        if layers.dtype != torch.float32:
            # Twice as fast; single precision would be too, but not the same to the last bit.
            layers = layers.contiguous(memory_format=torch.channels_last_3d)
        result = module(layers)
        if start == 0:
            output = result.new_empty(*result.shape[:2], depth, *result.shape[3:])
        output[:, :, start:stop] = result[:, :, start - low : stop - low]
    return output


def _in_precision(network: Net, precision: str, device: torch.device) -> Net:
    here, dtype = next(network.parameters()), PRECISIONS[precision]
    if (here.dtype, here.device) == (dtype, device):
        return network
    return copy.deepcopy(network).to(device, dtype)


def _box(shown: Tensor, margin: int) -> tuple[slice, ...]:
    """The box around what is `shown` (X, Y, Z), and `margin` voxels more on each side where there are any."""
    box = []
    for axis, size in enumerate(shown.shape):
        others = [other for other in range(shown.ndim) if other != axis]
        places = shown.sum(others).nonzero().flatten()
        first, last = (int(places[0]), int(places[-1])) if len(places) else (0, -1)
        box.append(slice(max(first - margin, 0), min(last + 1 + margin, size)))
    return tuple(box)
