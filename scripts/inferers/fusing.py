"""One volume of the three that the planes gave."""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import instance_norm, leaky_relu_, pad

from ..networks.fusion import LEAK, FusionNet
from ..transforms.intensity_scale import scale_by_percentile
from ..transforms.orientations import cube_margins
from .precision import PRECISIONS


class MedianFusion:
    """The median of the planes at each voxel."""

    def __call__(self, planes: Sequence[Tensor], field_of_view: int, precision: str) -> Tensor:
        """Three planes (X, Y, Z) to one volume (X, Y, Z)."""
        return torch.stack(list(planes)).median(0).values


class KeepingFusion(MedianFusion):
    """The median, which keeps the planes that it is made of."""

    planes: Sequence[Tensor] = ()

    def __call__(self, planes: Sequence[Tensor], field_of_view: int, precision: str) -> Tensor:
        """Three planes (X, Y, Z) to one volume (X, Y, Z)."""
        self.planes = planes
        return super().__call__(planes, field_of_view, precision)


class NetworkFusion:
    """A fusion net, which sees a cube of `field_of_view` voxels, each plane scaled by its own percentile.

    It works through `slab` layers of the cube at a time: the features of all at once would take 3 GB.
    """

    def __init__(self, network: FusionNet, slab: int = 32) -> None:
        self.network = network
        self.slab = slab

    def __call__(self, planes: Sequence[Tensor], field_of_view: int, precision: str) -> Tensor:
        """Three planes (X, Y, Z) to one volume (X, Y, Z)."""
        network, dtype = self.network, PRECISIONS[precision]
        here, (device, shape) = next(network.parameters()), (planes[0].device, planes[0].shape)
        if (here.dtype, here.device) != (dtype, device):
            network = copy.deepcopy(network).to(device, dtype)
        scaled = torch.stack([scale_by_percentile(plane, name="a decoded plane")[0].to(dtype) for plane in planes])
        cube = fusion_cube(scaled, field_of_view)
        del scaled
        fused = self._run(network, cube[None])[0, 0].permute(2, 1, 0).float()
        for axis, (low, _) in enumerate(cube_margins(shape, field_of_view)):
            fused = fused.narrow(axis, low, shape[axis])
        return fused

    def _run(self, network: FusionNet, cube: Tensor) -> Tensor:
        """What `network(cube)` gives."""
        features = cube
        for block in network.features:
            features = self._in_slabs(next(block.children()), [features], halo=1)
            for channel in features[0]:
                channel.copy_(leaky_relu_(instance_norm(channel[None, None]), LEAK)[0, 0])
        return self._in_slabs(network.merge, [cube, features], halo=2)

    def _in_slabs(self, module: Callable[[Tensor], Tensor], inputs: list[Tensor], halo: int) -> Tensor:
        """`module`, whose receptive field reaches `halo` layers to each side, on the concatenated `inputs`."""
        depth, output = inputs[0].shape[2], torch.empty(0)
        for start in range(0, depth, self.slab):
            stop = min(start + self.slab, depth)
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


def fusion_cube(volumes: Tensor, field_of_view: int) -> Tensor:
    """Volumes (C, X, Y, Z) as a fusion net sees them: padded to cubes, axes (Z, Y, X)."""
    margins = cube_margins(volumes.shape[1:], field_of_view)
    return pad(volumes.permute(0, 3, 2, 1), [side for margin in margins for side in margin])


Fusion = MedianFusion | NetworkFusion
