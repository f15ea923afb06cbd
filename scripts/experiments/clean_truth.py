"""What a method gains, and whom it harms: people of a library whom no training saw, beside the noise-free truth."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base.arguments import check_whole, refuse_unknown
from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..base.markdown_table import format_mean, markdown_table, mean_and_sd
from ..base.progress import Progress
from ..base.seeds import derive_seed
from ..base.text_files import write_json, write_text
from ..evaluation.work import ImageMetric
from ..harmonize.model_weights import ModelWeights
from ..methods.base import Method
from ..metrics.scaling import divide_by_percentile
from ..sampler.map_file import read_volume_maps
from ..sampler.map_library import MapLibrary
from ..sampler.map_volumes import render_volume
from ..sampler.person_maps import TISSUES
from ..sampler.scanner_law import ScannerLaw
from ..sampler.scanner_table import ScannerTable
from .similarity import measure_inside

# What is compared with the truth.
UNHARMONIZED, HARMONIZED = "unharmonized", "harmonized"
_BRAIN = len(TISSUES) - 1


@dataclass(frozen=True)
class Row:
    """One measure of one person's image before and after."""

    person: int
    target_person: int
    contrast: str
    measure: str
    unharmonized: float
    harmonized: float


@dataclass(frozen=True, eq=False, kw_only=True)
class CleanTruth:
    """Harmonizes held-out people of a library of `maps`, each to a scanner on which another of them was scanned.

    The scanners are drawn by the law `scanners`. The target is the other person's scan with all its noise; the truth is
    the person by that scanner's protocol and resolution, without noise and receive field. Images are compared inside
    the brain, after each was divided by its 95th percentile there. `table.md` and `results.json` are written to
    `output_dir`.
    """

    maps: MapLibrary
    scanners: ScannerLaw
    preparation: Callable[[dict[str, Any]], dict[str, Any]]
    method: Method
    weights: ModelWeights
    metrics: Mapping[str, ImageMetric]
    output_dir: str
    subjects: int = 16
    contrasts: Sequence[str] = CONTRASTS
    seed: int = 1
    percentile: float = 95.0

    def __post_init__(self) -> None:
        """Refuse people who are not there, and methods without targets."""
        check_whole("subjects", self.subjects, least=2)
        refuse_unknown(self.contrasts, CONTRASTS, "contrast of `contrasts`")
        held_out = len(self.maps.validation)
        if self.subjects > held_out:
            raise InputError(f"`subjects` must be at most the {held_out} held-out people, got {self.subjects}")
        if not self.method.can.targets:
            raise InputError(f"the method must take targets, {self.method.name} takes none")

    def run(self) -> str:
        """Measure, write and return the table."""
        self.weights.load()
        people = self.maps.validation[: self.subjects]
        rng = np.random.default_rng(self.seed)
        table = self.scanners.draw(self.scanners.build_pool(), 2 * len(people), rng)
        progress = Progress("clean truth, people", len(people))
        rows: list[Row] = []
        for number in range(len(people)):
            rows += self._measure(people, number, table)
            progress.step()
        text = "Meaningless: random weights.\n\n" * self.weights.random + clean_truth_markdown(rows)
        write_json(Path(self.output_dir) / "results.json", {"rows": [asdict(row) for row in rows]})
        write_text(Path(self.output_dir) / "table.md", text)
        return text

    def _measure(self, people: Sequence[int], number: int, table: ScannerTable) -> list[Row]:
        """All contrasts of the person of a `number`; another one lies in the target's scanner."""
        person, other = people[number], self._other(people, number)
        source = self._scan(person, table, 2 * number)
        target = self._scan(other, table, 2 * number + 1)
        truth = torch.from_numpy(render_volume(self.maps, person, table, 2 * number + 1, clean=True))
        _, fractions = read_volume_maps(self.maps.files[person])
        brain = torch.from_numpy(fractions[:_BRAIN].sum(0, dtype=int) > 127)
        codes = [self.method.encode(target, contrast) for contrast in self.contrasts]
        results = self.method.harmonize({"image": source, "available": source.flatten(1).any(1)}, codes)
        rows = []
        for contrast, result in zip(self.contrasts, results, strict=True):
            channel = CONTRASTS.index(contrast)
            region = brain & (source[channel] > 0) & (truth[channel] > 0)
            images = {UNHARMONIZED: source[channel], HARMONIZED: result.image[0].cpu()}
            found = {name: self._compare(image, truth[channel], region) for name, image in images.items()}
            for measure in self.metrics:
                values = (found[UNHARMONIZED][measure], found[HARMONIZED][measure])
                rows.append(Row(person, other, contrast, measure, *values))
        return rows

    def _other(self, people: Sequence[int], number: int) -> int:
        """The next person of the same kind: a whole head for a head, a brain alone for a brain."""
        whole = [bool(self.maps.about(person)["parameters"]["head"]) for person in people]
        turn = [(number + step) % len(people) for step in range(1, len(people))]
        return people[next((place for place in turn if whole[place] == whole[number]), turn[0])]

    def _scan(self, person: int, table: ScannerTable, scanner: int) -> Tensor:
        """The prepared images (4, X, Y, Z) of a person on a scanner, as acquired."""
        seed = derive_seed(self.seed, person, scanner) % 2**32
        volumes = torch.from_numpy(render_volume(self.maps, person, table, scanner, seed=seed))
        prepared: Tensor = self.preparation({"image": volumes, "available": volumes.flatten(1).any(1)})["image"]
        return prepared

    def _compare(self, image: Tensor, truth: Tensor, region: Tensor) -> dict[str, float]:
        scaled = [divide_by_percentile(each.numpy(), region.numpy(), self.percentile) for each in (image, truth)]
        return measure_inside(self.metrics, torch.from_numpy(scaled[0]), torch.from_numpy(scaled[1]), region)


def clean_truth_markdown(rows: Sequence[Row]) -> str:
    """A line for each contrast and measure: means, the gain of each person, and whom it is negative for."""
    lines = []
    for contrast, measure in dict.fromkeys((row.contrast, row.measure) for row in rows):
        chosen = [row for row in rows if (row.contrast, row.measure) == (contrast, measure)]
        gains = [row.harmonized - row.unharmonized for row in chosen]
        columns = ([row.unharmonized for row in chosen], [row.harmonized for row in chosen], gains)
        cells = [format_mean(*mean_and_sd(column)) for column in columns]
        worse = sum(gain < 0 for gain in gains)
        lines.append([contrast, measure.upper(), *cells, f"{worse} of {len(gains)}"])
    people = len({row.person for row in rows})
    note = (
        f"Mean ± sd over {people} people, inside the brain. Made worse: images below their own source. PSNR is in dB.\n"
    )
    heads = ["contrast", "measure ↑", UNHARMONIZED, HARMONIZED, "gain", "made worse"]
    return markdown_table(heads, lines, 2) + "\n" + note
