"""Real scans: a contrast of one person, made from the others in the style of another person of the same scanner.

What the person's own scan of that contrast looks like is known, and so is where lesions are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import permutations
from pathlib import Path

import torch
from torch import Tensor

from ..base.contrasts import CONTRASTS
from ..base.markdown_table import markdown_table
from ..base.progress import Progress
from ..base.text_files import write_json, write_text
from ..evaluation.work import ImageMetric
from ..harmonize.model_weights import ModelWeights
from ..methods.base import Method
from .harmonized_volume import harmonized_volume
from .real_people import Person, RealPeople
from .similarity import measure_inside
from .voxelwise_regression import VoxelwiseRegression

HACA3_PLUS, REGRESSION = "HACA3+", "regression"
LESION_CONTRAST = "flair"
# Of T1w inside the brain: what is brighter is white matter, nearly all of it.
_WHITE_PERCENTILE = 70


@dataclass(frozen=True)
class Row:
    """What one method made of one person's contrast."""

    person: str
    contrast: str
    method: str
    measures: Mapping[str, float]


@dataclass(frozen=True, eq=False, kw_only=True)
class RealImputation:
    """Imputes each of the `imputed` contrasts of each of the `people` from the others they have.

    Regressions of `degree` are fitted to the other person, whose image is the network's target. `table.md` and
    `results.json` are written to `output_dir`.
    """

    people: RealPeople
    imputed: Sequence[str]
    method: Method
    weights: ModelWeights
    metrics: Mapping[str, ImageMetric]
    output_dir: str
    degree: int = 3

    def run(self) -> str:
        """Measure, write and return the table."""
        self.weights.load()
        pairs = list(permutations(self.people.read(), 2))
        progress = Progress("real imputation, pairs", len(pairs))
        rows: list[Row] = []
        kept: dict[str, tuple[float, float]] = {}
        for person, other in pairs:
            for contrast in self.imputed:
                rows += self._impute(person, other, CONTRASTS.index(contrast))
            kept[person.name] = self._lesions(person, other)
            progress.step()
        table = _table(rows, kept)
        folder = Path(self.output_dir)
        write_json(folder / "results.json", {"rows": [asdict(row) for row in rows], "lesions": kept})
        write_text(folder / "table.md", table)
        return table

    def _harmonize(self, person: Person, other: Person, wanted: int, sources: Tensor) -> Tensor:
        return harmonized_volume(self.method, sources, other.volumes, CONTRASTS[wanted])

    def _impute(self, person: Person, other: Person, wanted: int) -> list[Row]:
        without = torch.arange(len(CONTRASTS)) != wanted
        sources = person.volumes * without[:, None, None, None]
        channels = [channel for channel in range(len(CONTRASTS)) if sources[channel].any()]
        regression = VoxelwiseRegression(self.degree)
        regression.fit(other.volumes[channels][:, other.brain], other.volumes[wanted][other.brain])
        regressed = torch.zeros_like(sources[0])
        regressed[person.brain] = regression(person.volumes[channels][:, person.brain])
        images = {REGRESSION: regressed, HACA3_PLUS: self._harmonize(person, other, wanted, sources)}
        return [
            Row(
                person.name,
                CONTRASTS[wanted],
                method,
                measure_inside(self.metrics, image, person.volumes[wanted], person.brain),
            )
            for method, image in images.items()
        ]

    def _lesions(self, person: Person, other: Person) -> tuple[float, float]:
        """Brightness of lesions over that of white matter in the contrast that shows them best, before and after."""
        channel = CONTRASTS.index(LESION_CONTRAST)
        harmonized = self._harmonize(person, other, channel, person.volumes)
        t1w = person.volumes[CONTRASTS.index("t1w")]
        bright = torch.quantile(t1w[person.brain][::10], _WHITE_PERCENTILE / 100)
        white = person.brain & (t1w > bright) & ~person.lesions
        before, after = (
            float(image[person.lesions].mean() / image[white].mean()) for image in (person.volumes[channel], harmonized)
        )
        return before, after


def _table(rows: Sequence[Row], lesions: Mapping[str, tuple[float, float]]) -> str:
    measures = list(rows[0].measures)
    lines = [[row.person, row.contrast, row.method, *(f"{row.measures[m]:.3f}" for m in measures)] for row in rows]
    imputed = markdown_table(["person", "imputed", "method", *(f"{m.upper()} ↑" for m in measures)], lines, 3)
    found = [
        [name, f"{before:.3f}", f"{after:.3f}", f"{after / before - 1:+.0%}"]
        for name, (before, after) in lesions.items()
    ]
    kept = markdown_table(["person", "acquired", "harmonized", "change"], found)
    return f"{imputed}\nInside the brain, PSNR in dB.\n\nLesions over white matter in FLAIR:\n\n{kept}"
