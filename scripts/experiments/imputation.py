"""A contrast that was withheld, made from the others (HACA3+, section 4.2), beside regressions and a scan of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..base.arguments import check_whole
from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..evaluation.work import ImageMetric
from ..methods.base import Method
from ..methods.classical.nyul import NyulMatching
from ..training.scans import Scan
from .cropping import middle_layers
from .experiment import Experiment
from .harmonized_volume import harmonized_volume
from .imputation_table import (
    IMPUTED,
    MATCHED_REGRESSION,
    OTHER_SCANNER,
    REGRESSION,
    ImputationRow,
    imputation_markdown,
)
from .similarity import measure_inside
from .voxelwise_regression import VoxelwiseRegression

SOURCES = ("t1w", "t2w", "flair")
WITHHELD = "pd"
_CHANNELS = [CONTRASTS.index(contrast) for contrast in SOURCES]
_WANTED = CONTRASTS.index(WITHHELD)


@dataclass(frozen=True, eq=False, kw_only=True)
class Imputation(Experiment[ImputationRow]):
    """Makes PD of a person's first visit from T1w, T2w and FLAIR of the second, which was to another scanner.

    What the first scanner's images look like is known from another person: the network takes that one's PD as the
    target, whose levels are found with that one's other images, and regressions are fitted to that one's brain.
    `degree` is that of the regressions; one of them sees sources whose histograms are matched to that person's before.
    Only the middle `layers` of the brain, axial ones, are looked at. Intensities end at `upper`, as at inference.
    """

    method: Method
    metrics: Mapping[str, ImageMetric]
    layers: int = 24
    degree: int = 3
    upper: float = 5.0
    significance: float = 0.05

    name: ClassVar[str] = "imputation"
    row: ClassVar[type] = ImputationRow
    contrasts: ClassVar[Sequence[str]] = CONTRASTS
    table_settings: ClassVar[Sequence[str]] = ("significance",)

    def __post_init__(self) -> None:
        """Refuse people whose first visits were not to one scanner."""
        super().__post_init__()
        check_whole("layers", self.layers)
        plans = self.people.draw().subjects
        scanners = {plan.visits[0].scanner for plan in plans}
        if len(scanners) > 1 or len(plans) < 2:
            raise InputError(
                "`cohort` of people must have at least 2 subjects whose first visits are to one scanner,"
                f" got {len(plans)} and {len(scanners)}"
            )

    def table(self, rows: Sequence[ImputationRow]) -> str:
        """See `imputation_table.py`."""
        return imputation_markdown(rows, self.significance)

    @torch.inference_mode()
    def measure(self, number: int) -> list[ImputationRow]:
        """Impute one person's PD in each way, and compare."""
        first, second = self.visits(number)
        # Not the next one: who the last person's example is would depend on how many there are.
        example, _ = self.visits(number - 1 if number else 1)
        layers = middle_layers(first.mask, self.layers)
        truth, brain = first.volumes[_WANTED, ..., layers].clamp(max=self.upper), first.mask[..., layers]
        images = {
            OTHER_SCANNER: second.volumes[_WANTED, ..., layers].clamp(max=self.upper),
            REGRESSION: self._regress(example, second, matched=False)[..., layers],
            MATCHED_REGRESSION: self._regress(example, second, matched=True)[..., layers],
            IMPUTED: self._harmonize(example, second.only(SOURCES).volumes[..., layers]),
        }
        about = (first.about["subject"], second.about["scanner"], first.about["scanner"])
        return [
            ImputationRow(*about, method, measure, value)
            for method, image in images.items()
            for measure, value in measure_inside(self.metrics, image, truth, brain).items()
        ]

    def _harmonize(self, example: Scan, sources: Tensor) -> Tensor:
        visit = example.volumes.clamp(max=self.upper)
        return harmonized_volume(self.method, sources.clamp(max=self.upper), visit, WITHHELD)

    def _regress(self, example: Scan, visit: Scan, matched: bool) -> Tensor:
        known, sources = example.volumes[_CHANNELS], visit.volumes[_CHANNELS]
        if matched:
            sources = _match_histograms(sources, known)
        regression = VoxelwiseRegression(self.degree)
        regression.fit(known[:, example.mask], example.volumes[_WANTED][example.mask])
        image = torch.zeros_like(sources[0])
        image[visit.mask] = regression(sources[:, visit.mask]).clamp(max=self.upper)
        return image


def _match_histograms(sources: Tensor, wanted: Tensor) -> Tensor:
    """Each contrast of the `sources` (C, X, Y, Z) with the histogram of the `wanted` one."""
    matching, matched = NyulMatching(), torch.zeros_like(sources)
    for contrast, source, image, result in zip(SOURCES, sources, wanted, matched, strict=True):
        stack = torch.zeros(1, len(CONTRASTS), *source.shape)
        stack[0, CONTRASTS.index(contrast)] = source
        result.copy_(matching(stack, matching.encode_target(image[None, None], contrast))[0, 0])
    return matched
