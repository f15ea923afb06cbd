"""Detail and brightness of the source that has the target's contrast already (not in the papers).

A network that makes an image from a few classes of anatomy says how brightness changes from scanner to scanner better
than what an image is like. So it makes the source anew too, with the source's own code: around each voxel, its image of
the target is nearly a straight line of its image of the source, and that line of the source itself is the result. What
the network errs in, it errs in twice, and the two cancel (lines after He et al. 2013, guided filters).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import avg_pool3d, interpolate, pad

from ...base.errors import InputError


class Calibration(Protocol):
    """Finds what gives an image the brightness of another one that shows the same."""

    def curve(self, made: Tensor, wanted: Tensor) -> Callable[[Tensor], Tensor] | None:
        """The curve from what is `made` to what is `wanted`; None where nothing can be told."""


@dataclass(frozen=True)
class Redrawing:
    """What the network makes of a source with the source's own code, (1, X, Y, Z), and its artifacts' severity."""

    image: Tensor
    severity: float


def local_lines(image: Tensor, guide: Tensor, radius: int, coarseness: int, epsilon: float) -> tuple[Tensor, ...]:
    """Slope and offset (X, Y, Z) of the line from `guide` to `image` around each voxel, and the share where both show.

    Lines are fitted to voxels within about `radius` where both show something, at every `coarseness` voxels; `epsilon`
    is the variance of the guide from which on it is trusted. The share is of the voxels where the image shows any.
    """
    shown = (image > 0).to(image.dtype)
    known = shown * (guide > 0)
    x, y = guide * known, image * known
    size = 2 * (radius // coarseness) + 1

    def mean_around(volume: Tensor) -> Tensor:
        pooled = avg_pool3d(volume[None, None], coarseness, ceil_mode=True, count_include_pad=False)
        # A volume may be smaller than the kernel, which padding of the pooling itself does not allow.
        return avg_pool3d(pad(pooled, 6 * [size // 2]), size, stride=1)

    weight = mean_around(known).clamp(min=1e-6)
    mean_x, mean_y, mean_xx, mean_xy = (mean_around(product) / weight for product in (x, y, x * x, x * y))
    slope = (mean_xy - mean_x * mean_y) / ((mean_xx - mean_x * mean_x).clamp(min=0) + epsilon)
    share = weight / mean_around(shown).clamp(min=1e-6)
    coarse = slope, mean_y - slope * mean_x, share
    return tuple(interpolate(each, size=image.shape, mode="trilinear")[0, 0] for each in coarse)


def _box_of_cells(shown: Tensor, size: int) -> tuple[slice, ...]:
    """Cells of `size` voxels a side, counted from the volume's corner, that hold all voxels `shown`, and one more."""
    places = shown.nonzero()
    first, last = places.min(0).values // size - 1, places.max(0).values // size + 2
    ends = zip(first.clamp(min=0).tolist(), last.tolist(), strict=True)
    return tuple(slice(size * start, size * stop) for start, stop in ends)


class DetailCarrier:
    """Makes volumes (1, X, Y, Z) of the source of their contrast, by lines between two images of the network.

    A `calibration` first gives the network's image of the source the source's brightness. A line counts less

    - where it is steep: whatever is wrong with the source is then made worse;
    - the more severe the source's artifacts are, from the first of `severities` on, and not at all from the second on;
    - near to where the source ends and the image goes on, so that no edge is seen there.

    Of what is left of it, `share` is taken: scanners differ in detail too, so that less of it makes their images more
    alike, and less sharp.
    """

    def __init__(
        self,
        calibration: Calibration | None,
        radius: int = 16,
        coarseness: int = 4,
        epsilon: float = 3e-4,
        severities: Sequence[float] = (0.7, 1.2),
        share: float = 1.0,
    ) -> None:
        """Check the arguments."""
        if not 1 <= coarseness <= radius:
            raise InputError(f"`coarseness` must be from 1 to `radius`, {radius}, got {coarseness}")
        if epsilon <= 0:
            raise InputError(f"`epsilon` must be above 0, got {epsilon}")
        if len(severities) != 2 or not 0 <= severities[0] < severities[1]:
            raise InputError(f"`severities` must be two that rise, from 0 or above, got {severities}")
        if not isinstance(share, int | float) or not 0 <= share <= 1:
            raise InputError(f"`carry_detail` must be true, false or a number from 0 to 1, got {share!r}")
        self.calibration = calibration
        self.radius = radius
        self.coarseness = coarseness
        self.epsilon = epsilon
        self.severities = severities
        self.share = float(share)

    def __call__(self, volume: Tensor, source: Tensor, redrawing: Redrawing) -> Tensor:
        """The `volume` with the detail of the `source` (X, Y, Z) of its contrast, which was drawn anew."""
        result = volume.clone()
        image = result[0]
        if not image.any():
            return result
        # What lies outside changes nothing, and would take most of the time.
        box = _box_of_cells(image > 0, self.coarseness)
        guide = redrawing.image[0].to(image.device)
        image[box] = self._carry(image[box], source.to(image.device)[box], guide[box], redrawing.severity)
        return result

    def _carry(self, image: Tensor, source: Tensor, redrawn: Tensor, severity: float) -> Tensor:
        guide = redrawn * (source > 0)
        curve = None if self.calibration is None else self.calibration.curve(guide, source)
        if curve is not None:
            guide = curve(guide)
        slope, offset, known = local_lines(image, guide, self.radius, self.coarseness, self.epsilon)
        line = (slope * source + offset).clamp(min=0)
        # Half of the neighbourhood of a voxel at the end of the source lies beyond it.
        weight = self.share * self._trust(severity) * slope.clamp(min=1) ** -2 * (2 * known - 1).clamp(min=0)
        return torch.where((image > 0) & (source > 0), image + weight * (line - image), image)

    def _trust(self, severity: float) -> float:
        clean, spoilt = self.severities
        return min(max((spoilt - severity) / (spoilt - clean), 0.0), 1.0)
