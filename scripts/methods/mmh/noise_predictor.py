"""epsilon_theta: MONAI's diffusion U-Net, whose decoder is told the style that the image is to have."""

from collections.abc import Sequence

import torch
from monai.networks.nets import DiffusionModelUNet
from monai.networks.utils import pixelshuffle, pixelunshuffle
from torch import Tensor, nn
from torch.nn.functional import instance_norm, pad
from torch.utils.checkpoint import checkpoint

from ...base.arguments import check_whole
from ...base.contrasts import CONTRASTS

# Styles differ by about a tenth; a perceptron learns sooner from numbers near 1.
_DIFFERENCE = 10.0


class AdaptiveNorm(nn.Module):
    """AdaIN: features (B, C, X, Y, Z) get the scale and shift that a perceptron makes of what it is told (B, N)."""

    def __init__(self, channels: int, told: int = 2, width: int = 64) -> None:
        super().__init__()
        last = nn.Linear(width, 2 * channels)
        self.perceptron = nn.Sequential(nn.Linear(told, width), nn.SiLU(), last)
        # It begins as a normalization and nothing else.
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """Features of the same shape."""
        scale, shift = self.perceptron(style)[:, :, None, None, None].chunk(2, dim=1)
        return (1 + scale) * instance_norm(features) + shift  # Eq. (8)


class UNetBlock(nn.Module):
    """A block of the U-Net, and what else is done there: `norm` to what it gives, or activations made anew.

    With `checkpointing` the activations are not kept for the gradients but computed a second time.
    """

    def __init__(self, block: nn.Module, norm: AdaptiveNorm | None, checkpointing: bool) -> None:
        super().__init__()
        self.block = block
        self.norm = norm
        self.checkpointing = checkpointing
        self.style: Tensor | None = None

    @property
    def resnets(self) -> nn.ModuleList:
        """What the U-Net counts to know how many features a block takes."""
        found: nn.ModuleList = self.block.resnets  # type: ignore[assignment]
        return found

    def forward(self, **inputs: object) -> Tensor:
        """What the block gives, or in the encoder a pair of that and its features."""
        # Held here, since the next image may have another style before the gradients of this one are due.
        style = self.style

        def run() -> Tensor:
            result: Tensor = self.block(**inputs)
            return result if self.norm is None or style is None else self.norm(result, style)

        if self.checkpointing and torch.is_grad_enabled():
            again: Tensor = checkpoint(run, use_reentrant=False)
            return again
        return run()


class NoisePredictor(nn.Module):
    """The noise in volumes (B, 1, X, Y, Z) of a time, given their gradient maps, contrasts and style.

    With `source_style` the decoder is told too how far the wanted style is from that of the volume itself, so that it
    need not find out what the volume's style is. In the paper it is told the wanted one alone.

    With a `patch` of more than 1, cubes of so many voxels a side become channels, which takes an eighth of the work for
    2. Volumes of any size are padded to what the levels need.
    """

    def __init__(
        self,
        channels: Sequence[int] = (32, 64, 256, 256),
        residual_blocks: int = 2,
        attention_levels: Sequence[bool] = (False, False, True, True),
        head_channels: int = 32,
        norm_groups: int = 32,
        patch: int = 1,
        checkpointing: bool = False,
        source_style: bool = True,
    ) -> None:
        super().__init__()
        check_whole("patch", patch)
        self.source_style = source_style
        self.channels = list(channels)
        self.residual_blocks = residual_blocks
        self.attention_levels = list(attention_levels)
        self.head_channels = head_channels
        self.norm_groups = norm_groups
        self.patch = patch
        self.checkpointing = checkpointing
        self.unet = DiffusionModelUNet(
            spatial_dims=3,
            in_channels=2 * patch**3,
            out_channels=patch**3,
            num_res_blocks=residual_blocks,
            channels=self.channels,
            attention_levels=self.attention_levels,
            num_head_channels=head_channels,
            norm_num_groups=norm_groups,
            num_class_embeds=len(CONTRASTS),
            use_flash_attention=True,
        )
        told = 4 if source_style else 2
        up = zip(self.unet.up_blocks, reversed(self.channels), strict=True)
        self.unet.up_blocks = nn.ModuleList([UNetBlock(b, AdaptiveNorm(c, told), checkpointing) for b, c in up])
        self.unet.down_blocks = nn.ModuleList([UNetBlock(b, None, checkpointing) for b in self.unet.down_blocks])

    def forward(
        self, noisy: Tensor, time: Tensor, condition: Tensor, contrast: Tensor, style: Tensor, own: Tensor
    ) -> Tensor:
        """Noise (B, 1, X, Y, Z) of `noisy` at `time` (B,), from 0; `contrast` (B,) is an index.

        The wanted `style` and the volumes' `own` are (B, 2).
        """
        told = torch.cat([style, _DIFFERENCE * (style - own)], dim=1) if self.source_style else style
        for block in self.unet.up_blocks:
            block.style = told
        volumes = torch.cat([noisy, condition], dim=1)
        size = volumes.shape[2:]
        step = self.patch * 2 ** (len(self.channels) - 1)
        margins = [margin for length in reversed(size) for margin in (0, -length % step)]
        cubes = pixelunshuffle(pad(volumes, margins), 3, self.patch) if self.patch > 1 else pad(volumes, margins)
        found = self.unet(cubes, time, class_labels=contrast)
        whole = pixelshuffle(found, 3, self.patch) if self.patch > 1 else found
        return whole[:, :, : size[0], : size[1], : size[2]].float()

    def finish_seeding(self) -> None:
        """The embeddings of contrasts, for a demonstration without weights."""
        nn.init.normal_(self.unet.class_embedding.weight)
