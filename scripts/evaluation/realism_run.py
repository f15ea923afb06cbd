"""Measures how real the phantoms look: simulated beside real images, by the same numbers (`configs/realism.json`)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import affine_transform

from ..base.errors import InputError
from ..base.output_folder import describe, generated_by, whole_folder
from ..base.seeds import derive_seed
from ..base.text_files import write_json
from ..images.volumes import read_volume
from ..metrics.realism import Appearance, appearances, histogram_distance
from ..phantom.phantom import Phantom, PhantomParts
from ..phantom.scanner import SEQUENCES, Protocol, Scanner
from .measurements import write_rows
from .realism_report import (
    HISTOGRAM_DISTANCE,
    PHANTOM,
    REAL,
    Comparison,
    Number,
    PairNumber,
    compare,
    comparison_markdown,
    draw_planes,
    pair_markdown,
)
from .scanner_pairs import ScannerPairs

# By this an earlier output is recognised.
MARKER, GENERATOR = "realism.json", "realism report"

STUDY_KEYS = ("label", "real", "manufacturer", "field_strength", "seed", "protocols")

# By person, then by contrast.
People = dict[str, dict[str, Appearance]]


@dataclass(frozen=True)
class Realism:
    """Compares phantoms with real people.

    Each of `studies` has `real` people, their files below `data_dir` by contrast, skull-stripped and with T1w among
    them, and the scanner that imitates theirs: `manufacturer`, `field_strength`, `seed` and `protocols`, all fields of
    `Protocol` by contrast. Each of `people` is a phantom, a `seed`, an `age` and a `lesion_load`, who visits all these
    scanners. `pairs` are measured where `with_pairs` says so, and shown beside `real_pairs`.
    """

    data_dir: str
    output_dir: str
    studies: Mapping[str, Mapping[str, Any]]
    people: Sequence[Mapping[str, Any]]
    pairs: ScannerPairs
    with_pairs: bool = True
    real_pairs: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    tolerance: float = 0.2
    percentile: float = 95.0
    edge_levels: Sequence[float] = (50, 90, 99)
    interpolation_order: int = 3
    dpi: int = 100
    phantom: PhantomParts = Phantom()

    def run(self) -> str:
        """Check everything, measure, write `output_dir`, and return the report."""
        scanners = {name: read_scanner(name, study) for name, study in self.studies.items()}
        files = {name: self._find_files(name, study["real"]) for name, study in self.studies.items()}
        for number, person in enumerate(self.people, start=1):
            _check_keys(f"`people`, number {number}", person, ("seed", "age", "lesion_load"))
        with whole_folder(Path(str(self.output_dir)), MARKER, GENERATOR) as folder:
            write_json(folder / MARKER, {"GeneratedBy": generated_by(GENERATOR), "Settings": describe(vars(self))})
            real = {name: self._measure_real(people) for name, people in files.items()}
            phantoms = self._measure_phantoms(scanners, folder / "phantom.png")
            numbers = [n for study in real for n in list_numbers(study, real[study], phantoms[study])]
            report = self._report(folder, numbers, self.pairs.measure() if self.with_pairs else [])
            (folder / "realism.md").write_text(report)
        return report

    def _find_files(self, study: str, real: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, Path]]:
        if not str(self.data_dir) or not Path(str(self.data_dir)).is_dir():
            raise InputError(
                "`data_dir`, by default the environment variable HARMONIZATION_TEST_DATA, must be the folder of real "
                f"images, got `{self.data_dir}`"
            )
        for person, images in real.items():
            if "t1w" not in images:
                raise InputError(f"study {study}: `real` must have the t1w image of {person}, got {', '.join(images)}")
            for contrast, path in images.items():
                if not (Path(self.data_dir) / path).is_file():
                    raise InputError(f"study {study}: `real` must be files below {self.data_dir}, {path} is not")
                if contrast not in self.studies[study]["protocols"]:
                    raise InputError(f"study {study}: `protocols` must have every contrast of `real`, not {contrast}")
        return {
            person: {c: Path(self.data_dir) / path for c, path in images.items()} for person, images in real.items()
        }

    def _measure_real(self, people: Mapping[str, Mapping[str, Path]]) -> People:
        return {
            person: self._appearances({c: read_at_1_mm(path, self.interpolation_order) for c, path in images.items()})
            for person, images in people.items()
        }

    def _measure_phantoms(self, scanners: Mapping[str, Scanner], picture: Path) -> dict[str, People]:
        """By study; the first phantom's first visit is drawn."""
        found: dict[str, People] = {study: {} for study in scanners}
        for number, person in enumerate(self.people, start=1):
            parameters = self.phantom.draw_subject(person["seed"], person["age"], person["lesion_load"], False)
            subject = self.phantom.render_subject(parameters)
            for study, scanner in scanners.items():
                visit = derive_seed(person["seed"], study)
                images = {c: self.phantom.acquire(subject, scanner, c, visit) for c in scanner.protocols}
                found[study][f"phantom-{number}"] = self._appearances(images)
                if not picture.exists():
                    draw_planes(images, picture, self.dpi)
        return found

    def _appearances(self, images: Mapping[str, np.ndarray]) -> dict[str, Appearance]:
        return appearances(images, self.percentile, self.edge_levels)

    def _report(self, folder: Path, numbers: Sequence[Number], pairs: Sequence[PairNumber]) -> str:
        rows = compare(numbers, self.tolerance)
        write_rows(folder / "numbers.csv", Number, numbers)
        write_rows(folder / "comparison.csv", Comparison, rows)
        labels = {name: study["label"] for name, study in self.studies.items()}
        report = comparison_markdown(rows, labels, self.tolerance)
        if pairs:
            write_rows(folder / "pairs.csv", PairNumber, pairs)
            report += "\n" + pair_markdown(pairs, self.real_pairs)
        return report


