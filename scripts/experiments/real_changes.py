"""Real anatomy with known changes: scans of a person are changed, and harmonized to another person of the same scanner.

What should come out is the scan before it was changed, since the target's scanner is that scan's own. So a method is
judged on real brains beside a truth, and by what it does to a scan that should stay as it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import permutations
from pathlib import Path
from statistics import mean

import torch
from torch import Tensor

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..base.markdown_table import markdown_table
from ..base.progress import Progress
from ..base.text_files import write_json, write_text
from ..evaluation.work import ImageMetric
from ..harmonize.model_weights import ModelWeights
from ..methods.base import Method
from .harmonized_volume import harmonized_volume
from .real_people import Person, RealPeople
from .similarity import measure_inside

UNHARMONIZED, HARMONIZED = "unharmonized", "harmonized"
# Gammas, the share of another contrast, and the noise as a share of what is bright.
_DARKER, _BRIGHTER, _MIXED, _NOISE = 1.4, 0.7, 0.2, 0.06
_BRIGHT = 0.95


@dataclass(frozen=True)
class ChangeRow:
    """How near an image is to the scan before it was changed."""

    person: str
    contrast: str
    change: str
    image: str
    measures: Mapping[str, float]


@dataclass(frozen=True, eq=False, kw_only=True)
class RealChanges:
    """Harmonizes each of the `contrasts` of each of the `people`, unchanged and in four changes, to another one's.

    `table.md` and `results.json` are written to `output_dir`.
    """

    people: RealPeople
    contrasts: Sequence[str]
    method: Method
    weights: ModelWeights
    metrics: Mapping[str, ImageMetric]
    output_dir: str
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse contrasts that someone lacks."""
        for name, files in self.people.files.items():
            for contrast in self.contrasts:
                if contrast not in files:
                    raise InputError(f"`people` {name} must have {contrast}, got {', '.join(files)}")

    def run(self) -> str:
        """Measure, write and return the table."""
        self.weights.load()
        pairs = list(permutations(self.people.read(), 2))
        progress = Progress("real changes, pairs", len(pairs))
        rows: list[ChangeRow] = []
        for person, other in pairs:
            for contrast in self.contrasts:
                rows += self._measure(person, other, contrast)
            progress.step()
        table = _table(rows)
        folder = Path(self.output_dir)
        write_json(folder / "results.json", {"rows": [asdict(row) for row in rows]})
        write_text(folder / "table.md", table)
        return table

    def _measure(self, person: Person, other: Person, contrast: str) -> Iterator[ChangeRow]:
        channel = CONTRASTS.index(contrast)
        truth = person.volumes[channel]
        for change, changed in changes(person, channel, self.seed):
            sources = person.volumes.clone()
            sources[channel] = changed
            images = {
                UNHARMONIZED: changed,
                HARMONIZED: harmonized_volume(self.method, sources, other.volumes, contrast),
            }
            for name, image in images.items():
                found, wanted = (each / _bright(each, person.brain) for each in (image, truth))
                measures = measure_inside(self.metrics, found, wanted, person.brain)
                yield ChangeRow(person.name, contrast, change, name, measures)


def changes(person: Person, channel: int, seed: int) -> Iterator[tuple[str, Tensor]]:
    """A contrast (X, Y, Z) of a person as it is, and in four changes, by name."""
    volume, brain = person.volumes[channel], person.brain
    bright = _bright(volume, brain)
    relative = (volume / bright).clamp(min=0)
    # T1w gets some FLAIR, T2w too, FLAIR some T2w.
    another = person.volumes[CONTRASTS.index("t2w" if CONTRASTS[channel] == "flair" else "flair")]
    noise = torch.randn(volume.shape, generator=torch.Generator().manual_seed(seed)) * _NOISE
    yield "none", volume
    yield "darker", bright * relative**_DARKER
    yield "brighter", bright * relative**_BRIGHTER
    yield "another contrast", (1 - _MIXED) * volume + _MIXED * another * (volume > 0)
    yield "noise", bright * (relative + noise).clamp(min=0) * (volume > 0)


def _bright(volume: Tensor, brain: Tensor) -> float:
    """What images are divided by, since their unit says nothing."""
    values = volume[brain]
    place = max(1, round(_BRIGHT * len(values)))
    return float(values.kthvalue(place).values.clamp(min=1e-6))


def _table(rows: Sequence[ChangeRow]) -> str:
    measures = list(rows[0].measures)
    groups = {(row.contrast, row.change): None for row in rows}

    def cell(contrast: str | None, change: str | None, image: str, measure: str) -> str:
        values = [
            row.measures[measure]
            for row in rows
            if row.image == image
            and (row.contrast == contrast if contrast else row.change != "none")
            and change in (None, row.change)
        ]
        return f"{mean(values):.3f}"

    columns = [(image, measure) for measure in measures for image in (UNHARMONIZED, HARMONIZED)]
    lines = [[*group, *(cell(*group, *column) for column in columns)] for group in groups]
    lines.append(["all", "that changed", *(cell(None, None, *column) for column in columns)])
    heads = [f"{image}: {measure.upper()} ↑" for image, measure in columns]
    people = len({row.person for row in rows})
    table = markdown_table(["contrast", "change", *heads], lines, 2)
    about = "inside the brain, PSNR in dB; a scan without change has no PSNR to itself."
    return f"{table}\nMeans over {people} people, {about}"
