"""What a method makes of volumes that are no files."""

from torch import Tensor

from ..base.contrasts import CONTRASTS
from ..methods.base import Method


def harmonized_volume(method: Method, sources: Tensor, visit: Tensor, contrast: str) -> Tensor:
    """The image (X, Y, Z) that prepared `sources` (4, X, Y, Z) give in the style of a target.

    That is the image of the `contrast` in a `visit` (4, X, Y, Z), whose others count if the sources lack it.
    """
    available, channel = sources.flatten(1).any(1), CONTRASTS.index(contrast)
    beside = available.clone()
    beside[channel] = True
    code = method.encode(visit * beside[:, None, None, None], contrast, when_absent=not available[channel])
    data = {"image": sources, "available": available}
    code = code if available[channel] else code.when_absent()
    (result,) = method.harmonize(data, [code])
    return result.image[0].cpu()
