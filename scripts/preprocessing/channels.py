"""Work on each available contrast of an image, in threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from ..base.contrasts import CONTRASTS


def map_available(image: Tensor, available: Tensor, function: Callable[[Tensor, str], Tensor]) -> Tensor:
    """A new image (C, X, Y, Z): `function` of volume and contrast name where `available` (C,), the old one elsewhere.

    There are as many threads as torch may use. A MetaTensor keeps its metadata.
    """
    result = torch.empty_like(image)
    old, new = image.as_subclass(Tensor), result.as_subclass(Tensor)

    def work(channel: int) -> None:
        new[channel] = function(old[channel], CONTRASTS[channel]) if available[channel] else old[channel]

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(work, range(len(image))))
    return result
