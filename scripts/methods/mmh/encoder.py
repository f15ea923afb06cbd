"""Frozen encoders of slices: BiomedCLIP's, from a file, or a small one that is trained here to tell scanners apart.

BiomedCLIP's file is a flat state dict of tensors, with the names of its own image tower without their first word
`visual`: `trunk.cls_token`, `trunk.pos_embed`, `trunk.patch_embed.proj.*`, `trunk.blocks.<0 to 11>.norm1.*`,
`.attn.qkv.*`, `.attn.proj.*`, `.norm2.*`, `.mlp.fc1.*`, `.mlp.fc2.*`, `trunk.norm.*`, and `head.proj.weight`.
"""

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, interpolate, scaled_dot_product_attention

from ...base.errors import InputError
from ...base.weights import load_weights

ADVICE = (
    "train the small one with train_mmh_encoder.json, or give another file of the encoder's weights, which "
    "scripts/methods/mmh/encoder.py describes"
)


class SliceEncoder(nn.Module):
    """Slices (N, 1, H, W), from -1 to 1, to vectors (N, size). Its `name` is recorded with every result."""

    name: str
    size: int

    @abstractmethod
    def forward(self, slices: Tensor) -> Tensor:
        """The vectors."""


class SmallSliceEncoder(SliceEncoder):
    """Five convolutions that halve a slice, and mean and deviation of what they find.

    Nothing is normalised: how bright tissues are is part of a style.
    """

    name = "small"

    def __init__(self, size: int = 64, width: int = 16) -> None:
        super().__init__()
        self.size = size
        self.width = width
        widths = [1, width, 2 * width, 4 * width, 4 * width]
        layers: list[nn.Module] = []
        for inputs, outputs in zip(widths, widths[1:], strict=False):
            layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.LeakyReLU(0.1)]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(2 * widths[-1], size)

    def forward(self, slices: Tensor) -> Tensor:
        """The vectors."""
        found = self.body(slices).flatten(2)
        vectors: Tensor = self.head(torch.cat([found.mean(2), found.std(2, correction=0)], dim=1))
        return vectors


class BiomedClipEncoder(SliceEncoder):
    """The image tower of BiomedCLIP: a vision transformer of 224 x 224 pixels, and a projection to 512 numbers.

    Modules have the names of the published file.
    """

    name = "biomedclip"
    mean: ClassVar[tuple[float, ...]] = (0.48145466, 0.4578275, 0.40821073)
    deviation: ClassVar[tuple[float, ...]] = (0.26862954, 0.26130258, 0.27577711)

    def __init__(
        self, width: int = 768, depth: int = 12, heads: int = 12, patch: int = 16, pixels: int = 224, size: int = 512
    ) -> None:
        super().__init__()
        self.size = size
        self.pixels = pixels
        self.trunk = VisionTransformer(width, depth, heads, patch, pixels)
        self.head = nn.ModuleDict({"proj": nn.Linear(width, size, bias=False)})

    def forward(self, slices: Tensor) -> Tensor:
        """The vectors."""
        square = interpolate((slices + 1) / 2, size=(self.pixels, self.pixels), mode="bicubic")
        mean, deviation = (slices.new_tensor(each).view(1, 3, 1, 1) for each in (self.mean, self.deviation))
        vectors: Tensor = self.head["proj"](self.trunk((square - mean) / deviation))
        return vectors


class VisionTransformer(nn.Module):
    """Images (N, 3, pixels, pixels) in `patch` pixels a side to vectors (N, width), those of a token of their own."""

    def __init__(self, width: int, depth: int, heads: int, patch: int, pixels: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + (pixels // patch) ** 2, width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, patch, stride=patch)})
        self.blocks = nn.Sequential(*[TransformerBlock(width, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, images: Tensor) -> Tensor:
        """The vectors."""
        patches = self.patch_embed["proj"](images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1) + self.pos_embed
        vectors: Tensor = self.norm(self.blocks(tokens))[:, 0]
        return vectors


class TransformerBlock(nn.Module):
    """Attention and a perceptron, each after a normalization and added to the tokens (N, T, width).

    MONAI's computes the same under other names, and has parameters that BiomedCLIP lacks.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)})
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens of the same shape."""
        heads = self.attn["qkv"](self.norm1(tokens)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
        tokens = tokens + self.attn["proj"](seen)
        again: Tensor = tokens + self.mlp["fc2"](gelu(self.mlp["fc1"](self.norm2(tokens))))
        return again


Encoder = TypeVar("Encoder", bound=SliceEncoder)


def load_encoder(encoder: Encoder, path: Path | str | None, advice: str = ADVICE) -> Encoder:
    """Fill the encoder from the file `path`, and freeze it."""
    if path is None:
        raise InputError(f"`encoder_weights` must be the file of the encoder's weights, got None; {advice}")
    load_weights(encoder, path, advice)
    return encoder.requires_grad_(False).eval()
