"""Single measurements in long form: one row, one number. Every table and figure derives from them."""

import csv
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

# Row names beside those of the methods.
UNHARMONIZED = "unharmonized"
RESCAN = "rescan"
TRUTH = "truth"

# Beginning of the name of a measure that only describes an image to the site probe.
FEATURE = "feature_"


@dataclass(frozen=True)
class Measurement:
    """One number about one image of one method; `region` is empty where the number is about the whole image."""

    method: str
    subject: str
    session: str
    run: int
    contrast: str
    site: str
    scanner: str
    measure: str
    region: str
    value: float


@dataclass(frozen=True)
class PairMeasurement:
    """One number about the images of one subject on two scanners; `tissue` is empty where it is about the whole image.

    A difference is that of the first less the second.
    """

    method: str
    subject: str
    contrast: str
    first: str
    second: str
    measure: str
    tissue: str
    value: float


def write_rows(path: Path, kind: type, rows: Iterable[Any]) -> None:
    """Write rows of the dataclass `kind` as CSV with its field names as header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(kind)])
        writer.writerows(astuple(row) for row in rows)


def read_measurements(path: Path) -> list[Measurement]:
    """Read back what `write_rows` wrote; numbers come back exactly."""
    return [Measurement(**(row | {"run": int(row["run"]), "value": float(row["value"])})) for row in _read(path)]


def read_pair_measurements(path: Path) -> list[PairMeasurement]:
    """The same for pairs."""
    return [PairMeasurement(**(row | {"value": float(row["value"])})) for row in _read(path)]


def _read(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
