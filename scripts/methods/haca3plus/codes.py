"""What is known of a volume: a flat code, and the encoders of its learned parts.

    code = [theta (T), eta (2), percentiles (P), contrast (4, one-hot)]

theta says what the scanner and its protocol make of tissue, eta which artifacts there are (its norm is their severity),
the percentiles are those of the volume's foreground. A code is the mean of the codes of slices, and that of a site the
mean over its images: each part is made to be averaged.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pixel_unshuffle

from .blocks import LEAK


class CodeLayout(nn.Module):
    """Where the parts of a code (..., D) are."""

    def __init__(self, theta: int, eta: int, percentiles: int, contrasts: int = 4) -> None:
        super().__init__()
        self.theta_end = theta
        self.eta_end = theta + eta
        self.percentiles_end = theta + eta + percentiles
        self.length = theta + eta + percentiles + contrasts

    def theta(self, code: Tensor) -> Tensor:
        """What the contrast encoder says."""
        return code[..., : self.theta_end]

    def eta(self, code: Tensor) -> Tensor:
        """What the artifact encoder says."""
        return code[..., self.theta_end : self.eta_end]

    def percentiles(self, code: Tensor) -> Tensor:
        """The percentiles of the foreground."""
        return code[..., self.eta_end : self.percentiles_end]

    def contrast(self, code: Tensor) -> Tensor:
        """The contrast, one-hot."""
        return code[..., self.percentiles_end :]

    def style(self, code: Tensor) -> Tensor:
        """All but eta: what an image should look like, whatever artifacts the target has."""
        return torch.cat([self.theta(code), code[..., self.eta_end :]], dim=-1)


class PlusContrastEncoder(nn.Module):
    """theta (B, T) of a slice: how bright, how varied and how sharp each tissue of its anatomy is.

    Of each class k, with beta_k its share at a pixel x and h = image - blurred image,

        mu_k = sum beta_k x / sum beta_k,  the deviation of x from mu_k,  the mean of |h|,  the share of k    (5)

    whose few numbers a perceptron makes theta of. Who lies in the scanner changes shares more than brightness.
    """

    def __init__(self, theta: int, tissues: int, percentiles: int, contrasts: int = 4, hidden: int = 128) -> None:
        super().__init__()
        self.tissues = tissues
        self.layers = nn.Sequential(
            nn.Linear(4 * tissues + percentiles + contrasts, hidden),
            nn.LeakyReLU(LEAK),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(LEAK),
            nn.Linear(hidden, theta),
        )

    def forward(self, image: Tensor, beta: Tensor, foreground: Tensor, percentiles: Tensor, contrast: Tensor) -> Tensor:
        """Of slices and their foreground (B, 1, H, W), with their own beta (B, K, 4, H / 2, W / 2)."""
        image = image.float()
        detail = (image - avg_pool2d(image, 3, 1, 1)).abs()
        values = torch.cat([torch.ones_like(image), image, image * image, detail], dim=1) * foreground
        values = pixel_unshuffle(values, 2).unflatten(1, [4, 4]).flatten(2)
        sums = torch.bmm(beta[:, : self.tissues].float().flatten(2), values.transpose(1, 2))  # Eq. (5)
        overall = values.sum(2, keepdim=True) / values[:, :1].sum(2, keepdim=True).clamp(min=1.0)
        # A class that is hardly there counts as the average of all.
        few = 5.0
        means = (sums + few * overall.transpose(1, 2)) / (sums[:, :, :1] + few)
        share = sums[:, :, 0] / sums[:, :, 0].sum(1, keepdim=True).clamp(min=1.0)
        deviation = ((means[:, :, 2] - means[:, :, 1].square()).clamp(min=0) + 1e-4).sqrt()
        numbers = [means[:, :, 1], deviation, 4 * means[:, :, 3], share, percentiles, contrast]
        return self.layers(torch.cat(numbers, dim=1))


class PlusArtifactEncoder(nn.Module):
    """eta (B, E) of a slice (B, 1, H, W): means and variances of features over its foreground."""

    def __init__(self, eta: int, widths: list[int], hidden: int = 64, gain: float = 4.0) -> None:
        super().__init__()
        self.gain = gain
        inputs = [8, *widths[:-1]]
        self.scales = nn.ModuleList(
            nn.Conv2d(i, o, 3, stride=1 if n == 0 else 2, padding=1)
            for n, (i, o) in enumerate(zip(inputs, widths, strict=True))
        )
        self.activation = nn.LeakyReLU(LEAK)
        self.summary = nn.Sequential(nn.Linear(2 * sum(widths), hidden), nn.LeakyReLU(LEAK), nn.Linear(hidden, eta))

    def forward(self, image: Tensor, foreground: Tensor, scale: Tensor) -> Tensor:
        """`scale` (B, 1) is what the slice is divided by."""
        image = image / scale.clamp(min=1e-3).unsqueeze(-1).unsqueeze(-1)
        detail = (image - avg_pool2d(image, 3, 1, 1)) * foreground * self.gain
        features = pixel_unshuffle(torch.cat([image, detail], dim=1), 2).contiguous(memory_format=torch.channels_last)
        weight = avg_pool2d(foreground, 2)
        statistics: list[Tensor] = []
        for scale_layer in self.scales:
            features = self.activation(scale_layer(features))
            if features.shape[-1] != weight.shape[-1]:
                weight = avg_pool2d(weight, 2)
            statistics += over_foreground(features.float(), weight)
        return self.summary(torch.cat(statistics, dim=1))


def over_foreground(features: Tensor, weight: Tensor) -> list[Tensor]:
    """Mean and log-variance (B, C) of features (B, C, H, W), pixels weighted by (B, 1, H, W)."""
    total = weight.sum((2, 3)).clamp(min=1.0)
    mean = (features * weight).sum((2, 3)) / total
    deviation = features - mean.unsqueeze(-1).unsqueeze(-1)
    return [mean, ((deviation * deviation * weight).sum((2, 3)) / total + 1e-4).log()]
