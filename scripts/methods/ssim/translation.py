"""What one pass of training makes of a batch: every image again, in another's style, and back.

Letters in shapes: B images, C channels, K labels, N numbers of noise, X, Y and Z the size of a volume.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ...base.errors import InputError
from .network import SeenStyle, SsimNet


class Judged(NamedTuple):
    """What a discriminator thinks, at each of its scales: a map of how `real`, and `labels` (B, K)."""

    real: list[Tensor]
    labels: list[Tensor]


@dataclass(frozen=True, eq=False)
class Translation:
    """Images (B, 1, X, Y, Z), what they were taken apart into, and what was put together of it.

    `own` and `target` are labels (B, K). `again` is the image of its own structure and style, `translated` that of its
    own structure in the target's style, `cycled` the translated one brought back. The `partner` is the image that has
    the target's style, unless that is nobody's.
    """

    image: Tensor
    shown: Tensor
    partner: Tensor
    partner_shown: Tensor
    own: Tensor
    target: Tensor
    noise: Tensor
    style: SeenStyle
    structure: Tensor
    again: Tensor
    translated: Tensor
    style_again: SeenStyle
    structure_again: Tensor
    cycled: Tensor


def translate(network: SsimNet, image: Tensor, own: Tensor, agnostic_share: float) -> Translation:
    """Translate each image to the style of another one of the batch, or to that of no label, which is all -1."""
    count = len(image)
    if count < 2:
        raise InputError(f"`batch_size` must be at least 2, so that an image has a partner, got {count}")
    shown, order = image > 0, torch.arange(count, device=image.device).roll(int(torch.randint(1, count, ())))
    agnostic = torch.rand(count, 1).to(own.device) < agnostic_share
    target = torch.where(agnostic, -torch.ones_like(own), own[order])
    structure, style = network.structure(image), network.style(image)
    own_noise = style.mean + (style.log_variance / 2).exp() * torch.randn(style.mean.shape).to(style.mean)
    noise = torch.randn(count, network.sizes.noise).to(own)
    translated = network.generate(structure, noise, target, shown)
    structure_again, style_again = network.structure(translated), network.style(translated)
    return Translation(
        image=image,
        shown=shown,
        partner=image[order],
        partner_shown=shown[order],
        own=own,
        target=target,
        noise=noise,
        style=style,
        structure=structure,
        again=network.generate(structure, own_noise, style.labels, shown),
        translated=translated,
        style_again=style_again,
        structure_again=structure_again,
        cycled=network.generate(structure_again, own_noise, style.labels, shown),
    )
