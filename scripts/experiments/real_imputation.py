"""Real scans: a contrast of one person, made from the others in the style of another person of the same scanner.

What the person's own scan of that contrast looks like is known, and so is where lesions are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..base.markdown_table import markdown_table
from ..base.progress import Progress
from ..base.text_files import write_json, write_text
from ..evaluation.work import ImageMetric
from ..harmonize.model_weights import ModelWeights
from ..images.nifti import read_image
from ..images.resampling import to_working_grid
from ..images.sources import read_sources
from ..methods.base import Method
from .harmonized_volume import harmonized_volume
from .similarity import measure_inside
from .voxelwise_regression import VoxelwiseRegression

HACA3_PLUS, REGRESSION = "HACA3+", "regression"
LESION_CONTRAST = "flair"
# Of T1w inside the brain: what is brighter is white matter, nearly all of it.
_WHITE_PERCENTILE = 70


@dataclass(frozen=True, eq=False)
class Person:
    """The prepared volumes (4, X, Y, Z) of a person, and boolean `brain` and `lesions` (X, Y, Z)."""

    name: str
    volumes: Tensor
    brain: Tensor
    lesions: Tensor


@dataclass(frozen=True)
class Row:
    """What one method made of one person's contrast."""

    person: str
    contrast: str
    method: str
    measures: Mapping[str, float]


@dataclass(frozen=True, eq=False, kw_only=True)
class RealImputation:
    """Imputes each of the `imputed` contrasts of each of the `people`, two at least, from the others they have.

    A person is paths in `data_dir` by contrast, brains without skull in MNI152 space, and one of `lesions`. Regressions
    of `degree` are fitted to the other person, whose image is the network's target. `table.md` and `results.json` are
    written to `output_dir`.
    """

    people: Mapping[str, Mapping[str, str]]
    data_dir: str
    imputed: Sequence[str]
    preparation: Callable[[dict[str, Any]], dict[str, Any]]
    method: Method
    weights: ModelWeights
    metrics: Mapping[str, ImageMetric]
    output_dir: str
    degree: int = 3

    def __post_init__(self) -> None:
        """Refuse what cannot be read, before anything is computed."""
        if len(self.people) < 2:
            raise InputError(f"`people` must be at least 2, got {sorted(self.people)}")
        for name, files in self.people.items():
            for what, file in files.items():
                if not (Path(self.data_dir) / file).is_file():
                    raise InputError(f"`people` {name}: {what} must be in `data_dir` {self.data_dir}, {file} is not")

    def run(self) -> str:
        """Measure, write and return the table."""
        self.weights.load()
        people = [self._read(name) for name in self.people]
        pairs = list(permutations(people, 2))
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

    def _read(self, name: str) -> Person:
        paths = {what: Path(self.data_dir) / file for what, file in self.people[name].items()}
        lesions = torch.from_numpy(to_working_grid(read_image(paths.pop("lesions")), order=0)) > 0
        sources = read_sources(paths)
        data = {"image": torch.from_numpy(sources.stack), "available": torch.from_numpy(sources.available)}
        volumes: Tensor = self.preparation(data)["image"]
        brain = (volumes[sources.available] > 0).all(0)
        return Person(name, volumes, brain, lesions & brain)

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
