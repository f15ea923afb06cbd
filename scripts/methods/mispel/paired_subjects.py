"""Who of a cohort was scanned on every one of several scanners, and which of them training does not see."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...base.errors import InputError
from ...jobs.selection import chosen_labels
from ...training.visits import Visit


@dataclass(frozen=True)
class PairedSubject:
    """One person's images of one contrast by scanner, in the order of the scanners."""

    name: str
    images: Mapping[str, Path]


@dataclass(frozen=True)
class PairedCohort:
    """The subjects of `visits`, each of whom has one image of `contrast` from each of `scanners`.

    Those that are `held_out` are for validation alone. Images of other scanners are not used.
    """

    visits: Sequence[Visit]
    scanners: Sequence[str]
    held_out: Any
    contrast: str = "t1w"

    def __post_init__(self) -> None:
        """Refuse a cohort that is not paired, and one of which nobody is left to train on."""
        if self.held_out is None:
            raise InputError("`held_out` must name the subjects that training does not see, such as --held_out 03")
        if len(self.scanners) < 2:
            raise InputError(
                f"a paired cohort must have at least 2 scanners, got {', '.join(self.scanners) or 'none'}; scanners "
                "are told apart by `StationName` in the sidecars or the column `scanner` of the cohort file"
            )
        held_out = self._held_out()
        if held_out == {subject.name for subject in self.subjects}:
            raise InputError(f"`held_out` must leave subjects to train on, got all: {', '.join(sorted(held_out))}")

    @property
    def subjects(self) -> list[PairedSubject]:
        """All of them, in order of appearance."""
        found: dict[str, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
        for visit in self.visits:
            if self.contrast in visit.sources:
                found[visit.subject][visit.scanner].append(visit.sources[self.contrast])
        if not found:
            raise InputError(f"a paired cohort must have images of `{self.contrast}`, it has none")
        return [PairedSubject(name, self._paired(name, images)) for name, images in found.items()]

    @property
    def train(self) -> list[PairedSubject]:
        """Whom to train on."""
        held_out = self._held_out()
        return [subject for subject in self.subjects if subject.name not in held_out]

    @property
    def validate(self) -> list[PairedSubject]:
        """Who is held out."""
        held_out = self._held_out()
        return [subject for subject in self.subjects if subject.name in held_out]

    def _held_out(self) -> set[str]:
        return chosen_labels(self.held_out, "held_out", "sub", [subject.name for subject in self.subjects])

    def _paired(self, name: str, images: Mapping[str, Sequence[Path]]) -> dict[str, Path]:
        missing = [scanner for scanner in self.scanners if not images.get(scanner)]
        if missing:
            raise InputError(
                f"a paired cohort must have every subject on each of the scanners {', '.join(self.scanners)}, but "
                f"{name} has no {self.contrast} image of {', '.join(missing)}"
            )
        several = [scanner for scanner in self.scanners if len(images[scanner]) > 1]
        if several:
            files = ", ".join(map(str, images[several[0]]))
            raise InputError(f"{name} must have one {self.contrast} image of {several[0]}, got {files}")
        return {scanner: images[scanner][0] for scanner in self.scanners}
