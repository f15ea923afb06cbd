"""What the experiments have in common: people with two visits, rows that are kept, and a table."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from ..base.errors import InputError
from ..base.output_folder import describe, generated_by, refuse_foreign
from ..base.progress import Progress
from ..base.text_files import write_json, write_text
from ..base.weights import state_sha256
from ..base.whole_file import remove_left_behind, whole_file
from ..evaluation.measurements import write_rows
from ..harmonize.model_weights import ModelWeights
from ..training.phantom_scans import PhantomScans
from ..training.samples import SampleStream
from ..training.scans import Scan

# By this an earlier output is recognised.
MARKER = "experiment.json"

Row = TypeVar("Row")


@dataclass(frozen=True, eq=False, kw_only=True)
class Experiment(ABC, Generic[Row]):
    """Measures `people` one after the other, by what `weights` fills.

    In `output_dir`, `results.csv` has a row for each measurement and `table.md` what they come to. The rows of a person
    are kept there as soon as they are known, so that an interrupted run goes on; they hold for as long as the weights,
    the settings and the person are the same.
    """

    people: PhantomScans
    weights: ModelWeights
    output_dir: str

    name: ClassVar[str]
    row: ClassVar[type[Any]]
    """The dataclass of the rows."""
    contrasts: ClassVar[Sequence[str]] = ()
    """Those that both visits must have."""
    table_settings: ClassVar[Sequence[str]] = ()
    """Those that decide no row."""

    def __post_init__(self) -> None:
        """Refuse people who cannot be measured."""
        for plan in self.people.draw().subjects:
            if len(plan.visits) < 2:
                raise InputError(f"`scanners_per_subject` of people must be at least 2, got {len(plan.visits)}")
            for visit in plan.visits[:2]:
                lacking = [contrast for contrast in self.contrasts if contrast not in visit.contrasts]
                if lacking:
                    needed = ", ".join(self.contrasts)
                    raise InputError(
                        f"`cohort` of people must have {needed} at every visit, {visit.scanner} lacks {lacking}"
                    )

    @abstractmethod
    def measure(self, number: int) -> list[Row]:
        """The rows of a person, counted from 0."""

    @abstractmethod
    def table(self, rows: Sequence[Row]) -> str:
        """Markdown of the rows of all people."""

    def run(self) -> str:
        """Measure whoever is not measured yet, write `output_dir`, and return the table."""
        folder, generator = Path(str(self.output_dir)), f"experiment {self.name}"
        refuse_foreign(folder, MARKER, generator)
        self.weights.load()
        settings = self._settings()
        try:
            write_json(folder / MARKER, {"GeneratedBy": generated_by(generator), "Settings": settings})
        except OSError as error:
            raise InputError(f"`output_dir` must be a folder that can be written, {folder} is not: {error}") from error
        remove_left_behind(folder)
        rows = self._rows(folder / "people", settings)
        with whole_file(folder / "results.csv") as partial:
            write_rows(partial, self.row, rows)
        table = "Meaningless: random weights.\n\n" * self.weights.random + self.table(rows)
        write_text(folder / "table.md", table)
        return table

    def visits(self, number: int) -> tuple[Scan, Scan]:
        """The first two visits of a person, counted from 0; nobody else is rendered."""
        first, second = islice(next(islice(self.people.people(1, 1), number, None)), 2)
        return first, second

    def _rows(self, folder: Path, settings: dict[str, Any]) -> list[Row]:
        """The rows of everybody, in order."""
        keys = {folder / f"{number:04d}.json": key for number, key in enumerate(self._keys(settings))}
        missing = [(number, path) for number, path in enumerate(keys) if _kept_rows(path, keys[path]) is None]
        progress = Progress(f"{self.name}, people", len(missing))
        for number, path in missing:
            rows = [asdict(row) for row in self.measure(number)]  # type: ignore[call-overload]
            write_text(path, json.dumps({"key": keys[path], "rows": rows}))
            progress.step()
        return [self.row(**row) for path, key in keys.items() for row in _kept_rows(path, key) or ()]

    def _settings(self) -> dict[str, Any]:
        """All that decides the rows of a person, but for the person."""
        left_out = {"output_dir", *self.table_settings}
        given = {
            field.name: _of_however_many(getattr(self, field.name))
            for field in fields(self)
            if field.name not in left_out
        }
        given["row"] = [field.name for field in fields(self.row)]
        given["weights"] = [state_sha256(network) for network in self.weights.networks]
        return describe(given)

    def _keys(self, settings: dict[str, Any]) -> list[str]:
        """For each person, what tells whether rows are still theirs."""
        cohort = self.people.draw()
        routes = [[cohort.scanners[visit.scanner] for visit in plan.visits] for plan in cohort.subjects]
        persons = [
            [asdict(plan), list(map(asdict, route))] for plan, route in zip(cohort.subjects, routes, strict=True)
        ]
        return [hashlib.sha256(json.dumps([settings, person]).encode()).hexdigest() for person in persons]


def _of_however_many(setting: Any) -> Any:
    """The same setting without the number of people, which decides no row of theirs."""
    if isinstance(setting, PhantomScans):
        return replace(setting, subjects=None)
    if isinstance(setting, SampleStream):
        return replace(setting, scans=_of_however_many(setting.scans))
    return setting


def _kept_rows(path: Path, key: str) -> list[dict[str, Any]] | None:
    """What an earlier run found for this `key`."""
    kept = json.loads(path.read_text()) if path.exists() else {}
    return kept["rows"] if kept.get("key") == key else None
