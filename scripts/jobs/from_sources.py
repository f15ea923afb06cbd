"""The job of one subject, whose images the command line names."""

import re
from dataclasses import dataclass
from typing import Any

from ..base.arguments import as_text, by_contrast
from ..base.errors import InputError
from .jobs import Job, source_paths, to_label
from .wanted import WantedTargets
from .ways import Way


@dataclass(frozen=True)
class OneSubject(Way):
    """One visit by its `sources`; labels that are not given come from the name of the first of them."""

    option = "sources"

    sources: Any = None
    subject: Any = None
    session: Any = None
    scanner: Any = None

    @property
    def is_given(self) -> bool:
        """Whether there are sources."""
        return self.sources is not None

    def jobs(self, wanted: WantedTargets) -> list[Job]:
        """The one job."""
        return [self.job(wanted)]

    def job(self, wanted: WantedTargets) -> Job:
        """The subject's visit with the targets that are `wanted`."""
        paths = source_paths(by_contrast(self.sources, "sources"))
        stem = next(iter(paths.values())).name.split(".nii")[0]
        visit = _entity(stem, "ses-[A-Za-z0-9]+") if self.session is None else self.session
        run = _entity(stem, "run-[0-9]+")
        return Job(
            subject=_subject_of_name(stem) if self.subject is None else to_label(self.subject, "subject", "sub"),
            session=None if visit is None else to_label(visit, "session", "ses"),
            run=None if run is None else int(run.removeprefix("run-")),
            sources=paths,
            targets=wanted.for_all(),
            scanner=None if self.scanner is None else as_text(self.scanner, "scanner"),
        )

    def refuse_beside(self, other: str) -> None:
        """What sources alone leave open, tables and folders tell."""
        if self.subject is not None or self.session is not None:
            got = self.subject or self.session
            raise InputError(f"`subject` and `session` belong to `sources`, got {got!r} beside {other}")
        if self.scanner is not None:
            raise InputError(
                f"`scanner` belongs to `sources`, got {self.scanner!r} beside {other}; there a column or sidecars tell"
            )


def _entity(stem: str, pattern: str) -> str | None:
    match = re.search(f"(?:^|_)({pattern})(?:_|$)", stem)
    return match[1] if match else None


def _subject_of_name(stem: str) -> str:
    letters = re.sub("[^A-Za-z0-9]", "", stem)
    if not letters:
        raise InputError(f"`subject` must be given, since the file name `{stem}` has no letters or digits")
    return to_label(_entity(stem, "sub-[A-Za-z0-9]+") or letters, "subject", "sub")
