"""The two losses of HACA3's harmonizer: one of images whose truth is known, one of what their codes must still say.

They make up HACA3's Eq. 2 but for the loss of the artifact encoder, which is trained before (`triplet.py`). Default
weights are those of public code. Letters: B samples, C sources, H W a slice.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from ...base.errors import InputError
from ...layers.loss_precision import in_float32
from .tissue import tissue_loss
from .weighting import check_weights, with_total


class Haca3Loss(nn.Module):
    """For sources and a target of one subject, so that the target is the truth of the output.

        reconstruction   masked L1: mean |output - target| over the visible pixels       } L_CVAE
        kl               KL of theta's distribution from N(0, 1)                         }
        contrastive      `patch_contrast` of the anatomies                               L_C, Eq. 1
        perceptual       L1 between features of the `extractor`, not in the paper
        structural       `structure`'s 1 - SSIM, not in the paper
        tissue           cross-entropy of the sources' classes with tissues, where these are known, not in the paper

    A term of weight 0 is not computed. What is invisible counts in no term: the network shows nothing there.
    """

    def __init__(
        self,
        patch_contrast: nn.Module | None = None,
        extractor: nn.Module | None = None,
        structure: nn.Module | None = None,
        reconstruction: float = 10.0,
        kl: float = 1e-5,
        contrastive: float = 0.5,
        perceptual: float = 0.0,
        structural: float = 0.0,
        tissue: float = 0.0,
    ) -> None:
        super().__init__()
        self.weights = check_weights(
            reconstruction=reconstruction,
            kl=kl,
            contrastive=contrastive,
            perceptual=perceptual,
            structural=structural,
            tissue=tissue,
        )
        for weight, name, part in (
            ("contrastive", "patch_contrast", patch_contrast),
            ("perceptual", "extractor", extractor),
            ("structural", "structure", structure),
        ):
            if part is None and self.weights[weight]:
                raise InputError(f"`{weight}` must be 0 without a `{name}`, got {self.weights[weight]}")
        self.patch_contrast = patch_contrast
        self.extractor = extractor
        self.structure = structure

    @in_float32
    def forward(
        self,
        output: Tensor,
        target: Tensor,
        visible: Tensor,
        mean: Tensor,
        log_variance: Tensor,
        anatomies: Tensor,
        images: Tensor,
        pairs: Tensor,
        logits: Tensor,
        foreground: Tensor,
        tissues: Tensor,
    ) -> dict[str, Tensor]:
        """`output`, `target` and `visible` (B, 1, H, W); theta's `mean` and `log_variance` (B, theta).

        `anatomies` (B, C, 1, H, W), `images` (B, C, H, W) and `pairs` (B, 2) are what `PatchContrast` takes; `logits`
        (B, C, K, H, W), `foreground` (B, C, H, W) and `tissues` (B, 1, H, W) what `tissue_loss` does.
        """
        terms: dict[str, Tensor] = {}
        if self.weights["reconstruction"]:
            terms["reconstruction"] = masked_l1(output, target, visible)
        if self.weights["kl"]:
            terms["kl"] = kl_from_normal(mean, log_variance)
        if self.patch_contrast is not None and self.weights["contrastive"]:
            terms["contrastive"] = self.patch_contrast(anatomies, images, pairs)
        if self.extractor is not None and self.weights["perceptual"]:
            with torch.no_grad():
                wanted = self.extractor(target * visible)
            terms["perceptual"] = l1_loss(self.extractor(output * visible), wanted)
        if self.structure is not None and self.weights["structural"]:
            terms["structural"] = self.structure(output, target, visible)
        if self.weights["tissue"]:
            terms["tissue"] = tissue_loss(logits, foreground, tissues)
        return with_total(terms, self.weights)


class CycleLoss(nn.Module):
    """For a target of another subject: the output, encoded again, must give what it was made of (L_cyc).

        theta, eta   mean |code of the output - code of the target|
        beta         mean |anatomy of the output - fused anatomy|, of maps or of logits; not in the paper

    `overall` multiplies the sum of the three. What is wanted is held fixed: else codes of targets could move to where
    they are easily met.
    """

    def __init__(self, theta: float = 1.0, eta: float = 1.0, beta: float = 0.05, overall: float = 0.05) -> None:
        super().__init__()
        weights = check_weights(theta=theta, eta=eta, beta=beta)
        check_weights(overall=overall)
        self.weights = {name: overall * weight for name, weight in weights.items()}

    @in_float32
    def forward(
        self,
        theta: Tensor,
        wanted_theta: Tensor,
        eta: Tensor,
        wanted_eta: Tensor,
        beta: Tensor,
        wanted_beta: Tensor,
    ) -> dict[str, Tensor]:
        """Codes (B, theta) and (B, eta), anatomies (B, K, H, W)."""
        terms = {
            "theta": l1_loss(theta, wanted_theta.detach()),
            "eta": l1_loss(eta, wanted_eta.detach()),
            "beta": l1_loss(beta, wanted_beta.detach()),
        }
        return with_total(terms, self.weights)


def masked_l1(output: Tensor, target: Tensor, visible: Tensor) -> Tensor:
    """Mean of |output - target|, each pixel weighted by `visible`; 0 where nothing is. Then the mean of the samples.

    So the gradient of a batch is the mean of those of its parts, which processes compute.
    """
    sums = ((output - target).abs() * visible).flatten(1).sum(1)
    return (sums / visible.flatten(1).sum(1).clamp(min=1)).mean()


def kl_from_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) || N(0, 1)): the sum over the code's dimensions, the mean over the batch."""
    return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1).mean()
