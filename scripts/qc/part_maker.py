"""From a harmonized image to all that the report says of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.contrasts import CONTRASTS
from ..harmonize.outputs import SKULL_STRIPPED
from ..harmonize.subjects import Subject
from ..harmonize.targets import PreparedTarget, TargetPreparation
from ..harmonize.usual_scores import usual_scores
from ..inferers.harmonization import Harmonized
from .anatomy import Segmenter, largest_change, region_changes
from .codes import Codes
from .comparison import compare
from .figures import thumbnail
from .measures import measure
from .part import Look, Part
from .verdicts import Limits, find_concerns, judge_severities


@dataclass(frozen=True)
class PartMaker:
    """`targets` has the target images; `named_targets`, `limits` and `look` are those of the report."""

    targets: TargetPreparation
    named_targets: str | None
    segmenter: Segmenter | None
    limits: Limits
    look: Look

    def __call__(
        self, subject: Subject, target: PreparedTarget, result: Harmonized, codes: Codes, sidecar: Mapping[str, Any]
    ) -> Part:
        """The part of a page that is about one target."""
        found, wanted = sidecar["Found"], self.targets.volume(subject.job.targets[target.contrast], target.contrast)
        comparison = compare(subject, result, target.contrast, sidecar["Reference"], wanted)
        scores = {name: source["severity"] for name, source in found.get("sources", {}).items()}
        maker, head = self.targets.weights.code_maker, not sidecar[SKULL_STRIPPED]
        usual = usual_scores(self.targets.method, self.named_targets, maker, head, scores)
        values = measure(comparison, found, usual) | _code_distances(codes)
        regions = self._regions(subject, result, target.contrast)
        if regions:
            values["volumes"] = largest_change(regions)
        wanted_score = float(np.linalg.norm(codes["target"]["artifacts"])) if codes else None
        verdicts = judge_severities(scores, usual, wanted_score, self.limits)
        random = bool(sidecar["Method"]["weights"].get("random"))
        return Part(
            comparison=comparison,
            sidecar=sidecar,
            values=values,
            usual=usual,
            verdicts=verdicts,
            concerns=[] if random else find_concerns(values, list(verdicts.values()), self.limits),
            codes=codes,
            regions=regions,
            thumbnail=thumbnail(comparison),
            limits=self.limits,
            look=self.look,
        )

    def _regions(self, subject: Subject, result: Harmonized, contrast: str) -> Mapping[str, tuple[float, float]] | None:
        if self.segmenter is None or contrast not in subject.images:
            return None
        before = subject.data["image"][CONTRASTS.index(contrast)].numpy(force=True)
        return region_changes(self.segmenter, before, result.image[0].float().numpy(force=True))


def _code_distances(codes: Codes) -> dict[str, float]:
    """Distances of the contrast codes to that of the target."""
    return {
        f"contrast_{when}": float(np.linalg.norm(np.subtract(codes[when]["appearance"], codes["target"]["appearance"])))
        for when in ("before", "after")
        if when in codes
    }