def read_scanner(name: str, study: Mapping[str, Any]) -> Scanner:
    """The scanner that imitates a study's; refuses studies and protocols that lack a key or have others."""
    known = [item.name for item in fields(Protocol) if item.name != "contrast"]
    _check_keys(f"study {name}", study, STUDY_KEYS)
    protocols = {}
    for contrast, values in study["protocols"].items():
        _check_keys(f"study {name}: {contrast}", values, known)
        if values["sequence"] not in SEQUENCES:
            allowed = ", ".join(SEQUENCES)
            raise InputError(
                f"study {name}: `sequence` of {contrast} must be among {allowed}, got {values['sequence']}"
            )
        protocols[contrast] = Protocol(contrast=contrast, **{key: values[key] for key in known})
    place = (name, name, study["manufacturer"], float(study["field_strength"]), study["seed"])
    return Scanner(*place, protocols)


def _check_keys(label: str, block: Mapping[str, Any], known: Sequence[str]) -> None:
    given = {key for key in block if not key.startswith("_")}
    for key in sorted(given ^ set(known)):
        problem = "is missing" if key in known else f"must be one of {', '.join(known)}"
        raise InputError(f"{label}: `{key}` {problem}")


def read_at_1_mm(path: Path, order: int) -> np.ndarray:
    """A skull-stripped image on 1 mm voxels along its own axes, by splines of that order; 0 outside the brain.

    An image that already has such voxels is not interpolated.
    """
    voxels, affine = read_volume(path)
    # An affine holds float32 values: 1.9999999 would cost the last voxel.
    sizes = np.linalg.norm(affine[:3, :3], axis=0).round(4)
    brain = voxels > 0
    if not np.allclose(sizes, 1, atol=1e-3):
        shape = tuple(int(extent) + 1 for extent in (np.array(voxels.shape) - 1) * sizes)
        voxels = affine_transform(voxels, 1 / sizes, output_shape=shape, order=order)
        brain = affine_transform(brain.astype(np.uint8), 1 / sizes, output_shape=shape, order=0) > 0
    return np.where(brain, np.maximum(voxels, 0), np.float32(0))


def list_numbers(study: str, real: People, phantoms: People) -> Iterator[Number]:
    """Every number of every person, then the histogram distances, whose `person` names two."""
    for source, people in ((REAL, real), (PHANTOM, phantoms)):
        for person, contrasts in people.items():
            for contrast, appearance in contrasts.items():
                for measure, value in appearance.numbers.items():
                    yield Number(study, contrast, measure, source, person, value)
    couples = ((REAL, combinations(real.items(), 2)), (PHANTOM, product(phantoms.items(), real.items())))
    for source, pairs in couples:
        for (first, left), (second, right) in pairs:
            for contrast in (name for name in left if name in right):
                distance = histogram_distance(left[contrast].intensities, right[contrast].intensities)
                yield Number(study, contrast, HISTOGRAM_DISTANCE, source, f"{first}, {second}", distance)
