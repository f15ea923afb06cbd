"""What the artifact encoder and attention are worth: HACA3+ with the same weights, without the one or the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import ClassVar

import torch
from torch import Tensor, nn

from ..artifacts.calibration import load_calibration
from ..artifacts.degrade import apply_artifact, draw_artifact
from ..artifacts.kinds import KINDS
from ..base.arguments import check_whole
from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..base.seeds import derive_seed
from ..evaluation.work import ImageMetric
from ..methods.haca3.attention import ForegroundAttention
from ..methods.haca3.network import Haca3
from ..methods.haca3.tone import ToneCalibration
from ..methods.haca3.triplanar import TriPlanarInferer
from .ablation_table import (
    ACQUIRED,
    DEGRADED,
    HACA3_PLUS,
    NO_ARTIFACT_ENCODER,
    NO_ATTENTION,
    UNHARMONIZED,
    AblationRow,
    ablation_markdown,
)
from .cropping import middle_layers
from .experiment import Experiment
from .reduced_networks import alpha_of, with_attention
from .similarity import measure_inside

SOURCES = ("t1w", "t2w", "flair")
# Of the target's contrast and the kind of artifact that its source is given.
COMBINATIONS = tuple(product(KINDS, SOURCES))


class ContrastAlone(nn.Module):
    """alpha of sources whose artifacts are all as the target's, so that their contrast alone decides."""

    def __init__(self, alpha: nn.Module, theta: int) -> None:
        super().__init__()
        self.alpha = alpha
        self.theta = theta

    def forward(self, query: Tensor, keys: Tensor, available: Tensor) -> Tensor:
        """See `CodeAttention`."""
        eta = query[:, None, self.theta : keys.shape[2]].expand(-1, keys.shape[1], -1)
        weights: Tensor = self.alpha(query, torch.cat([keys[..., : self.theta], eta], dim=-1), available)
        return weights


class EqualShares(nn.Module):
    """alpha that is the same for every source."""

    def forward(self, query: Tensor, keys: Tensor, available: Tensor) -> Tensor:
        """See `CodeAttention`."""
        return available / available.sum(1, keepdim=True).clamp(min=1.0)


@dataclass(frozen=True, eq=False, kw_only=True)
class Ablation(Experiment[AblationRow]):
    """Harmonizes T1w, T2w and FLAIR of a person's first visit to one of them of the second, whose scan is the truth.

    Once they are as acquired, once the source of the target's contrast has an artifact of `severity`; contrasts and
    kinds of artifact take turns over people. Only the middle `layers` of the brain, axial ones, are looked at. The
    brightness of all is mended by the target's curve, but no detail is carried. Intensities end at `upper`, as at
    inference.
    """

    network: Haca3
    inferer: TriPlanarInferer
    tone: ToneCalibration
    metrics: Mapping[str, ImageMetric]
    severity: float = 1.0
    seed: int = 1
    layers: int = 24
    upper: float = 5.0
    significance: float = 0.05

    name: ClassVar[str] = "ablation"
    row: ClassVar[type] = AblationRow
    contrasts: ClassVar[Sequence[str]] = SOURCES
    table_settings: ClassVar[Sequence[str]] = ("significance",)

    def __post_init__(self) -> None:
        """Refuse what cannot be measured."""
        super().__post_init__()
        check_whole("layers", self.layers)
        if not 0 < self.severity <= 1:
            raise InputError(f"`severity` must be above 0 and at most 1, got {self.severity}")
        alpha_of(self.network)

    @cached_property
    def networks(self) -> dict[str, Haca3]:
        """HACA3+ and what is left of it without a part, made once the weights are there."""
        whole = alpha_of(self.network)
        alphas = {
            HACA3_PLUS: whole,
            NO_ARTIFACT_ENCODER: ContrastAlone(whole, self.network.theta),
            NO_ATTENTION: EqualShares(),
        }
        return {method: with_attention(self.network, ForegroundAttention(alpha)) for method, alpha in alphas.items()}

    def table(self, rows: Sequence[AblationRow]) -> str:
        """See `ablation_table.py`."""
        return ablation_markdown(rows, self.significance)

    @torch.inference_mode()
    def measure(self, number: int) -> list[AblationRow]:
        """Harmonize a person twice by each network, and compare."""
        (visit, other), (kind, contrast) = self.visits(number), COMBINATIONS[number % len(COMBINATIONS)]
        channel = CONTRASTS.index(contrast)
        layers = middle_layers(visit.mask, self.layers)
        target = other.volumes[channel].clamp(max=self.upper)
        shown = visit.only(SOURCES)
        degraded = shown.volumes.clone()
        calibration = load_calibration()
        artifact = draw_artifact(kind, self.severity, derive_seed(self.seed, visit.seed, kind), calibration, 3)
        degraded[channel] = torch.as_tensor(apply_artifact(degraded[channel, None], artifact))[0]
        states = {ACQUIRED: shown.volumes, DEGRADED: degraded}

        code = self.network.encode_target(target[None, None].to(self.network.default_target.device), contrast)
        # The target is its only source, whose weight is 1 in each of the networks.
        curve = self.tone(self.network, target, contrast, code)
        about = (visit.about["subject"], visit.about["scanner"], other.about["scanner"], contrast, kind)
        rows = []
        for state, volumes in states.items():
            sources = volumes[..., layers].clamp(max=self.upper)
            images = {UNHARMONIZED: sources[channel]}
            for method, network in self.networks.items():
                made = self.inferer.harmonize(sources, network, [code], shown.available)[0].image[0].cpu()
                images[method] = made if curve is None else curve(made)
            for method, image in images.items():
                found = measure_inside(self.metrics, image, target[..., layers], visit.mask[..., layers])
                rows += [AblationRow(*about, state, method, *cells) for cells in found.items()]
        return rows
