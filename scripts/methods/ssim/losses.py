"""The losses of the method, each beside its equation, and their weighted sums for the two players.

Letters in shapes: B images, K labels, N numbers of noise, X, Y and Z the size of a volume.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ...base.arguments import refuse_unknown
from ...base.errors import InputError
from .similarity import Ssim, mean_of
from .translation import Judged, Translation

WEIGHTS = (
    *("reconstruction", "cycle", "structure", "luminance", "content", "noise", "kl", "style_label"),
    *("image_adversarial", "image_label", "structure_adversarial", "structure_label"),
)


def ssim_loss(first: Tensor, second: Tensor, shown: Tensor, ssim: Ssim) -> Tensor:
    """One minus SSIM, mean over what is `shown`."""
    value = ssim.combine(ssim.factors(first, second, shown))
    return 1 - (value if ssim.window is None else mean_of(value, shown)).mean()  # L_SSIM


def likeness_loss(image: Tensor, made: Tensor, shown: Tensor, ssim: Ssim, share: float) -> Tensor:
    """SSIM and the mean absolute error, of which SSIM has the `share` lambda."""
    absolute = mean_of((image - made).abs(), shown).mean()
    return share * ssim_loss(image, made, shown, ssim) + (1 - share) * absolute  # L_rec and L_cc


def structure_loss(again: Tensor, translated: Tensor, shown: Tensor, ssim: Ssim) -> Tensor:
    """One minus the factor s alone, so that gain and level are free to change."""
    structure = ssim.factors(again, translated, shown).structure
    return 1 - (structure if ssim.window is None else mean_of(structure, shown)).mean()  # L_struct


def luminance_loss(partner: Tensor, partner_shown: Tensor, translated: Tensor, shown: Tensor, ssim: Ssim) -> Tensor:
    """One minus the factor l of two means, since the two images show different anatomy."""
    return 1 - ssim.luminance(mean_of(partner, partner_shown), mean_of(translated, shown)).mean()  # L_lum


def least_squares(maps: Sequence[Tensor], wanted: float) -> Tensor:
    """LSGAN: the mean square of how far the discriminator's maps are from what is wanted, mean over scales."""
    return torch.stack([(each.float() - wanted).square().mean() for each in maps]).mean()  # L_adv


def label_loss(found: Sequence[Tensor], wanted: Tensor) -> Tensor:
    """Mean square error of labels (B, K), mean over scales; bounded, so that nobody wins by making it ever larger."""
    return torch.stack([F.mse_loss(each.float(), wanted.float()) for each in found]).mean()  # L_pre and L_cla


def kl_loss(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence of N(mean, variance) from N(0, 1), mean over the batch and the numbers of noise (B, N)."""
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).mean()


@dataclass(frozen=True, eq=False)
class TranslationLoss:
    """Both players' losses. `weights` are the lambdas by name, `share` is the lambda of SSIM beside absolute errors."""

    weights: Mapping[str, float]
    ssim: Ssim = Ssim()
    share: float = 0.5

    def __post_init__(self) -> None:
        """Refuse wrong settings."""
        refuse_unknown(self.weights, WEIGHTS, "key of `weights`")
        missing = [name for name in WEIGHTS if name not in self.weights]
        if missing or min(self.weights.values()) < 0:
            raise InputError(f"`weights` must be numbers of at least 0 for {', '.join(WEIGHTS)}, got {self.weights}")
        if not 0 <= self.share <= 1:
            raise InputError(f"`share` must be between 0 and 1, got {self.share}")

    def translator(self, made: Translation, images: Judged, structures: Judged, usual: Tensor) -> dict[str, Tensor]:
        """Of encoders and generator, given what the discriminators think of the translated images.

        The labels that a structure code seems to have should be the `usual` ones (K,), from which nothing follows.
        """
        losses = {
            **self.steady(made),
            "image_adversarial": least_squares(images.real, 1.0),
            "image_label": label_loss(images.labels, made.target),
            "structure_adversarial": least_squares(structures.real, 1.0),
            "structure_label": label_loss(structures.labels, usual.expand_as(made.target)),
        }
        return losses | {"total": self._sum(losses)}

    def steady(self, made: Translation) -> dict[str, Tensor]:
        """Those that no discriminator takes part in."""
        kept, shown, seen, seen_again = made.image, made.shown, made.style, made.style_again
        label = label_loss([seen.labels], made.own) + label_loss([seen_again.labels], made.target)
        return {
            "reconstruction": likeness_loss(kept, made.again, shown, self.ssim, self.share),
            "cycle": likeness_loss(kept, made.cycled, shown, self.ssim, self.share),
            "structure": structure_loss(made.again, made.translated, shown, self.ssim),
            "luminance": luminance_loss(made.partner, made.partner_shown, made.translated, shown, self.ssim),
            "content": (made.structure_again.float() - made.structure.float()).abs().mean(),
            "noise": (seen_again.mean.float() - made.noise).abs().mean(),
            "kl": kl_loss(seen.mean.float(), seen.log_variance.float()),
            "style_label": label / 2,
        }

    def validation(self, made: Translation) -> dict[str, Tensor]:
        """What images that were not trained on are judged by: the steady losses and their sum."""
        losses = self.steady(made)
        return losses | {"total": self._sum(losses)}

    def discriminators(
        self, real: Judged, fake: Judged, real_structure: Judged, fake_structure: Judged, own: Tensor
    ) -> dict[str, Tensor]:
        """Of the discriminators: tell real images and their structures from made ones, and the labels of real ones."""
        losses: dict[str, Any] = {
            "image_adversarial": least_squares(real.real, 1.0) + least_squares(fake.real, 0.0),
            "image_label": label_loss(real.labels, own),
            "structure_adversarial": least_squares(real_structure.real, 1.0) + least_squares(fake_structure.real, 0.0),
            "structure_label": label_loss(real_structure.labels, own),
        }
        return losses | {"total": self._sum(losses)}

    def _sum(self, losses: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([self.weights[name] * loss for name, loss in losses.items()]).sum()
