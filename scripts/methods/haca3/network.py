"""HACA3 (Zuo et al. 2023), and HACA3+ (Hays et al. 2026) when its attention is foreground-aware.

A slice x of contrast c is taken apart into

    beta    anatomy: a map over K classes, from logits (K, H, W)                      `anatomy_encoder`
    theta   contrast: what the scanner and its protocol make of tissue, in R^2       `contrast_encoder`
    eta     artifacts: how much of which kind, in R^2; the norm is their severity     `artifact_encoder`

and the image of the target's contrast is put together from

    alpha   the weight of each source at each pixel, from its (theta, eta) and the target's     `attention`
    beta*   the anatomy that the weighted logits agree on                                       `fuse`
    delta   what the sources' brightness says, weighted alike, with a detail encoder            `with_detail`
    x*      the decoder's image of (beta*, theta of the target), and the target's levels        `decode`

Letters in shapes: B slices, C sources, K anatomy classes, H and W the field of view. A code is (theta, eta), and behind
them the K levels of `levels.py` where a contrast is made up.
"""

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import gumbel_softmax

from ...base.contrasts import CONTRASTS
from ...base.errors import InputError
from ...images.orientations import TARGET_ORIENTATION, frame, plane_view
from .attention import SourceAttention
from .encoders import Encoders


