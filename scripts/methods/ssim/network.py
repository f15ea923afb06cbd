"""SSIM-guided disentanglement (Caldera et al. 2026): structure and style of a volume, and a volume of these two.

    E_b    structure encoder    `structure`
    E_s    style encoder, style s = (n, l): noise and labels    `style`
    G      generator    `generate`

Letters in shapes: B images, C channels, K labels, N numbers of noise, P styles, X, Y and Z the size of a volume.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...base.contrasts import CONTRASTS
from ...base.errors import InputError
from .encoders import StructureEncoder, StyleEncoder
from .generator import Generator
from .sizes import Sizes
from .styles import check_styles, labels_of, place_labels


class SeenStyle(NamedTuple):
    """What the style encoder saw: mean and log variance of the noise (B, N), and labels (B, K)."""

    mean: Tensor
    log_variance: Tensor
    labels: Tensor


class StyleCode(NamedTuple):
    """What an image is brought to: noise (1, N), the source's own if it is None, and labels (1, K)."""

    noise: Tensor | None
    labels: Tensor


class SsimNet(nn.Module):
    """For images of one `contrast`; `styles` are the sets of labels that it is trained on.

    Intensities lie between 0 and `white`; what is 0 in a source is 0 in what is made of it.
    """

    vectors: Tensor

    def __init__(
        self,
        styles: Sequence[Sequence[str]],
        sizes: Sizes | None = None,
        contrast: str = "t1w",
        white: float = 2.0,
    ) -> None:
        super().__init__()
        if contrast not in CONTRASTS:
            raise InputError(f"`contrast` must be one of {', '.join(CONTRASTS)}, got {contrast}")
        if not white > 0:
            raise InputError(f"`white` must be above 0, got {white}")
        check_styles(styles)
        self.styles = [tuple(style) for style in styles]
        self.labels = labels_of(styles)
        self.sizes = sizes or Sizes()
        self.contrast = contrast
        self.white = white
        self.structure_encoder = StructureEncoder(self.sizes)
        self.style_encoder = StyleEncoder(self.sizes, len(self.labels))
        self.generator = Generator(self.sizes, self.labels)
        # 1 for the labels that a style has, -1 for the others; weights so hold the styles (P, K).
        rows = [[1.0 if label in style else -1.0 for label in self.labels] for style in self.styles]
        self.register_buffer("vectors", torch.tensor(rows))

    @property
    def agnostic(self) -> Tensor:
        """The labels (1, K) of no place: all -1."""
        return -torch.ones_like(self.vectors[:1])

    def labels_of_places(self, sites: Sequence[str], scanners: Sequence[str]) -> Tensor:
        """The labels (B, K) of images by where they were acquired."""
        known = {style: vector for style, vector in zip(self.styles, self.vectors, strict=True)}
        fields = {label.partition(":")[0] for label in self.labels}
        found = [place_labels(site, scanner, fields) for site, scanner in zip(sites, scanners, strict=True)]
        return torch.stack([known[style] for style in found])

    def structure(self, image: Tensor) -> Tensor:
        """c (B, C, X', Y', Z') of images (B, 1, X, Y, Z) of any size."""
        step = 2**self.sizes.halvings
        margins = [margin for size in reversed(image.shape[2:]) for margin in (0, -size % step)]
        result: Tensor = self.structure_encoder(F.pad(self._scaled(image), margins))
        return result

    def style(self, image: Tensor) -> SeenStyle:
        """Of images (B, 1, X, Y, Z)."""
        return SeenStyle(*self.style_encoder(self._scaled(image)))

    def generate(self, structure: Tensor, noise: Tensor, labels: Tensor, shown: Tensor) -> Tensor:
        """Images (B, 1, X, Y, Z) of structures and styles, 0 where nothing is `shown`."""
        made = self.generator(structure, noise, labels)[..., : shown.shape[2], : shown.shape[3], : shown.shape[4]]
        return (made.float() + 1) * (self.white / 2) * shown

    def forward(self, image: Tensor, target: StyleCode | None = None) -> Tensor:
        """Images (B, 1, X, Y, Z) in the style of the target, by default the one of no place."""
        noise, labels = target or StyleCode(torch.zeros(1, self.sizes.noise), self.agnostic)
        if noise is None:
            noise = self.style(image).mean
        count = len(image)
        noise, labels = (each.to(image.device).expand(count, -1) for each in (noise, labels))
        return self.generate(self.structure(image), noise, labels, image > 0)

    def _scaled(self, image: Tensor) -> Tensor:
        # The background stays 0, as convolutions have it beyond the border.
        return image.clamp(max=self.white) / self.white
