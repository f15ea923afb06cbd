"""The losses of MMH's two stages. Means over the batch are taken of each term."""

from dataclasses import dataclass

from torch import Tensor, nn

from ...base.errors import InputError
from .style import Style, histogram_distance


@dataclass(frozen=True, eq=False)
class Denoised:
    """What the model made of noisy volumes (B, 1, X, Y, Z), the `noise` of which it `found` at `time` (B,), from 1.

    `edges` are gradient maps of the volumes without noise, `edges_made` those of the model's estimate of them, `style`
    is that of the estimate and `record` the one that it is to have.
    """

    noise: Tensor
    found: Tensor
    time: Tensor
    edges: Tensor
    edges_made: Tensor
    style: Style
    record: Style


def gradient_loss(edges: Tensor, edges_made: Tensor) -> Tensor:
    """L_G, the mean squared difference of two gradient maps."""
    return (edges - edges_made).square().mean()  # Eq. (5)


def style_terms(style: Style, record: Style) -> tuple[Tensor, Tensor, Tensor]:
    """The three parts of L_E for each volume, (B,): Wasserstein distance, squared errors of mean and deviation."""
    return (  # Eq. (10)
        histogram_distance(record.histogram, style.histogram),
        (record.mean - style.mean).square(),
        (record.deviation - style.deviation).square(),
    )


class UnifiedLoss(nn.Module):
    """L_1 = L_N + L_G + L_E, with weights.

    The estimate of a noisier volume says less of its style: terms of L_E weigh 1 - t / `reliable_until`, and nothing
    from there on. The weight of the Wasserstein distance rises over the first `ramp_steps`.
    """

    def __init__(
        self,
        noise: float = 1.0,
        gradient: float = 1.0,
        wasserstein: float = 10.0,
        mean: float = 1.0,
        deviation: float = 1.0,
        reliable_until: int = 100,
        ramp_steps: int = 0,
    ) -> None:
        super().__init__()
        if reliable_until < 1 or ramp_steps < 0:
            raise InputError(
                "`reliable_until` must be at least 1 and `ramp_steps` not negative, got "
                f"{reliable_until} and {ramp_steps}"
            )
        self.noise, self.gradient = noise, gradient
        self.wasserstein, self.mean, self.deviation = wasserstein, mean, deviation
        self.reliable_until = reliable_until
        self.ramp_steps = ramp_steps

    def reliable(self, time: Tensor) -> Tensor:
        """Whether the estimate at a time (B,), from 1, says enough of a style to count."""
        return time <= self.reliable_until

    def forward(self, made: Denoised, iteration: int) -> dict[str, Tensor]:
        """The losses by name, of a step of training counted from 1."""
        noise = (made.noise - made.found).square().mean()  # Eq. (3)
        gradient = gradient_loss(made.edges, made.edges_made)
        weight = (1 - made.time / self.reliable_until).clamp(min=0)
        distance, mean, deviation = ((weight * term).mean() for term in style_terms(made.style, made.record))
        ramp = min(1.0, iteration / self.ramp_steps) if self.ramp_steps else 1.0
        style = ramp * self.wasserstein * distance + self.mean * mean + self.deviation * deviation
        total = self.noise * noise + self.gradient * gradient + style  # Eq. (11)
        return {"noise": noise, "gradient": gradient, "wasserstein": distance, "style": style, "total": total}


def displacement_loss(wanted: Tensor, made: Tensor) -> Tensor:
    """L_S of style vectors (B, D): by how much their lengths differ, and one minus the cosine between them."""
    lengths = (wanted.norm(dim=1) - made.norm(dim=1)).abs()
    cosine = nn.functional.cosine_similarity(wanted, made, dim=1)
    return (lengths + 1 - cosine).mean()  # Eq. (19)


class TargetLoss(nn.Module):
    """L_2 = L_S + L_C + L_G, with weights.

    `statistics` weighs L_E towards the target's style, which is not in the paper. L_C is a mean over the numbers of a
    style vector and not their sum, to be of the size of L_S.
    """

    def __init__(
        self,
        style: float = 1.0,
        consistency: float = 1.0,
        gradient: float = 1.0,
        statistics: float = 0.0,
        wasserstein: float = 10.0,
        mean: float = 1.0,
        deviation: float = 1.0,
    ) -> None:
        super().__init__()
        self.style, self.consistency, self.gradient, self.statistics = style, consistency, gradient, statistics
        self.wasserstein, self.mean, self.deviation = wasserstein, mean, deviation

    def statistics_loss(self, style: Style, record: Style) -> Tensor:
        """L_E without regard to a time."""
        distance, mean, deviation = (term.mean() for term in style_terms(style, record))
        return self.wasserstein * distance + self.mean * mean + self.deviation * deviation

    def forward(
        self, wanted: Tensor, moved: Tensor, kept: Tensor, gradient: Tensor, statistics: Tensor
    ) -> dict[str, Tensor]:
        """The losses by name, of style vectors (B, D): the target's own, and those of a source and a target on the way.

        `gradient` is L_G and `statistics` L_E of all that was made.
        """
        style, consistency = displacement_loss(wanted, moved), (wanted - kept).abs().mean()
        total = self.style * style + self.consistency * consistency + self.gradient * gradient  # Eq. (20)
        total = total + self.statistics * statistics
        parts = {"style": style, "consistency": consistency, "gradient": gradient, "statistics": statistics}
        return {**parts, "total": total}
