"""Fine detail of the source that has the target's contrast already (not in the papers).

A network that makes an image from a few classes of anatomy knows how bright tissues are to be, and loses what is fine.
Where a source of the same contrast is there, the harmonized image is, around each voxel, nearly a straight line of the
source's brightness: that line, and not the network's own detail, makes the image (after He et al. 2013, guided
filters).
"""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from torch import Tensor
from torch.nn.functional import avg_pool3d, interpolate, pad

from ..contrasts import CONTRASTS


def carry_detail(image: Tensor, source: Tensor, radius: int, coarseness: int, epsilon: float) -> Tensor:
    """An image (X, Y, Z) of the source's detail by lines that are fitted around each voxel where both show something.

    Lines are fitted to voxels within about `radius`, at every `coarseness` voxels; `epsilon` is the variance of the
    source from which on its detail is trusted.
    """
    seen = (image > 0) & (source > 0)
    known = seen.to(image.dtype)
    x, y = source * known, image * known
    size = 2 * (radius // coarseness) + 1

    def pool(volume: Tensor) -> Tensor:
        return avg_pool3d(volume[None, None], coarseness, ceil_mode=True, count_include_pad=False)

    def spread(volume: Tensor) -> Tensor:
        # A volume may be smaller than the kernel, which padding of the pooling itself does not allow.
        return avg_pool3d(pad(volume, 6 * [size // 2]), size, stride=1)

    weight = spread(pool(known)).clamp(min=1e-6)
    mean_x, mean_y, mean_xx, mean_xy = (spread(pool(product)) / weight for product in (x, y, x * x, x * y))
    slope = (mean_xy - mean_x * mean_y) / ((mean_xx - mean_x * mean_x).clamp(min=0) + epsilon)
    offset = mean_y - slope * mean_x
    lines = [interpolate(each, size=image.shape, mode="trilinear")[0, 0] for each in (slope, offset)]
    return torch.where(seen, (lines[0] * source + lines[1]).clamp(min=0), image)


class CarryDetaild(MapTransform):
    """Gives volumes (1, X, Y, Z) the detail of the source of their contrast, where the subject has one."""

    def __init__(
        self,
        keys: KeysCollection = "pred",
        radius: int = 16,
        coarseness: int = 4,
        epsilon: float = 1e-3,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.radius = radius
        self.coarseness = coarseness
        self.epsilon = epsilon

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the volumes by new ones."""
        result = dict(data)
        channel = CONTRASTS.index(str(data["target_contrast"]))
        if data["available"][channel]:
            source = data["image"][channel]
            for key in self.key_iterator(result):
                volume = carry_detail(result[key][0], source, self.radius, self.coarseness, self.epsilon)
                result[key] = volume[None]
        return result
