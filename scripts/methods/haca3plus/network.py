"""HACA3+ with a way for identity: sources in, the same slices as another scanner would show them out.

    beta    anatomy of each source                            `anatomy_encoder`
    theta, eta, percentiles, contrast: a volume's code        `encode`
    alpha   each source's weight at each pixel                `attention`
    d       the image decoded from the fused anatomy beta*    `decoder`
    x*      the source of the target's contrast through a curve, corrected, with d where that fails     `identity`

Letters in shapes: B slices, C sources, K channels of anatomy, D numbers of a code, H and W multiples of `step`.
"""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_unshuffle

from .anatomy import AnatomyEncoder, activate
from .attention import PlusAttention
from .codes import CodeLayout, PlusArtifactEncoder, PlusContrastEncoder
from .curve import CurveCorrection, Unlikeness, apply_curve, slopes
from .decoder import PlusDecoder
from .identity import IdentityPath
from .sizes import AnatomySizes, ChangeLimits, CodeSizes
from .tissue_levels import interiors


class Seen(NamedTuple):
    """What sources show, whatever the target.

    Of the N sources that are available: their logits (N, K, 4, H / 2, W / 2), and which of the B C places they have;
    of all, the confidence and the foreground (B, C, H, W), and where any shows foreground (B, 1, H, W).
    """

    logits: Tensor
    present: Tensor
    confidence: Tensor
    shown: Tensor
    visible: Tensor


class Drawn(NamedTuple):
    """x* and what it is made of, (B, 1, H, W) each but alpha (B, C, H, W), delta (B, P + 1) and
    beta* (B, K, 4, H / 2, W / 2)."""

    image: Tensor
    decoded: Tensor
    curved: Tensor
    gain: Tensor
    residual: Tensor
    gate: Tensor
    alpha: Tensor
    beta: Tensor
    delta: Tensor


