"""All that the report knows of one harmonized image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.contrasts import BIDS_SUFFIX, CONTRASTS
from ..harmonize.outputs import SKULL_STRIPPED
from ..harmonize.subjects import Subject
from ..harmonize.targets import PreparedTarget, TargetPreparation
from ..harmonize.usual_scores import usual_scores
from ..inferers.harmonization import Harmonized
from ..jobs.targets import NamedTargets
from .codes import Codes, code_distances
from .comparison import Comparison, compare
from .measures import Segmenter, largest_change, measure, region_changes, share_cut_off
from .verdicts import Limits, find_concerns, judge_severities


@dataclass(frozen=True)
class Look:
    """How things are drawn: the change that has the lightest color, as a share of white, and bins of histograms."""

    difference_range: float = 0.25
    bins: int = 96


@dataclass(frozen=True, eq=False)
class ImageReport:
    """`sidecar` is that of the image; `codes` are those before, after and of the target, if known.

    `values` has the measures. `scores` are the artifact scores of the sources, `target_score` is that of the target,
    `usual` are those usual for the contrasts, if known, and `verdicts` has a sentence on each source. `regions` has
    milliliters before and after: none where the images could not be segmented, None where nobody asked.
    """

    comparison: Comparison
    sidecar: Mapping[str, Any]
    values: Mapping[str, float]
    codes: Codes
    scores: Mapping[str, float]
    target_score: float | None
    usual: Mapping[str, float]
    verdicts: Mapping[str, str]
    regions: Mapping[str, tuple[float, float]] | None
    limits: Limits
    look: Look

    @property
    def contrast(self) -> str:
        """That of the target."""
        return self.comparison.contrast

    @property
    def label(self) -> str:
        """The contrast as BIDS spells it."""
        return BIDS_SUFFIX[self.contrast]

    @property
    def found(self) -> Mapping[str, Any]:
        """What the sidecar says was found."""
        found: Mapping[str, Any] = self.sidecar["Found"]
        return found

    @property
    def random(self) -> bool:
        """Whether the weights are random, so that nothing which they made means anything."""
        return bool(self.sidecar["Method"]["weights"].get("random"))

    @property
    def concerns(self) -> Sequence[str]:
        """What a reader should look at first; of random weights' images only what is none of their making."""
        if self.random:
            return find_concerns({key: self.values[key] for key in ("outside",) if key in self.values}, (), self.limits)
        return find_concerns(self.values, self.verdicts.values(), self.limits)


@dataclass(frozen=True)
class ImageReports:
    """Makes them. `targets` has the target images; `named_targets` tell usual artifact scores."""

    targets: TargetPreparation
    named_targets: str | NamedTargets | None
    segmenter: Segmenter | None
    limits: Limits
    look: Look

    def make(
        self, subject: Subject, target: PreparedTarget, result: Harmonized, codes: Codes, sidecar: Mapping[str, Any]
    ) -> ImageReport:
        """That of one target of a subject."""
        found, wanted = sidecar["Found"], self.targets.volume(subject.job.targets[target.contrast], target.contrast)
        comparison = compare(subject, result, target.contrast, sidecar["Reference"], wanted)
        scores = {name: source["severity"] for name, source in found.get("sources", {}).items()}
        maker, head = self.targets.weights.code_maker, not sidecar[SKULL_STRIPPED]
        usual = usual_scores(self.targets.method, self.named_targets, maker, head, scores)
        values = measure(comparison, found, usual) | code_distances(codes)
        if "foreground_outside_network_box" in found:
            values["outside"] = _outside(subject, comparison, sidecar)
        regions = self._regions(subject, result, target.contrast)
        if regions:
            values["volumes"] = largest_change(regions)
        target_score = target.code.severity()
        return ImageReport(
            comparison=comparison,
            sidecar=sidecar,
            values=values,
            codes=codes,
            scores=scores,
            target_score=target_score,
            usual=usual,
            verdicts=judge_severities(scores, usual, target_score, self.limits),
            regions=regions,
            limits=self.limits,
            look=self.look,
        )

    def _regions(self, subject: Subject, result: Harmonized, contrast: str) -> Mapping[str, tuple[float, float]] | None:
        if self.segmenter is None or contrast not in subject.images:
            return None
        before = subject.data["image"][CONTRASTS.index(contrast)].numpy(force=True)
        return region_changes(self.segmenter, before, result.image[0].float().numpy(force=True))


def _outside(subject: Subject, comparison: Comparison, sidecar: Mapping[str, Any]) -> float:
    """The share of the reference source that is outside the working grid."""
    reference = sidecar["Reference"]
    voxel_volume = float(abs(np.linalg.det(subject.images[reference].affine[:3, :3])))
    lost = sidecar["Found"]["foreground_outside_network_box"]
    return share_cut_off(comparison.sources[reference], lost, voxel_volume)
