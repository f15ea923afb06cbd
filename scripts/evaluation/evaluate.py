"""Judge methods on a cohort of traveling subjects: measurements, tables and figures in one folder."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
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
from .measurements import FEATURE, TRUTH, UNHARMONIZED, Measurement, PairMeasurement, write_rows
from .pair_work import PairMeasurer, PairMeasures, TissueMaps, group_pairs
from .plan import Candidate, Plan
from .report import EvaluationReport
from .work import ImageMeasurer, ImageMetric, Scaling, Segmentation, Segmenter, measure_overlap, measure_volumes

TABLES = ("images", "regions", "site_probe", "pairs")
_DEFAULT_TABLES = TABLES[:3]
MARKER = "evaluation.json"


class Evaluation:
    """Compares the outputs of methods with each subject's reference, its first visit's scan, or with each other.

    The rows of every table are the cohort's own images (`unharmonized`), each of `methods` (a name and its folder of
    outputs), and, where visits have a second run, `rescan`: what the same scanner gives twice.

    Args:
        tables: which of `images`, `regions`, `site_probe` and `pairs`, of scanners, are made.
        contrasts: which contrasts are read; `region_contrast` is the one that is segmented.
        scaling: what is done to every image before it is compared, given image and mask.
        image_metrics: functions of image, reference and mask, by name.
        segmenter: function from an image to labels 1 to 9, see `regions.py`.
        volume_methods: functions of volumes (scans, regions), scanners and covariates that harmonize unharmonized
            volumes; each is a row of the region table, unless it refuses them (ComBat needs two scans of a scanner).
        features: function of image and mask that describes an image to the site probe.
        pair_measures: what is measured of pairs of scanners.
        participant_label: the subjects that are judged; None for all.
        report: how tables and figures are made of the measurements.
        pool: what does the work; by default this process.
        batch_size: the most images that one piece of work measures; smaller spreads better over processes.
        affine_tolerance: largest difference, in mm, between affines that count as equal.
    """

    def __init__(
        self,
        cohort_dir: str,
        methods: Mapping[str, str],
        output_dir: str,
        scaling: Scaling,
        image_metrics: Mapping[str, ImageMetric],
        segmenter: Callable[[np.ndarray], np.ndarray],
        volume_methods: Mapping[str, Callable[..., np.ndarray]],
        features: Callable[[np.ndarray, np.ndarray], np.ndarray],
        pair_measures: PairMeasures,
        report: EvaluationReport,
        tables: Sequence[str] = _DEFAULT_TABLES,
        contrasts: Sequence[str] = CONTRASTS,
        participant_label: Any = None,
        region_contrast: str = "t1w",
        pool: WorkerPool | None = None,
        batch_size: int = 16,
        affine_tolerance: float = 1e-3,
    ) -> None:
        self.cohort_dir, self.output_dir = Path(str(cohort_dir)), Path(str(output_dir))
        self.methods = {str(name): Path(str(folder)) for name, folder in methods.items()}
        self.scaling, self.image_metrics, self.features = scaling, image_metrics, features
        self.segmenter, self.volume_methods, self.pair_measures = segmenter, volume_methods, pair_measures
        self.participant_label = participant_label
        self.report, self.tables, self.contrasts, self.region_contrast = report, tables, contrasts, region_contrast
        self.pool, self.batch_size, self.affine_tolerance = pool or WorkerPool(1), batch_size, affine_tolerance

    def run(self) -> None:
        """Check everything, measure, and write `output_dir`; nothing is left of a run that fails."""
        plan = self._checked_plan()
        with whole_folder(self.output_dir, MARKER, "evaluation") as folder, self.pool as pool:
            comparisons = plan.comparisons(self.batch_size)
            pool.map(VoxelCheck(self.scaling), comparisons, "check batches of images")
            write_json(folder / MARKER, self._settings())
            if {"images", "site_probe"} & set(self.tables):
                self._measure_images(plan, pool, folder)
            if "regions" in self.tables:
                self._measure_regions(plan, pool, folder)
            if "pairs" in self.tables:
                self._measure_pairs(plan, pool, folder)
            self.report.write(folder, self.tables)
            draw_examples(plan.example(), self.scaling, folder / "figures" / "examples.png", self.report.dpi)

    def _checked_plan(self) -> Plan:
        check_choice("tables", self.tables, TABLES)
        check_choice("contrasts", self.contrasts)
        if "regions" in self.tables:
            check_choice("region_contrast", [self.region_contrast], self.contrasts)
        check_methods(self.methods, self.volume_methods)
        images = read_cohort(self.cohort_dir, self.contrasts)
        chosen = chosen_labels(self.participant_label, "participant_label", "sub", [image.subject for image in images])
        # Similarity is measured to the reference as it was acquired, so that methods may leave its scanner alone.
        of_references = set(self.tables) != {"images"}
        plan = Plan(
            self.cohort_dir, [image for image in images if image.subject in chosen], self.methods, of_references
        )
        if "site_probe" in self.tables:
            self._check_sites(plan)
        truths = {truth: scan.path for truth, scan in self._truths(plan).items()} if "regions" in self.tables else {}
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
        scans = [i for (_, contrast), i in plan.references.items() if contrast == self.region_contrast]
        files = [(plan.truth(scan.subject, "desc-regions_dseg"), scan) for scan in scans]
        return {path: Candidate(TRUTH, scan, scan.path) for path, scan in files if path is not None}

    def _measure_images(self, plan: Plan, pool: WorkerPool, folder: Path) -> None:
        metrics = self.image_metrics if "images" in self.tables else {}
        features = self.features if "site_probe" in self.tables else None
        measurer = ImageMeasurer(self.scaling, metrics, features)
        batches = pool.map(measurer, plan.comparisons(self.batch_size), "measure batches of images")
        measurements = [measurement for batch in batches for measurement in batch]
        described = [m for m in measurements if m.measure.startswith(FEATURE)]
        if "images" in self.tables:
            compared = [m for m in measurements if not m.measure.startswith(FEATURE)]
            write_rows(folder / "measurements" / "images.csv", Measurement, compared)
        if "site_probe" in self.tables:
            write_rows(folder / "measurements" / "site_probe.csv", Measurement, described)

    def _measure_regions(self, plan: Plan, pool: WorkerPool, folder: Path) -> None:
        scans = [candidate for candidate in plan.candidates if candidate.image.contrast == self.region_contrast]
        with TemporaryDirectory(dir=folder) as labels:
            jobs = [self._segmentation(scan, plan, Path(labels)) for scan in scans]
            volumes = pool.map(Segmenter(self.segmenter), jobs, "segment images")
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
            maps = TissueMaps(self.pair_measures.tissues, Path(labels))
            pool.map(maps, scans, "segment images")
            batches = pool.map(PairMeasurer(self.scaling, self.pair_measures, maps), pairs, "compare pairs of scanners")
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
        for name, harmonize in self.volume_methods.items():
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
        settings = {name: value for name, value in vars(self).items() if name != "pool"}
        return {
            "GeneratedBy": generated_by("evaluation"),
            "Settings": describe(settings),
            "Versions": {package: version(package) for package in packages},
        }