class Haca3(nn.Module):
    """The whole network; `attention` decides whether it is HACA3 or HACA3+.

    HACA3's anatomy is one class per pixel; with `soft_anatomy` it is the probability of each. The `decoder` takes the
    anatomy, behind it the features of a detail encoder if there is one, and theta. A pixel is foreground where the
    normalised image exceeds `foreground_threshold`. `default_target` is the code that is used where no target is given.
    The code of a target image is the mean over `target_slices` neighbouring coronal slices: from `first_target_slice`
    on, or those that together show most foreground.
    """

    # Where nearly all the work is. The contrast encoder, the attention and the fused logits stay in single precision.
    HEAVY: ClassVar[tuple[str, ...]] = ("anatomy_encoder", "artifact_encoder", "decoder")

    default_target: Tensor
    if TYPE_CHECKING:
        # TorchScript reads annotations and does not know this one.
        attention: SourceAttention

    def __init__(
        self,
        attention: SourceAttention,
        encoders: Encoders,
        decoder: nn.Module,
        field_of_view: int = 224,
        soft_anatomy: bool = False,
        foreground_threshold: float = 1e-2,
        target_slices: int = 20,
        first_target_slice: int | None = None,
    ) -> None:
        super().__init__()
        if field_of_view < 96 or field_of_view % 32:
            raise ValueError(f"`field_of_view` must be a multiple of 32 and at least 96, got {field_of_view}")
        if target_slices < 1:
            raise InputError(f"`target_slices` must be a whole number of at least 1, got {target_slices}")
        self.field_of_view = field_of_view
        self.anatomy_classes = encoders.classes
        self.soft_anatomy = soft_anatomy
        self.theta = encoders.theta
        self.foreground_threshold = foreground_threshold
        self.target_slices = target_slices
        self.first_target_slice = first_target_slice
        self.anatomy_encoder = encoders.anatomy
        self.contrast_encoder = encoders.contrast
        self.artifact_encoder = encoders.artifact
        self.attention = attention
        self.detail_encoder = encoders.detail
        self.decoder = decoder
        self.register_buffer("default_target", torch.zeros(1, encoders.theta + encoders.eta))

    def forward(self, image: Tensor, target: Tensor | None = None, available: Tensor | None = None) -> Tensor:
        """Sources (B, C, H, W) to the target's image (B, 1, H, W); `target` (B or 1, theta + eta).

        `available` (B, C) tells a source that is there but empty in this slice from one that is missing; without it
        every source that shows any foreground is available.
        """
        return self.draw(image, target, available)[0]

    def draw(
        self, image: Tensor, target: Tensor | None = None, available: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The same, and beta* (B, K or 1, H, W) which it is of."""
        foreground = self.foreground(image)
        if available is None:
            available = foreground.flatten(2).any(2)
        available = available.to(image.dtype)
        if target is None:
            target = self.default_target
        target = target.expand(image.shape[0], -1)
        logits, codes = self.encode_anatomy(image), self.encode_code(image)
        weights = self.attention(target, codes, foreground, available)
        visible = self.attention.visible(foreground, available)
        anatomy = self.fuse(logits, weights)
        return self.decode(self.with_detail(anatomy, image, codes, target, weights), target, visible), anatomy

    @torch.jit.unused
    def encode_target(self, image: Tensor, contrast: str) -> Tensor:
        """Codes (B, theta + eta) of normalised target volumes (B, 1, X, Y, Z); `contrast` makes no difference."""
        return torch.cat([self._encode_volume(volume) for volume in image[:, 0]])

    @torch.jit.unused
    def severity(self, code: Tensor) -> float:
        """How severe the artifacts are that a code (1, theta + eta) tells of."""
        return float(code[0, self.theta :].norm())

    @torch.jit.unused
    def redraw_target(self, image: Tensor, contrast: str, code: Tensor) -> tuple[Tensor, Tensor]:
        """The slices (S, 1, H, W) of a target image (X, Y, Z) that its `code` is of, and what is made of them."""
        slices = self._target_slices(image[None], 0)
        alone = slices.new_tensor([[float(each == contrast) for each in CONTRASTS]])
        made, _ = self._draw_each(slices * alone[:, :, None, None], code, alone)
        return slices, made

    @torch.jit.unused
    def make_up_target(self, images: Tensor, contrast: str, code: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `levels.py`."""
        if not self.soft_anatomy:
            raise InputError("`levels` must be null for a network whose anatomy is one class per pixel")
        channel = CONTRASTS.index(contrast)
        slices = self._target_slices(images, channel)
        available = slices.flatten(2).any(2).any(0)
        others = available & (torch.arange(len(CONTRASTS), device=slices.device) != channel)
        chosen = (others if others.any() else available).to(slices.dtype)
        made, anatomy = self._draw_each(slices * chosen.view(-1, 1, 1), code, chosen[None])
        return slices[:, channel, None], made, anatomy

    @torch.jit.unused
    def _draw_each(self, slices: Tensor, code: Tensor, available: Tensor) -> tuple[Tensor, Tensor]:
        """Of `draw`, of one slice after the other: the features of all at once would take 1 GB."""
        drawn = [self.draw(one, code, available) for one in slices.split(1)]
        return torch.cat([image for image, _ in drawn]), torch.cat([anatomy for _, anatomy in drawn])

    @torch.jit.unused
    def _encode_volume(self, volume: Tensor) -> Tensor:
        central = self._target_slices(volume[None], 0)
        return torch.cat([self.encode_code(image) for image in central.split(1)]).mean(0)

    @torch.jit.unused
    def _target_slices(self, volumes: Tensor, channel: int) -> Tensor:
        """(S, C, H, W) of volumes (C, X, Y, Z), from where the one of the `channel` shows most."""
        first = self.first_target_slice
        if first is None:
            slices = plane_view(volumes[channel], TARGET_ORIENTATION)
            windows = self.foreground(slices).sum((1, 2)).unfold(0, self.target_slices, 1).sum(1)
            fullest = (windows == windows.max()).nonzero().flatten()
            # The middle one where several are equally full, as in a small image.
            first = int(fullest[len(fullest) // 2])
        chosen = plane_view(volumes, TARGET_ORIENTATION)[:, first : first + self.target_slices]
        return frame(chosen, TARGET_ORIENTATION, self.field_of_view).transpose(0, 1).to(self.default_target.device)

    def foreground(self, image: Tensor) -> Tensor:
        """Where sources (B, C, H, W) show more than background."""
        return image > self.foreground_threshold

    def encode_anatomy(self, image: Tensor) -> Tensor:
        """Logits of beta (B, C, K, H, W) of the sources (B, C, H, W)."""
        return self.anatomy_encoder(image.flatten(0, 1).unsqueeze(1)).unflatten(0, image.shape[:2])

    def encode_code(self, image: Tensor) -> Tensor:
        """Codes (B, C, theta + eta) of the sources (B, C, H, W); theta is the mean of its distribution."""
        slices = image.flatten(0, 1).unsqueeze(1)
        code = torch.cat([self.contrast_encoder(slices)[0], self.artifact_encoder(slices)], dim=1)
        return code.unflatten(0, image.shape[:2])

    def fuse(self, logits: Tensor, weights: Tensor, noise: Tensor | None = None) -> Tensor:
        """beta* of the weighted logits: probabilities (B, K, H, W) if soft, else one channel, class k having k / K.

        The one-hot map is drawn with Gumbel noise in training (HACA3, Eq. 1) and is the most likely class otherwise;
        `noise` (B, K, H, W) makes that, or the probabilities, a draw too.
        """
        fused = (logits * weights.unsqueeze(2)).sum(1)  # HACA3, Eq. 4
        if noise is not None:
            fused = fused + noise
        if self.soft_anatomy:
            return fused.softmax(1)
        if not self.training:
            # The argmax, which as such takes a CPU seven times as long.
            return fused.max(1, keepdim=True).indices.to(fused.dtype) / self.anatomy_classes
        return self.mean_class(gumbel_softmax(fused, tau=1.0, hard=True, dim=1))

    def mean_class(self, anatomy: Tensor) -> Tensor:
        """One channel (B, 1, H, W) of shares of classes (B, K, H, W), class k having the value k / K."""
        values = torch.arange(self.anatomy_classes, device=anatomy.device, dtype=anatomy.dtype) / self.anatomy_classes
        return (anatomy * values.view(1, -1, 1, 1)).sum(1, keepdim=True)

    def with_detail(self, anatomy: Tensor, image: Tensor, codes: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        """beta*, and behind its channels delta where there is a detail encoder.

        Sources (B, C, H, W) of `codes` (B, C, theta + eta), for `target` (B, theta + eta), count by their `weights`
        (B, C, H, W).
        """
        if self.detail_encoder is None:
            return anatomy
        thetas, wanted = codes[:, :, : self.theta], target[:, : self.theta].unsqueeze(1).expand(-1, image.shape[1], -1)
        details = self.detail_encoder(image.flatten(0, 1).unsqueeze(1), thetas.flatten(0, 1), wanted.flatten(0, 1))
        fused = (details.unflatten(0, image.shape[:2]) * weights.unsqueeze(2)).sum(1)
        return torch.cat([anatomy, fused.to(anatomy.dtype)], dim=1)

    def decode(self, anatomy: Tensor, target: Tensor, visible: Tensor) -> Tensor:
        """The image (B, 1, H, W) of `with_detail` in the contrast of `target`, 0 outside `visible`."""
        theta = target[:, : self.theta].unsqueeze(-1).unsqueeze(-1)
        maps = theta.expand(-1, -1, anatomy.shape[2], anatomy.shape[3])
        image = self.decoder(torch.cat([anatomy, maps], dim=1))
        levels = target[:, self.default_target.shape[1] :].unsqueeze(-1).unsqueeze(-1)
        if levels.shape[1] > 0:
            image = image + (levels * anatomy[:, : self.anatomy_classes]).sum(1, keepdim=True)
        return image.relu() * visible
