"""What a job's report leaves for the cohort's page: a JSON file with one entry for each target."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..base.text_files import write_json
from .names import SUMMARIES


@dataclass(frozen=True)
class Summary:
    """One target of one job; `probe` has the site probe's features before and after, where they were taken.

    `page` and `thumbnail` are addresses relative to the output folder.
    """

    name: str
    subject: str
    contrast: str
    site: str
    scanner: str
    page: str
    thumbnail: str
    random: bool
    values: Mapping[str, float] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    probe: Mapping[str, Sequence[float]] = field(default_factory=dict)
    concerns: Sequence[str] = ()


def write_summaries(path: Path, made_from: str, summaries: Sequence[Summary]) -> None:
    """`made_from` is a hash of all that decides the report."""
    write_json(path, {"MadeFrom": made_from, "Targets": [asdict(summary) for summary in summaries]})


def read_made_from(path: Path) -> str | None:
    """The hash in such a file; None where there is none."""
    content = _read(path)
    return None if content is None else content.get("MadeFrom")


def read_summaries(folder: Path) -> list[Summary]:
    """Those of all reports under an output folder, by name; a file that is damaged is passed over."""
    contents = [_read(path) for path in sorted(folder.glob(SUMMARIES))]
    return [Summary(**entry) for content in contents if content is not None for entry in content["Targets"]]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
