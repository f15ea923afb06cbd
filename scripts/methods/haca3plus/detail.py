"""How much of a source's own detail a result keeps; the decoded image is the rest.

The decoded image has no noise, but it fades what training rarely showed, such as lesions. Noise differs from it alike
everywhere, and what it fades differs by more: there the source is kept.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

# The share of the source where it differs from the decoded image as it usually does in a slice.
_USUAL_SHARE = 0.25
# The side, in pixels, of the square whose mean says how much the two differ at its middle.
_SQUARE = 5


def local_share(difference: Tensor, shown: Tensor) -> Tensor:
    """The share (B, 1, H, W) of the source that is kept, by its `difference` (B, 1, H, W) from the decoded image.

    It is near to 1 where the mean square of the difference, around a pixel, is far above the median of what is `shown`.
    """
    shown = shown.to(difference.dtype)
    pixels = _around(shown)
    energy = _around(difference.square() * shown) / pixels.clamp(min=1 / _SQUARE**2)
    usual = torch.where(shown > 0, energy, torch.nan).flatten(1).nanmedian(1).values.view(-1, 1, 1, 1).nan_to_num()
    # Where both are 0 there is nothing to keep.
    return 1 - (1 - _USUAL_SHARE) * (usual / energy.clamp(min=torch.finfo(energy.dtype).tiny)).clamp(max=1)  # Eq. (14)


def _around(values: Tensor) -> Tensor:
    """Means over squares, what lies outside of the slice being 0."""
    return avg_pool2d(values, _SQUARE, stride=1, padding=_SQUARE // 2)
