"""The scans of a user's own cohort."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError, find_cause
from ..base.seeds import derive_seed
from ..images.grid import GRID_SHAPE
from ..images.sources import read_sources
from .scans import UNKNOWN, Place, Scan, ScanStream
from .visits import Visit

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class CohortScans(ScanStream):
    """A cohort's visits, whose images lie in MNI152 space and are brought onto the working grid.

    `mask` is the foreground of any contrast. Every round comes in an order of its own. A visit whose images turn out to
    be unusable is left out, with a warning.
    """

    visits: Sequence[Visit]
    preprocessing: Callable[[dict[str, Any]], dict[str, Any]]
    """As at inference: of `image` (4, X, Y, Z) and `available` (4,)."""
    seed: int = 1
    foreground_threshold: float = 1e-2
    keep: bool = False
    """Read every image once and keep it in half precision, which takes 17 MB for each; workers keep their own."""

    shape: ClassVar[Sequence[int] | None] = GRID_SHAPE

    def __post_init__(self) -> None:
        """Refuse what cannot be trained on, and say what the cohort is too small for."""
        if not self.visits:
            raise InputError("a cohort to train on must have at least one visit, it has none")
        missing = [path for visit in self.visits for path in visit.sources.values() if not path.is_file()]
        if missing:
            raise InputError(
                f"images to train on must be files, but {len(missing)} are not, the first being {missing[0]}"
            )
        self.refused: dict[str, str] = {}
        self.kept: dict[str, Scan] = {}
        sites = {visit.site for visit in self.visits}
        if len(sites) == 1:
            logger.warning("every visit is of the site `%s`: sites cannot be compared", *sites)
        single = sum(len(visit.sources) == 1 for visit in self.visits)
        if single:
            logger.warning(
                "%d of %d visits have a single contrast: no loss can compare their contrasts",
                single,
                len(self.visits),
            )

    @property
    def visits_per_person(self) -> int:
        """One, since each visit comes on its own."""
        return 1

    def places(self) -> list[Place]:
        """Those of the visits."""
        return sorted({Place(visit.site, visit.scanner) for visit in self.visits})

    def people(self, epoch: int, round: int) -> Iterator[Iterator[Scan]]:
        """Each visit on its own, the round's order being drawn."""
        seed = derive_seed(self.seed, "epoch", epoch, round)
        for index in np.random.default_rng(seed).permutation(len(self.visits)):
            visit = self.visits[index]
            yield self._scan(visit, derive_seed(seed, visit.name))

    def leave_out(self, scan: Scan, error: InputError) -> None:
        """Go on without the visit, if there are others."""
        self._leave_out(scan.name, str(error))

    def _scan(self, visit: Visit, seed: int) -> Iterator[Scan]:
        if visit.name in self.refused:
            return
        try:
            scan = self._read(visit, seed)
        except Exception as error:
            refusal = find_cause(error, InputError)
            if refusal is None:
                raise
            self._leave_out(visit.name, str(refusal))
            return
        yield scan

    def _read(self, visit: Visit, seed: int) -> Scan:
        if visit.name in self.kept:
            kept = self.kept[visit.name]
            whole = torch.zeros(len(CONTRASTS), *kept.mask.shape)
            whole[kept.available.bool()] = kept.volumes.float()
            return replace(kept, volumes=whole, seed=seed)
        scan = self._read_files(visit, seed)
        if self.keep:
            self.kept[visit.name] = replace(scan, volumes=scan.volumes[scan.available.bool()].half())
            # The first time as every other one.
            return self._read(visit, seed)
        return scan

    def _read_files(self, visit: Visit, seed: int) -> Scan:
        sources = read_sources(visit.sources)
        data = {"image": torch.from_numpy(sources.stack), "available": torch.from_numpy(sources.available)}
        volumes = self.preprocessing(data)["image"]
        return Scan(
            volumes=volumes,
            available=data["available"].float(),
            mask=(volumes > self.foreground_threshold).any(0),
            tissues=torch.full(volumes.shape[1:], UNKNOWN, dtype=torch.int8),
            about={"subject": visit.subject, "scanner": visit.scanner, "site": visit.site},
            seed=seed,
            name=visit.name,
        )

    def _leave_out(self, name: str, reason: str) -> None:
        logger.warning("%s is left out: %s", name, reason)
        self.refused[name] = reason
        if len(self.refused) == len(self.visits):
            raise InputError(f"a cohort to train on must have usable visits, but of {name}, as of all: {reason}")
