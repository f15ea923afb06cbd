"""Training data of a user's own cohort."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..base.errors import InputError, find_cause
from ..base.seeds import derive_seed
from ..images.grid import GRID_SHAPE
from ..images.sources import read_sources
from .slice_stream import UNKNOWN, Scan, ScanSlices, SliceStream
from .visits import Visit

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class CohortSlices(SliceStream):
    """Slices of a cohort's visits, whose images lie in MNI152 space and are brought onto the working grid.

    `mask` is the foreground of any contrast. Every round comes in an order of its own. A visit whose images turn out to
    be unusable is left out, with a warning.
    """

    visits: Sequence[Visit]
    preprocessing: Callable[[dict[str, Any]], dict[str, Any]]
    """As at inference: of `image` (4, X, Y, Z) and `available` (4,)."""
    foreground_threshold: float = 1e-2

    def __post_init__(self) -> None:
        """Refuse what cannot be trained on, and say what the cohort is too small for."""
        super().__post_init__()
        if self.field_of_view < max(GRID_SHAPE):
            raise InputError(f"`field_of_view` must be at least {max(GRID_SHAPE)}, got {self.field_of_view}")
        if not self.visits:
            raise InputError("a cohort to train on must have at least one visit, it has none")
        missing = [path for visit in self.visits for path in visit.sources.values() if not path.is_file()]
        if missing:
            raise InputError(
                f"images to train on must be files, but {len(missing)} are not, the first being {missing[0]}"
            )
        self.refused: dict[str, str] = {}
        sites = {visit.site for visit in self.visits}
        if len(sites) == 1:
            logger.warning("every visit is of the site `%s`: sites cannot be compared", *sites)
        single = sum(len(visit.sources) == 1 for visit in self.visits)
        if single:
            logger.warning(
                "%d of %d visits have a single contrast: they take no part in the contrastive loss",
                single,
                len(self.visits),
            )

    def people(self, epoch: int, round: int) -> Iterator[Iterator[ScanSlices]]:
        """Each visit on its own, the round's order being drawn."""
        seed = derive_seed(self.seed, "epoch", epoch, round)
        for index in np.random.default_rng(seed).permutation(len(self.visits)):
            visit = self.visits[index]
            yield self._scan(visit, derive_seed(seed, visit.name))

    def _scan(self, visit: Visit, seed: int) -> Iterator[ScanSlices]:
        if visit.name in self.refused:
            return
        try:
            slices = self.cut(self._read(visit, seed))
        except Exception as error:
            refusal = find_cause(error, InputError)
            if refusal is None:
                raise
            self._leave_out(visit, str(refusal))
            return
        yield slices

    def _read(self, visit: Visit, seed: int) -> Scan:
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
        )

    def _leave_out(self, visit: Visit, reason: str) -> None:
        logger.warning("%s is left out: %s", visit.name, reason)
        self.refused[visit.name] = reason
        if len(self.refused) == len(self.visits):
            raise InputError(f"a cohort to train on must have usable visits, but of {visit.name}, as of all: {reason}")
