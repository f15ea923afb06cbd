"""Anatomy contrasted by patches: two sources of a subject must show the same anatomy, and no contrast (HACA3, Eq. 1).

    L_C = -log( exp(q . p) / (exp(q . p) + 1/N sum_n exp(q . p_n)) )

    q     query: a patch of the anatomy of source i
    p     positive: the patch at the same place of the anatomy of another source j
    p_n   negatives: the patches of the images i and j at the places of the queries, and patches at other places than
          the query's of the anatomies i and j

Products are of features of length 1, divided by a temperature. Letters: B samples, C sources, P patches of a map.
"""

from math import log

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, softplus

from ...base.errors import InputError
from ...layers.loss_precision import in_float32


def draw_pairs(available: Tensor, generator: torch.Generator) -> Tensor:
    """Two different sources (B, 2) of each sample, from those `available` (B, C), every ordered pair equally likely.

    A sample with fewer than two has nothing to contrast: its two are equal.
    """
    order = torch.rand(available.shape, generator=generator, device=generator.device).to(available.device)
    pairs = order.masked_fill(available == 0, -1.0).topk(2, dim=1).indices
    return torch.where((available != 0).sum(1, keepdim=True) < 2, pairs[:, :1], pairs)


class PatchContrast(nn.Module):
    """L_C, the mean over all patches and samples; a sample without a pair counts 0.

    `other_patches` is how many negatives of a query come from other places of the anatomies, taken at evenly spread
    distances from both alike: 196, with the 98 patches of the two images, make 294 at 224 x 224.
    """

    def __init__(self, patchifier: nn.Module, temperature: float = 0.1, other_patches: int = 196) -> None:
        super().__init__()
        if temperature <= 0:
            raise InputError(f"`temperature` must be above 0, got {temperature}")
        if other_patches < 1:
            raise InputError(f"`other_patches` must be at least 1, got {other_patches}")
        self.patchifier = patchifier
        self.temperature = temperature
        self.other_patches = other_patches

    @in_float32
    def forward(self, anatomies: Tensor, images: Tensor, pairs: Tensor) -> Tensor:
        """Anatomies (B, C, 1, H, W) of images (B, C, H, W), and `pairs` (B, 2) of `draw_pairs`."""
        samples = torch.arange(len(pairs), device=pairs.device).unsqueeze(1)
        maps = torch.cat([anatomies[samples, pairs], images[samples, pairs].unsqueeze(2)], dim=1)
        # In one call, as distributed training wants it.
        features = normalize(self.patchifier(maps.flatten(0, 1)), dim=1).unflatten(0, (-1, 4))
        # From each query to each patch of the four maps, (B, 4, P, P).
        similarity = torch.einsum("bfq,bmfp->bmqp", features[:, 0], features) / self.temperature
        positive = similarity[:, 1].diagonal(dim1=1, dim2=2)
        negatives = torch.cat(
            [similarity[:, 2], similarity[:, 3], other_places(similarity[:, :2], self.other_patches)], dim=2
        )
        # Eq. 1: -log(e^p / (e^p + e^n)) = log(1 + e^(n - p)), e^n being the mean over the N negatives.
        loss = softplus(negatives.logsumexp(2) - log(negatives.shape[2]) - positive).mean(1)
        has_pair = pairs[:, 0] != pairs[:, 1]
        return (loss * has_pair).mean()


def other_places(similarity: Tensor, number: int) -> Tensor:
    """Choose for each query `number` patches at other places; similarities (B, 2, P, P) give (B, P, number).

    Both maps give alike, from distances that are spread evenly over all there are.
    """
    places = similarity.shape[-1]
    query = torch.arange(places, device=similarity.device).unsqueeze(1)
    chosen = torch.arange(number, device=similarity.device).unsqueeze(0)
    # From 1 to P - 1, so that it is never the query's own place.
    distance = 1 + (chosen // 2) * (places - 1) // ((number + 1) // 2)
    return similarity[:, chosen % 2, query, (query + distance) % places]