class HarmonizationNet(nn.Module):
    """The whole network; every size is an argument.

    A pixel is foreground where the normalised image exceeds `foreground_threshold`. `default_target` is the code that
    is used where none is given.
    """

    HEAVY: ClassVar[tuple[str, ...]] = ("anatomy_encoder", "decoder", "identity")

    default_target: Tensor
    quantiles: Tensor

    def __init__(
        self,
        code: CodeSizes | None = None,
        anatomy: AnatomySizes | None = None,
        decoder_widths: Sequence[int] = (32, 64, 96, 128),
        identity_widths: Sequence[int] = (32, 48, 64, 96),
        artifact_widths: Sequence[int] = (24, 32, 48),
        condition: int = 96,
        limits: ChangeLimits | None = None,
        foreground_threshold: float = 1e-2,
    ) -> None:
        super().__init__()
        code, anatomy, limits = code or CodeSizes(), anatomy or AnatomySizes(), limits or ChangeLimits()
        percentiles, contrasts, tissues = list(code.percentiles), code.contrasts, anatomy.tissues
        count = len(percentiles)
        self.tissues, self.channels, self.contrasts = tissues, tissues + anatomy.free, contrasts
        self.step = 2 ** max(len(anatomy.widths), len(decoder_widths), len(identity_widths))
        self.foreground_threshold = foreground_threshold
        self.layout = CodeLayout(code.theta, code.eta, count, contrasts)
        style = self.layout.length - code.eta
        self.anatomy_encoder = AnatomyEncoder(tissues, anatomy.free, list(anatomy.widths), percentiles, contrasts)
        self.contrast_encoder = PlusContrastEncoder(code.theta, tissues, count, contrasts)
        self.artifact_encoder = PlusArtifactEncoder(code.eta, list(artifact_widths))
        self.attention = PlusAttention(style, self.layout.length)
        self.curve = CurveCorrection(2 * style, count, limit=limits.curve)
        self.unlikeness = Unlikeness(style - contrasts)
        self.decoder = PlusDecoder(self.channels, style, list(decoder_widths), condition)
        self.identity = IdentityPath(
            self.layout.length + style,
            decoder_widths[0],
            list(identity_widths),
            condition,
            limits.gain,
            limits.residual_share,
            limits.residual_floor,
        )
        default = torch.zeros(1, self.layout.length)
        default[0, self.layout.eta_end : self.layout.percentiles_end] = torch.linspace(0.1, 1.5, count)
        default[0, self.layout.percentiles_end] = 1
        self.register_buffer("default_target", default)
        self.register_buffer("quantiles", torch.tensor(percentiles) / 100)

    def forward(
        self,
        image: Tensor,
        target: Tensor | None = None,
        sources: Tensor | None = None,
        available: Tensor | None = None,
    ) -> Tensor:
        """Sources (B, C, H, W) to the target's image (B, 1, H, W).

        `target` is the code (B or 1, D), `sources` the codes (B or 1, C, D) of the sources' volumes; without these they
        are made of the slices, whose contrasts are in the usual order. `available` (B, C) tells a source that is there
        but empty in this slice from one that is missing.
        """
        if available is None:
            available = self.foreground(image).flatten(2).any(2)
        available = available.to(image.dtype)
        if sources is None:
            sources = self.encode_all(image)
        if target is None:
            target = self.default_target
        sources = sources.expand(image.shape[0], -1, -1)
        seen = self.see(image, sources, available)
        return self.draw(image, seen, target.expand(image.shape[0], -1), sources, available, None, None).image

    @torch.jit.export
    def encode(self, slices: Tensor, percentiles: Tensor, contrast: Tensor) -> Tensor:
        """Codes (B, D) of slices (B, 1, H, W); `percentiles` (B, P) are their volumes', `contrast` (B, 4) one-hot."""
        return self.encode_levels(slices, percentiles, contrast)[0]

    @torch.jit.export
    def encode_levels(self, slices: Tensor, percentiles: Tensor, contrast: Tensor) -> tuple[Tensor, Tensor]:
        """These codes, and what levels of tissue are found by, see `interiors`."""
        foreground = self.foreground(slices).to(slices.dtype)
        logits, _ = self.anatomy_encoder(slices, percentiles, contrast, foreground)
        beta = activate(logits.float(), self.tissues)
        theta = self.contrast_encoder(slices, beta, foreground, percentiles, contrast)
        eta = self.artifact_encoder(slices, foreground, percentiles[:, 5:6])
        return torch.cat([theta.float(), eta.float(), percentiles, contrast], dim=1), interiors(beta, foreground)

    @torch.jit.export
    def see(self, image: Tensor, sources: Tensor, available: Tensor) -> Seen:
        """Look at sources (B, C, H, W) of volumes with codes (B, C, D); those not `available` (B, C) cost nothing."""
        size = image.shape
        shown = (self.foreground(image) & (available != 0).unsqueeze(-1).unsqueeze(-1)).to(image.dtype)
        visible = shown.amax(1, keepdim=True)
        present = (available.flatten() != 0).nonzero().squeeze(1)
        mask = visible.expand(-1, size[1], -1, -1).flatten(0, 1).unsqueeze(1)[present]
        codes = sources.flatten(0, 1)[present]
        logits, sure = self.anatomy_encoder(
            image.flatten(0, 1).unsqueeze(1)[present],
            self.layout.percentiles(codes),
            self.layout.contrast(codes),
            mask,
        )
        confidence = sure.new_zeros([size[0] * size[1], 1, size[2], size[3]]).index_copy(0, present, sure)
        return Seen(logits, present, confidence.view(size), shown, visible)

    @torch.jit.export
    def draw(
        self,
        image: Tensor,
        seen: Seen,
        target: Tensor,
        sources: Tensor,
        available: Tensor,
        kept: Tensor | None = None,
        trust: Tensor | None = None,
    ) -> Drawn:
        """The image of a `target` (B, D) of what was `seen`.

        Gain, residual and gate count `kept` (B, 3) times. The curve's correction counts as often as the first number of
        `trust` (B, 2) says, and the other three as the second.
        """
        style = self.layout.style(target)
        alpha = self.attention(style, sources, seen.confidence, seen.shown, available)
        beta = activate(self.fuse(seen, alpha), self.tissues) * pixel_unshuffle(seen.visible, 2).unsqueeze(1)
        decoded, features = self.decoder(beta, style, seen.visible)
        # The source of the target's contrast, if there is one.
        same = (self.layout.contrast(sources) * self.layout.contrast(target).unsqueeze(1)).sum(2) * available
        chosen = same.unsqueeze(-1).unsqueeze(-1)
        source = (sources * same.unsqueeze(-1)).sum(1)
        own = self.layout.style(source)
        kappa = self.unlikeness(own[:, : -self.contrasts], style[:, : -self.contrasts])
        corrected = kappa if trust is None else kappa * trust[:, :1]
        changed = kappa if trust is None else kappa * trust[:, 1:]
        delta = corrected * self.curve(torch.cat([own, style], dim=1))
        knots = self.layout.percentiles(source)
        slope = slopes(knots, self.layout.percentiles(target)) * delta.exp()  # Eqs. (1), (2)
        curved = apply_curve((image * chosen).sum(1, keepdim=True), knots, slope)
        made = self.identity(
            curved,
            decoded,
            (alpha * chosen).sum(1, keepdim=True),
            (seen.shown * chosen).sum(1, keepdim=True),
            seen.visible,
            features,
            torch.cat([source, style], dim=1),
            changed if kept is None else changed * kept,
        )
        return Drawn(made.image, decoded, curved, made.gain, made.residual, made.gate, alpha, beta, delta)

    def fuse(self, seen: Seen, alpha: Tensor) -> Tensor:
        """The logits of beta* (B, K, 4, H / 2, W / 2), those of the sources weighted by alpha (B, C, H, W).

        The sum is a product of matrices: the threads of ONNX Runtime do not wait for each other where `index_add` adds
        several sources to one slice, and the order in which a GPU adds them is not fixed.
        """
        weights = pixel_unshuffle(alpha.flatten(0, 1).unsqueeze(1)[seen.present], 2).unsqueeze(1)
        weighted = seen.logits * weights.to(seen.logits.dtype)
        slices = torch.arange(alpha.shape[0], device=alpha.device).unsqueeze(1)
        belongs = (slices == seen.present // alpha.shape[1]).to(weighted.dtype)
        return (belongs @ weighted.flatten(1)).unflatten(1, weighted.shape[1:])

    def foreground(self, image: Tensor) -> Tensor:
        """Where images show more than background."""
        return image > self.foreground_threshold

    def encode_all(self, image: Tensor) -> Tensor:
        """Codes (B, C, D) of slices (B, C, H, W) whose volumes are not known, contrasts in the usual order."""
        count = image.shape[1]
        slices = image.flatten(0, 1).unsqueeze(1)
        contrast = torch.eye(self.contrasts, device=image.device, dtype=image.dtype)[:count].repeat(image.shape[0], 1)
        return self.encode(slices, self._percentiles(slices), contrast).view(image.shape[0], count, self.layout.length)

    def _percentiles(self, slices: Tensor) -> Tensor:
        """Percentiles (B, P) of the foreground of each slice (B, 1, H, W), 0 where there is none.

        What is not foreground is sorted to the end: tensors whose size depended on what is shown could not be exported.
        """
        values = slices.flatten(1).float()
        shown = self.foreground(values)
        count = shown.sum(1, keepdim=True)
        last = (count - 1).clamp(min=0)
        ordered = torch.where(shown, values, torch.full_like(values, float("inf"))).sort(1)[0]
        place = self.quantiles * last
        low = place.floor().long()
        below, above = ordered.gather(1, low), ordered.gather(1, torch.minimum(low + 1, last))
        return torch.where(count > 0, torch.lerp(below, above, place - low), torch.zeros_like(below))
