"""Judge methods on a cohort of traveling subjects: measurements, tables and figures in one folder."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..base.output_folder import describe, generated_by, whole_folder
from ..base.regions import REGIONS
from ..base.text_files import write_json
from ..base.worker_pool import WorkerPool
from ..images.bids_cohort import output_path, read_cohort
from ..images.volumes import read_volume
from ..jobs.selection import chosen_labels
from ..metrics.site_probe import learnable_sites
from .checks import VoxelCheck, check_choice, check_headers, check_methods
from .examples import draw_examples
from .measurements import FEATURE, TRUTH, UNHARMONIZED, Measurement, PairMeasurement, read_measurements, write_rows
from .pair_work import PairMeasurer, PairMeasures, TissueMaps, group_pairs
from .plan import Candidate, Plan
from .report import EvaluationReport
from .work import ImageMeasurer, ImageMetric, Scaling, Segmentation, Segmenter, measure_overlap, measure_volumes

TABLES = ("images", "regions", "site_probe", "pairs")
MARKER = "evaluation.json"
IMAGES = Path("measurements") / "images.csv"
TRUTHS = {
    "scan": "the subject's first visit",
    "clean": "what the first visit's scanner would show of it without noise",
}


@dataclass(frozen=True)
class Compared:
    """What is compared: the outputs of `methods` (a name and a folder each) on the cohort in `cohort_dir`.

    `tables` says which of `images`, `regions`, `site_probe` and `pairs`, of scanners, are made; `contrasts` are read,
    and `region_contrast` is segmented. `participant_label` are the subjects that are judged; None for all. `truth` is
    what images should look like: the `scan` of the first visit, or, where a simulated cohort has it, the `clean` image
    that the first scanner would make of the later visit without noise.
    """

    cohort_dir: str
    methods: Mapping[str, str]
    tables: Sequence[str] = TABLES[:3]
    contrasts: Sequence[str] = CONTRASTS
    region_contrast: str = "t1w"
    participant_label: Any = None
    truth: str = "scan"

    @property
    def folders(self) -> dict[str, Path]:
        """The folder of each method."""
        return {str(name): Path(str(folder)) for name, folder in self.methods.items()}


@dataclass(frozen=True)
class Measures:
    """How it is compared, each a function that a config chooses.

    `scaling` is done to every image, given image and mask, before it is compared. `image_metrics` are functions of
    image, reference and mask, by name. `segmenter` makes labels 1 to 9, see `regions.py`, of an image. `volume_methods`
    harmonize unharmonized volumes, given volumes (scans, regions), scanners and covariates; each is a row of the region
    table, unless it refuses them (ComBat needs two scans of a scanner). `features` describes an image, given a mask, to
    the site probe. `pairs` is what is measured of pairs of scanners.
    """

    scaling: Scaling
    image_metrics: Mapping[str, ImageMetric]
    segmenter: Callable[[np.ndarray], np.ndarray]
    volume_methods: Mapping[str, Callable[..., np.ndarray]]
    features: Callable[[np.ndarray, np.ndarray], np.ndarray]
    pairs: PairMeasures


class Evaluation:
    """Compares the outputs of methods with each subject's reference, its first visit's scan, or with each other.

    The rows of every table are the cohort's own images (`unharmonized`), each method, and, where visits have a second
    run, `rescan`: what the same scanner gives twice. `report` makes tables and figures of the measurements. `pool` does
    the work; by default this process. At most `batch_size` images are measured by one piece of work; smaller spreads
    better over processes. Affines that differ by less than `affine_tolerance`, in mm, count as equal.
    """

    def __init__(
        self,
        compared: Compared,
        measures: Measures,
        report: EvaluationReport,
        output_dir: str,
        pool: WorkerPool | None = None,
        batch_size: int = 16,
        affine_tolerance: float = 1e-3,
    ) -> None:
        self.compared, self.measures, self.report = compared, measures, report
        self.output_dir, self.pool = Path(str(output_dir)), pool or WorkerPool(1)
        self.batch_size, self.affine_tolerance = batch_size, affine_tolerance

    def run(self) -> None:
        """Check everything, measure, and write `output_dir`; nothing is left of a run that fails."""
        plan = self._checked_plan()
        with whole_folder(self.output_dir, MARKER, "evaluation") as folder, self.pool as pool:
            comparisons = plan.comparisons(self.batch_size)
            pool.map(VoxelCheck(self.measures.scaling), comparisons, "check batches of images")
            write_json(folder / MARKER, self._settings())
            if {"images", "site_probe"} & set(self.compared.tables):
                self._measure_images(plan, pool, folder)
            if "regions" in self.compared.tables:
                self._measure_regions(plan, pool, folder)
            if "pairs" in self.compared.tables:
                self._measure_pairs(plan, pool, folder)
            self.report.write(folder, self.compared.tables, TRUTHS[self.compared.truth])
            example = plan.example(_most_different(folder / IMAGES))
            draw_examples(example, self.measures.scaling, folder / "figures" / "examples.png", self.report.dpi)

    def _checked_plan(self) -> Plan:
        check_choice("tables", self.compared.tables, TABLES)
        check_choice("contrasts", self.compared.contrasts)
        check_choice("truth", [self.compared.truth], TRUTHS)
        if "regions" in self.compared.tables:
            check_choice("region_contrast", [self.compared.region_contrast], self.compared.contrasts)
        check_methods(self.compared.folders, self.measures.volume_methods)
        images = read_cohort(Path(str(self.compared.cohort_dir)), self.compared.contrasts)
        chosen = chosen_labels(
            self.compared.participant_label, "participant_label", "sub", [image.subject for image in images]
        )
        # Similarity is measured to the reference as it was acquired, so that methods may leave its scanner alone.
        of_references = set(self.compared.tables) != {"images"}
        plan = Plan(
            Path(str(self.compared.cohort_dir)),
            [image for image in images if image.subject in chosen],
            self.compared.folders,
            of_references,
            clean=self.compared.truth == "clean",
        )
        if "site_probe" in self.compared.tables:
            self._check_sites(plan)
        truths = (
            {truth: scan.path for truth, scan in self._truths(plan).items()}
            if "regions" in self.compared.tables
            else {}
        )
        check_headers(plan.comparisons(self.batch_size), truths, self.affine_tolerance)
        return plan

    def _check_sites(self, plan: Plan) -> None:
        for contrast in dict.fromkeys(image.contrast for image in plan.acquired.values()):
            images = [image for image in plan.acquired.values() if image.contrast == contrast]
            count = len(learnable_sites([image.site for image in images], [image.subject for image in images]))
            if count < 2:
                raise InputError(
                    "`tables` may hold site_probe only where at least 2 sites were each visited by 2 subjects, "
                    f"got {count} such sites in {contrast}"
                )

    def _truths(self, plan: Plan) -> dict[Path, Candidate]:
        """Each true region map, with the reference scan of the segmented contrast."""
        scans = [i for (_, contrast), i in plan.references.items() if contrast == self.compared.region_contrast]
        files = [(plan.truth(scan.subject, "desc-regions_dseg"), scan) for scan in scans]
        return {path: Candidate(TRUTH, scan, scan.path) for path, scan in files if path is not None}

    def _measure_images(self, plan: Plan, pool: WorkerPool, folder: Path) -> None:
        metrics = self.measures.image_metrics if "images" in self.compared.tables else {}
        features = self.measures.features if "site_probe" in self.compared.tables else None
        measurer = ImageMeasurer(self.measures.scaling, metrics, features)
        batches = pool.map(measurer, plan.comparisons(self.batch_size), "measure batches of images")
        measurements = [measurement for batch in batches for measurement in batch]
        described = [m for m in measurements if m.measure.startswith(FEATURE)]
        if "images" in self.compared.tables:
            compared = [m for m in measurements if not m.measure.startswith(FEATURE)]
            write_rows(folder / IMAGES, Measurement, compared)
        if "site_probe" in self.compared.tables:
            write_rows(folder / "measurements" / "site_probe.csv", Measurement, described)

    def _measure_regions(self, plan: Plan, pool: WorkerPool, folder: Path) -> None:
        scans = [
            candidate for candidate in plan.candidates if candidate.image.contrast == self.compared.region_contrast
        ]
        with TemporaryDirectory(dir=folder) as labels:
            jobs = [self._segmentation(scan, plan, Path(labels)) for scan in scans]
            volumes = pool.map(Segmenter(self.measures.segmenter), jobs, "segment images")
            pairs = [job for job in jobs if job.labels != job.reference_labels]
            overlaps = pool.map(measure_overlap, pairs, "compare regions")
        measurements = [measurement for batch in [*volumes, *overlaps] for measurement in batch]
        measurements += self._harmonize_volumes(measurements)
        for path, scan in self._truths(plan).items():
            voxels, affine = read_volume(path)
            measurements += measure_volumes(scan, voxels.astype(np.uint8), affine, "true_volume")
        write_rows(folder / "measurements" / "regions.csv", Measurement, measurements)

    def _measure_pairs(self, plan: Plan, pool: WorkerPool, folder: Path) -> None:
        pairs = group_pairs(plan.candidates, plan.comparisons(self.batch_size))
        scans = list(dict.fromkeys(scan for pair in pairs for scan in (pair.first, pair.second)))
        with TemporaryDirectory(dir=folder) as labels:
            maps = TissueMaps(self.measures.pairs.tissues, Path(labels))
            pool.map(maps, scans, "segment images")
            batches = pool.map(
                PairMeasurer(self.measures.scaling, self.measures.pairs, maps), pairs, "compare pairs of scanners"
            )
        measurements = [measurement for batch in batches for measurement in batch]
        write_rows(folder / "measurements" / "pairs.csv", PairMeasurement, measurements)

    def _segmentation(self, scan: Candidate, plan: Plan, folder: Path) -> Segmentation:
        def labels(candidate: Candidate) -> Path:
            return output_path(folder / candidate.method, candidate.image)

        return Segmentation(scan, labels(scan), labels(plan.initial_scan(scan)))

    def _harmonize_volumes(self, measurements: Sequence[Measurement]) -> list[Measurement]:
        """Volumes of the unharmonized scans after each of `volume_methods`; one that refuses them is left out."""
        volumes = [m for m in measurements if m.method == UNHARMONIZED and m.measure == "volume"]
        scanners = [m.scanner for m in volumes[:: len(REGIONS)]]
        table = np.array([m.value for m in volumes]).reshape(-1, len(REGIONS))
        # A region that no scan has holds nothing to harmonize.
        present = table.any(axis=0)
        results = []
        for name, harmonize in self.measures.volume_methods.items():
            adjusted = table.copy()
            try:
                adjusted[:, present] = harmonize(table[:, present], scanners, None)
            except InputError as error:
                print(f"the row {name} is left out: {error}", file=sys.stderr)
                continue
            pairs = zip(volumes, adjusted.ravel(), strict=True)
            results += [replace(volume, method=name, value=float(value)) for volume, value in pairs]
        return results

    def _settings(self) -> dict[str, Any]:
        """Everything that decides the numbers, for the folder's JSON file."""
        packages = ("monai", "torch", "numpy", "scipy", "scikit-learn")
        settings = {**vars(self.compared), **vars(self.measures), **vars(self)}
        for parts in ("compared", "measures", "pool"):
            settings.pop(parts)
        return {
            "GeneratedBy": generated_by("evaluation"),
            "Settings": describe(settings),
            "Versions": {package: version(package) for package in packages},
        }


def _most_different(images: Path) -> tuple[str, str] | None:
    """The visit, by subject and session, whose images differ most from their truth before they are harmonized."""
    if not images.is_file():
        return None
    values: dict[tuple[str, str], list[float]] = {}
    for m in read_measurements(images):
        if (m.method, m.measure) == (UNHARMONIZED, "psnr"):
            values.setdefault((m.subject, m.session), []).append(m.value)
    return min(values, key=lambda visit: sum(values[visit]) / len(values[visit]), default=None)
