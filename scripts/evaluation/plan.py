"""What an evaluation compares with what, derived from a cohort and the folders of methods."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..base.errors import InputError
from ..images.bids_cohort import CohortImage, clean_truth_path, output_path, truth_path
from .measurements import RESCAN, UNHARMONIZED, Measurement


@dataclass(frozen=True)
class Candidate:
    """A method's version, at `path`, of the cohort's `image`."""

    method: str
    image: CohortImage
    path: Path

    def measurement(self, measure: str, value: float, region: str = "") -> Measurement:
        """A number about this candidate."""
        image = self.image
        names = (self.method, image.subject, image.session, image.run, image.contrast, image.site, image.scanner)
        return Measurement(*names, measure, region, float(value))


@dataclass(frozen=True)
class Comparison:
    """Candidates and the acquired image they should look like; with no `mask` file, the mask is where that is > 0."""

    reference: Path
    mask: Path | None
    candidates: tuple[Candidate, ...]


class Plan:
    """Every candidate of a cohort and the reference of each; refuses a cohort that leaves a measure undefined.

    Of the references themselves methods have no candidates without `of_references`. With `clean` later visits are
    compared with their clean truth instead of the first scan.
    """

    def __init__(
        self,
        cohort_dir: Path,
        images: list[CohortImage],
        methods: Mapping[str, Path],
        of_references: bool = True,
        clean: bool = False,
    ) -> None:
        self.cohort_dir, self.clean = cohort_dir, clean
        self.acquired = {(i.subject, i.session, i.contrast): i for i in images if i.run == 1}
        self.references = {(i.subject, i.contrast): i for i in images if i.is_reference}
        self._check_visits()
        self.candidates = [Candidate(UNHARMONIZED, image, image.path) for image in self.acquired.values()]
        harmonized = [image for image in self.acquired.values() if of_references or not image.is_reference]
        for name, folder in methods.items():
            self.candidates += [Candidate(name, image, output_path(folder, image)) for image in harmonized]
        self.candidates += [
            Candidate(RESCAN, image, image.path)
            for image in images
            if image.run == 2 and (image.subject, image.session, image.contrast) in self.acquired
        ]
        self._index = {(candidate.method, candidate.image): candidate for candidate in self.candidates}

    def comparisons(self, batch_size: int) -> list[Comparison]:
        """Candidates grouped by their reference, at most `batch_size` in a group so that work can be spread.

        The reference is the subject's first visit or the clean truth; for a rescan it is the scan of the same visit.
        """
        groups: dict[Path, list[Candidate]] = defaultdict(list)
        for candidate in self.candidates:
            groups[self._reference(candidate)].append(candidate)
        return [
            Comparison(
                reference, self.truth(group[0].image.subject, "desc-brain_mask"), tuple(group[i : i + batch_size])
            )
            for reference, group in groups.items()
            for i in range(0, len(group), batch_size)
        ]

    def _reference(self, candidate: Candidate) -> Path:
        image = candidate.image
        if candidate.method == RESCAN:
            return self.acquired[image.subject, image.session, image.contrast].path
        if image.is_reference or not self.clean:
            return self.references[image.subject, image.contrast].path
        path = clean_truth_path(self.cohort_dir, image.subject, image.session, image.contrast)
        if not path.is_file():
            raise InputError(f"`truth` may be clean for a cohort that was simulated with it, but {path} does not exist")
        return path

    def example(self, visit: tuple[str, str] | None = None) -> dict[str, dict[str, Path]]:
        """By contrast: the files of every version of a visit, by subject and session, the reference last.

        Without a `visit` it is the first one that is not a reference.
        """
        first = next(image for image in self.acquired.values() if not image.is_reference)
        subject, session = visit or (first.subject, first.session)
        rows: dict[str, dict[str, Path]] = {}
        for candidate in self.candidates:
            image = candidate.image
            if (image.subject, image.session, image.run) == (subject, session, 1):
                rows.setdefault(image.contrast, {})[candidate.method] = candidate.path
        for contrast, versions in rows.items():
            versions["reference"] = self.references[subject, contrast].path
        return rows

    def truth(self, subject: str, what: str) -> Path | None:
        """A truth file of the cohort, where it has one."""
        path = truth_path(self.cohort_dir, subject, what)
        return path if path.is_file() else None

    def initial_scan(self, candidate: Candidate) -> Candidate:
        """The scan whose segmentation is a candidate's reference: the same method's first; for a rescan, its scan."""
        image = candidate.image
        if candidate.method == RESCAN:
            return self._index[UNHARMONIZED, self.acquired[image.subject, image.session, image.contrast]]
        return self._index[candidate.method, self.references[image.subject, image.contrast]]

    def _check_visits(self) -> None:
        sessions: dict[tuple[str, str], set[str]] = defaultdict(set)
        for subject, session, contrast in self.acquired:
            sessions[subject, contrast].add(session)
        for (subject, contrast), visited in sessions.items():
            if (subject, contrast) not in self.references:
                raise InputError(f"every subject needs a reference, ses-01 run-1, but {subject} has none in {contrast}")
            if len(visited) < 2:
                raise InputError(
                    f"every subject needs at least 2 sessions to be compared (with one, CV is undefined), "
                    f"but {subject} has only {visited.pop()} in {contrast}"
                )
