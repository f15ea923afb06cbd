"""MISPEL (Torbati et al. 2021): scans of M scanners are brought to a middle ground that training finds.

A slice X of scanner i is taken apart and put together by two networks of that scanner's own:

    Enc_i    a 2D U-Net that makes L embeddings of a slice, Z_i (L, H, W)      `encoders`
    Dec_i    their linear combination with the coefficients gamma_i            `decoders`

Letters in shapes: B slices, M scanners, L embeddings, C contrasts, H and W the size of a slice.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from ...base.contrasts import CONTRASTS
from ...base.errors import InputError
from ...layers.unet import LEAK

# Two levels of pooling divide a slice by this.
_STRIDE = 4


class EmbeddingUNet(nn.Module):
    """(B, 1, H, W) -> (B, embeddings, H, W); nothing is normalised, so that intensities are kept."""

    def __init__(self, embeddings: int = 6, width: int = 32) -> None:
        super().__init__()
        self.halve = nn.MaxPool2d(2)
        self.enlarge = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.top = _double_conv(1, width)
        self.middle = _double_conv(width, 2 * width)
        self.bottom = _double_conv(2 * width, 4 * width)
        self.lift_bottom = _conv(4 * width, 2 * width)
        self.merge_middle = _double_conv(4 * width, 2 * width)
        self.lift_middle = _conv(2 * width, width)
        self.merge_top = _double_conv(2 * width, width)
        self.head = nn.Conv2d(width, embeddings, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Embeddings of slices of any size."""
        height, width = image.shape[-2:]
        top = self.top(pad(image, [0, -width % _STRIDE, 0, -height % _STRIDE]))
        middle = self.middle(self.halve(top))
        deep = self.lift_bottom(self.enlarge(self.bottom(self.halve(middle))))
        deep = self.merge_middle(torch.cat([middle, deep], dim=1))
        deep = self.merge_top(torch.cat([top, self.lift_middle(self.enlarge(deep))], dim=1))
        return self.head(deep)[..., :height, :width]


class LinearDecoder(nn.Module):
    """(B, L, H, W) -> (B, 1, H, W), the combination with the coefficients gamma (L,)."""

    def __init__(self, embeddings: int = 6, spread: float = 0.05) -> None:
        super().__init__()
        self.gamma = nn.Parameter(spread * torch.randn(embeddings))

    def forward(self, embeddings: Tensor) -> Tensor:
        """May be negative; an image of it is not."""
        return (self.gamma.view(-1, 1, 1) * embeddings).sum(1, keepdim=True)  # Eq. (1)

    def finish_seeding(self) -> None:
        """The mean of the embeddings, which is not black."""
        nn.init.constant_(self.gamma, 1 / len(self.gamma))


class Mispel(nn.Module):
    """Encoders and decoders of `scanners`, for scans of one `contrast`.

    Parameters bear the names of contrast and scanner, so that weights of other ones do not fit. `width` is the number
    of channels at the full resolution.
    """

    def __init__(self, scanners: Sequence[str], contrast: str = "t1w", embeddings: int = 6, width: int = 32) -> None:
        super().__init__()
        if len(set(scanners)) != len(scanners) or len(scanners) < 2:
            raise InputError(f"`scanners` must be at least two names, all different, got {list(scanners)}")
        if contrast not in CONTRASTS:
            raise InputError(f"`contrast` must be one of {', '.join(CONTRASTS)}, got {contrast}")
        self.scanners = tuple(str(scanner) for scanner in scanners)
        self.contrast = contrast
        self.embeddings = embeddings
        self.width = width
        self.encoders = nn.ModuleDict({self._key(name): EmbeddingUNet(embeddings, width) for name in self.scanners})
        self.decoders = nn.ModuleDict({self._key(name): LinearDecoder(embeddings) for name in self.scanners})

    def forward(self, image: Tensor, target: str | None = None) -> Tensor:
        """Slices (B, C, H, W) of the scanner that the code `target` names, harmonized: (B, 1, H, W).

        The image is nowhere negative, and 0 where the slice is.
        """
        source = image[:, CONTRASTS.index(self.contrast), None]
        key = self._key(self.known_scanner(self.contrast, target))
        return self.decoders[key](self.encoders[key](source)).relu() * (source > 0)

    def embed(self, images: Tensor) -> Tensor:
        """Z (B, M, L, H, W) of the same slices on all scanners, (B, M, H, W) in the order of `scanners`."""
        return torch.stack([self.encoders[self._key(s)](images[:, i, None]) for i, s in enumerate(self.scanners)], 1)

    def decode(self, embeddings: Tensor) -> Tensor:
        """Each scanner's image, together (B, M, H, W), of Z (B, M, L, H, W)."""
        return torch.cat([self.decoders[self._key(s)](embeddings[:, i]) for i, s in enumerate(self.scanners)], 1)

    @property
    def gammas(self) -> Tensor:
        """The coefficients (M, L) of all decoders, in the order of `scanners`."""
        return torch.stack(list(self.decoders.parameters()))

    def known_scanner(self, contrast: str, scanner: str | None) -> str:
        """The `scanner` itself; refuse what was not trained on."""
        if contrast != self.contrast:
            raise InputError(f"`contrast` must be the one that MISPEL was trained on, {self.contrast}, got {contrast}")
        if scanner not in self.scanners:
            raise InputError(
                f"a scan must be of a scanner that MISPEL was trained on, {', '.join(self.scanners)}, got {scanner}"
            )
        return scanner

    def _key(self, scanner: str) -> str:
        """Names of modules hold no dots."""
        return f"{self.contrast} {scanner}".replace("%", "%25").replace(".", "%2E")


def _conv(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.LeakyReLU(LEAK, inplace=True))


def _double_conv(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(*_conv(inputs, outputs), *_conv(outputs, outputs))
