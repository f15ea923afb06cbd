"""The QC report of a run: a page for every job, its figures, and a page for the cohort.

Pages stand alone and open from disk. They hold no times, so that the same inputs give the same bytes.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..base.errors import InputError
from ..base.output_folder import describe
from ..base.text_files import write_text
from ..base.weights import file_sha256
from ..base.whole_file import refuse_full_or_read_only, whole_file
from ..harmonize.subjects import Subject
from ..harmonize.targets import PreparedTarget, TargetPreparation
from ..inferers.harmonization import Harmonized
from ..jobs.jobs import Job
from ..jobs.naming import sidecar_path
from ..jobs.targets import NamedTargets
from .codes import Codes, read_codes
from .cohort import cohort_page
from .figures import thumbnail
from .image_report import ImageReports, Look
from .measures import Segmenter
from .page import SECTIONS, Figures, subject_page
from .slices import encode_png
from .summaries import INDEX, ReportFiles, read_made_from, read_summaries, summarize, write_summaries
from .verdicts import Limits
from .viewer import NiiVue, embed, find_niivue, offered_volumes


@dataclass
class QcReport:
    """Writes the report of each job under `folder`, the output folder, and at the end that of the cohort.

    `targets` are those of the run; `named_targets`, a file, tell which artifact scores are usual. The viewer of a page
    takes at most `viewer_megabytes`, 0 for none. A `segmenter` adds the volumes of brain regions. An image is an
    outlier of its cohort beyond `outlier` robust standard deviations.
    """

    folder: str | Path
    targets: TargetPreparation
    sections: Sequence[str] = SECTIONS
    limits: Mapping[str, Any] = field(default_factory=dict)
    look: Mapping[str, Any] = field(default_factory=dict)
    viewer_megabytes: float = 10.0
    segmenter: Segmenter | None = None
    outlier: float = 3.5
    named_targets: str | NamedTargets | None = None

    def __post_init__(self) -> None:
        unknown = sorted(set(self.sections) - set(SECTIONS))
        if unknown:
            raise InputError(f"`sections` must be among {', '.join(SECTIONS)}, got {unknown}")
        if self.viewer_megabytes < 0:
            raise InputError(f"`viewer_megabytes` must not be negative, got {self.viewer_megabytes}")
        if find_spec("PIL") is None:
            raise InputError("the report needs the package pillow: pip install -r requirements-report.txt")
        self._niivue: NiiVue | None = find_niivue() if self.viewer_megabytes > 0 else None
        limits, look = Limits(**self.limits), Look(**self.look)
        self._images = ImageReports(self.targets, self.named_targets, self.segmenter, limits, look)

    def is_done(self, job: Job, outputs: Sequence[Path]) -> bool:
        """Whether an earlier run left the report of these outputs."""
        files = ReportFiles(Path(str(self.folder)), job)
        return files.page.is_file() and read_made_from(files.summary) == self._hash(_read_sidecars(outputs))

    def read_codes(
        self, subject: Subject, targets: Sequence[PreparedTarget], results: Sequence[Harmonized]
    ) -> list[Codes]:
        """What of the report takes the network."""
        pairs = zip(targets, results, strict=True)
        return [read_codes(self.targets, subject, target, result) for target, result in pairs]

    def write(
        self,
        subject: Subject,
        targets: Sequence[PreparedTarget],
        results: Sequence[Harmonized],
        codes: Sequence[Codes],
        outputs: Sequence[Path],
    ) -> Path:
        """Write the report of one job, whose `outputs` lie on disk with their sidecars; say where."""
        files, sidecars = ReportFiles(Path(str(self.folder)), subject.job), _read_sidecars(outputs)
        images = [
            self._images.make(subject, target, result, own, sidecars[target.contrast])
            for target, result, own in zip(targets, results, codes, strict=True)
        ]
        figures = Figures(lambda name, contrast: files.relative(files.figure(name, contrast)))
        viewer = None
        if self._niivue is not None:
            offered = offered_volumes({image.label: image.comparison for image in images})
            viewer = embed(self._niivue, offered, self.viewer_megabytes * 1e6)
        page = subject_page(subject.job.name, images, self.sections, figures, viewer, INDEX)
        with refuse_full_or_read_only(files.page, "report"):
            for (name, contrast), content in figures.drawn.items():
                write_text(files.figure(name, contrast), content)
            for image in images:
                with whole_file(files.figure("thumbnail", image.contrast, "png")) as partial:
                    partial.write_bytes(encode_png(thumbnail(image.comparison)))
            write_text(files.page, page)
            summaries = [summarize(files, subject, image) for image in images]
            write_summaries(files.summary, self._hash(sidecars), summaries)
        return files.page

    def finish(self) -> None:
        """Write the cohort's page from what all jobs left, those of earlier runs included."""
        index = Path(str(self.folder)) / INDEX
        if summaries := read_summaries(index.parent):
            with refuse_full_or_read_only(index, "report"):
                write_text(index, cohort_page(summaries, self.outlier))

    def _hash(self, sidecars: Mapping[str, Any]) -> str:
        """Of all that decides the report, the package that brings the viewer and the named targets included."""
        names = ("sections", "limits", "look", "viewer_megabytes", "segmenter")
        settings = [describe(getattr(self, name)) for name in names]
        settings.append(self._niivue.package if self._niivue else None)
        # Those that a method knows without a file follow from its weights, which sidecars name.
        named_targets = Path("" if isinstance(self.named_targets, Mapping) else self.named_targets or "")
        settings.append(file_sha256(named_targets) if named_targets.is_file() else None)
        return hashlib.sha256(json.dumps([sidecars, settings], sort_keys=True).encode()).hexdigest()


def _read_sidecars(outputs: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """By the contrast of the target; all outputs of one have the same."""
    sidecars = (json.loads(sidecar_path(path).read_text(encoding="utf-8")) for path in outputs)
    return {sidecar["Target"]["contrast"]: sidecar for sidecar in sidecars}
