"""A BIDS folder read into a flat list of its anatomical images: what their names and their sidecars say.

    <folder>/sub-01/[ses-02/]anat/sub-01[_ses-02][_acq-...][_ce-...][_run-1]_T1w.nii.gz   and perhaps a JSON sidecar

By BIDS's inheritance a sidecar also holds for the images below it that have its suffix and at least its entities, such
as T1w.json in the folder itself; what lies nearer to the image counts more.
"""

import csv
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from ..base.errors import InputError
from ..base.json_files import read_json

logger = logging.getLogger(__name__)

_STEM = re.compile(r"((?:[a-z]+-[A-Za-z0-9+]+_)*)([A-Za-z0-9]+)")
_EXTENSIONS = (".nii", ".nii.gz")
_NO_VALUE = "n/a"


@dataclass(frozen=True)
class BidsImage:
    """One image; `entities` are in the order of its name, `sidecar` is None where no readable one holds for it."""

    path: Path
    entities: dict[str, str]
    suffix: str
    sidecar: dict[str, Any] | None

    @property
    def subject(self) -> str:
        """The label with its entity, as file names have it."""
        return f"sub-{self.entities['sub']}"

    @property
    def session(self) -> str | None:
        """The label with its entity, if there are sessions."""
        return f"ses-{self.entities['ses']}" if "ses" in self.entities else None

    @property
    def run(self) -> int:
        """The number of the run; 1 where the name has none."""
        run = self.entities.get("run", "1")
        return int(run) if run.isdecimal() else 1

    def first_of(self, fields: Sequence[str]) -> str | None:
        """The first of the sidecar's `fields` that says something."""
        values = ((self.sidecar or {}).get(field) for field in fields)
        texts = (str(value) for value in values if value and isinstance(value, str | int | float))
        # JSON can write half a character, which no file can hold.
        return next((text.encode(errors="replace").decode() for text in texts), None)


def read_bids(folder: Path) -> list[BidsImage]:
    """The images of `sub-*/[ses-*/]anat` in the order of their paths; of misplaced names it is said that they are."""
    sidecars_in = cache(_sidecars_in)
    images = []
    for anat in sorted([*folder.glob("sub-*/anat"), *folder.glob("sub-*/ses-*/anat")]):
        labels = list(anat.relative_to(folder).parts[:-1])
        for path in sorted(path for extension in _EXTENSIONS for path in anat.glob(f"*{extension}")):
            name = _parse(path, *_EXTENSIONS)
            if name is None or name.labels != labels:
                logger.warning("%s is not used: BIDS has no image of this name in this folder", path)
                continue
            images.append(BidsImage(path, name.entities, name.suffix, _inherited(path, name, folder, sidecars_in)))
    return images


def read_participants(folder: Path, column: str) -> dict[str, str]:
    """What `participants.tsv` says in a column, by subject; nothing where it does not."""
    path = folder / "participants.tsv"
    if not path.is_file():
        return {}
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines(), delimiter="\t"))
    except (OSError, ValueError, csv.Error) as error:
        logger.warning("%s is not used, since it cannot be read: %s", path, error)
        return {}
    values = {row.get("participant_id") or "": row.get(column) or _NO_VALUE for row in rows}
    return {subject: value for subject, value in values.items() if value != _NO_VALUE}


class _Name(NamedTuple):
    entities: dict[str, str]
    suffix: str

    @property
    def labels(self) -> list[str]:
        """The folders in which a file of this name lies."""
        return [f"{key}-{self.entities[key]}" for key in ("sub", "ses") if key in self.entities]


class _Sidecar(NamedTuple):
    name: _Name
    fields: dict[str, Any]


def _parse(path: Path, *extensions: str) -> _Name | None:
    stems = [path.name.removesuffix(extension) for extension in extensions if path.name.endswith(extension)]
    match = _STEM.fullmatch(stems[0]) if stems else None
    return match and _Name(dict(pair.split("-") for pair in match[1].split("_")[:-1]), match[2])


def _inherited(
    path: Path, name: _Name, folder: Path, sidecars_in: Callable[[Path], list[_Sidecar]]
) -> dict[str, Any] | None:
    """The fields of all sidecars that hold for an image, those of the nearest standing before the others."""
    holding = [
        sidecar.fields
        for level in accumulate(path.parent.relative_to(folder).parts, Path.joinpath, initial=folder)
        for sidecar in sidecars_in(level)
        if sidecar.name.suffix == name.suffix and sidecar.name.entities.items() <= name.entities.items()
    ]
    return {key: value for fields in holding for key, value in fields.items()} if holding else None


def _sidecars_in(folder: Path) -> list[_Sidecar]:
    """The readable sidecars of one folder, those of more entities last."""
    found = []
    for path in sorted(folder.glob("*.json")):
        name = _parse(path, ".json")
        fields = None if name is None else _fields(path)
        if name is not None and fields is not None:
            found.append(_Sidecar(name, fields))
    return sorted(found, key=lambda sidecar: len(sidecar.name.entities))


def _fields(path: Path) -> dict[str, Any] | None:
    try:
        fields = read_json(path, "sidecar", unique_keys=False)
    except InputError as error:
        logger.warning("%s; it is not used", error)
        return None
    if isinstance(fields, dict):
        return fields
    logger.warning("sidecar %s is not used, since it must hold an object: it holds %.40r", path, fields)
    return None
