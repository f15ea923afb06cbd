"""Whole scans of people, from which training data is made."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError

# The tissue of a voxel where nobody knows it.
UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class Scan:
    """One visit of a person: normalized `volumes` (4, X, Y, Z), 0 where a contrast is not `available` (4,).

    `mask` (X, Y, Z) is where a loss counts, `tissues` (X, Y, Z) which tissue a voxel is, 0 outside the brain, all
    UNKNOWN where nobody knows. `about` is what each sample says of the visit: `subject`, `scanner` and `site`. All that
    is drawn for its samples follows from `seed`. `name` tells the visit from all others of its stream.
    """

    volumes: Tensor
    available: Tensor
    mask: Tensor
    tissues: Tensor
    about: dict[str, str]
    seed: int
    name: str = ""

    def only(self, contrasts: Collection[str]) -> "Scan":
        """The same visit without the others."""
        kept = torch.tensor([float(contrast in contrasts) for contrast in CONTRASTS])
        return replace(self, volumes=self.volumes * kept[:, None, None, None], available=self.available * kept)


class Place(NamedTuple):
    """Where a scan was acquired."""

    site: str
    scanner: str


class ScanStream(ABC):
    """People and their scans, without end: `people` gives those of any round of any epoch.

    It knows nothing of what becomes of the scans: `SliceStream`, `PatchStream` and `VolumeStream` make samples of them.
    """

    shape: ClassVar[Sequence[int] | None] = None
    """Of every scan, where that is known before one was made."""
    seed: int
    traveling: bool = False
    """Whether the visits of a person show the same on several scanners, so that one is the truth of another."""

    @property
    @abstractmethod
    def visits_per_person(self) -> int:
        """How many scans a person has, at most."""

    @abstractmethod
    def people(self, epoch: int, round: int) -> Iterator[Iterator[Scan]]:
        """The scans of each person; they are made when they are iterated over."""

    @abstractmethod
    def places(self) -> list[Place]:
        """Every pair of site and scanner that scans can be of, in alphabetical order."""

    def labels(self, field: str) -> list[str]:
        """Every `site`, or every `scanner`, that scans can be of, in alphabetical order."""
        check_label_field(field)
        return sorted({getattr(place, field) for place in self.places()})

    def leave_out(self, scan: Scan, error: InputError) -> None:
        """Take note that a scan cannot be used; where that must not happen, raise the error."""
        raise error


def check_label_field(field: str) -> None:
    """Refuse what does not name a place of acquisition."""
    if field not in ("site", "scanner"):
        raise InputError(f"`field` must be site or scanner, got {field}")
