"""What all training data has in common: samples of scans in random order, shared out to processes and workers."""

import logging
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count, islice
from math import ceil
from typing import Any, Generic, TypeVar

import numpy as np
from torch.utils.data import get_worker_info

from ..base.arguments import check_whole
from ..base.errors import InputError
from ..base.seeds import derive_seed
from .epochs import EpochDataset
from .scans import Scan, ScanStream

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Prepared = TypeVar("Prepared")
Sample = dict[str, Any]


@dataclass(eq=False)
class SampleStream(EpochDataset, Generic[Prepared]):
    """Samples of the scans of a stream.

    They depend on the settings and the epoch; their order also on the numbers of processes and workers, which share out
    the people. Where people are traveling, each scan comes with the next one of its person, the last with the first: it
    holds the truth. A subclass says what is prepared once of a scan, and which samples are made of that.
    """

    scans: ScanStream
    buffer_size: int = 600
    """Samples leave in random order from a buffer, which mixes people where it holds more than one yields."""
    rounds: int | None = None
    """How often an epoch comes round to everybody; None is endless."""

    def __post_init__(self) -> None:
        """Refuse wrong numbers."""
        check_whole("buffer_size", self.buffer_size)
        if self.rounds is not None:
            check_whole("rounds", self.rounds)
        self.set_epoch(1)

    @property
    @abstractmethod
    def samples_per_scan(self) -> int:
        """How many samples a scan gives, at most."""

    @abstractmethod
    def prepare(self, scan: Scan) -> Prepared:
        """What the samples of a scan need; refuse a scan of which none can be made."""

    @abstractmethod
    def samples(self, visit: Prepared, other: Prepared | None) -> Iterator[Sample]:
        """The samples of a visit; `other` is the visit that holds their truth, if there is any."""

    def warn_of_batches(self, size: int, share: float = 1.0) -> None:
        """Say so where the buffer cannot mix as many people as a batch, of which this is a share, has samples."""
        people = ceil(size * share)
        samples = people * self.scans.visits_per_person * self.samples_per_scan
        if self.buffer_size < samples:
            logger.warning(
                "`buffer_size` %d is less than the %d samples of %d people, as many as a batch has samples: those of a "
                "batch will be of fewer people",
                self.buffer_size,
                samples,
                people,
            )

    def __iter__(self) -> Iterator[Sample]:
        """Yield this worker's samples in random order."""
        number, total = share_of_worker(self.process, self.processes)
        rng = np.random.default_rng(derive_seed(self.scans.seed, "order", self.epoch, number, total))
        return shuffled(self._in_order(number, total), self.buffer_size, rng)

    def _in_order(self, number: int, total: int) -> Iterator[Sample]:
        rounds = count(1) if self.rounds is None else range(1, self.rounds + 1)
        people = (visits for round in rounds for visits in self.scans.people(self.epoch, round))
        for visits in islice(people, number, None, total):
            for visit, other in self._pairs(self._prepared(visits)):
                yield from self.samples(visit, other)

    def _prepared(self, visits: Iterator[Scan]) -> Iterator[Prepared]:
        """Those of the visits that can be used."""
        for scan in visits:
            try:
                prepared = self.prepare(scan)
            except InputError as error:
                self.scans.leave_out(scan, error)
            else:
                yield prepared

    def _pairs(self, visits: Iterator[Prepared]) -> Iterator[tuple[Prepared, Prepared | None]]:
        if not self.scans.traveling:
            yield from ((visit, None) for visit in visits)
            return
        first = current = next(visits, None)
        for following in chain(visits, [first]):
            if current is not None:
                yield current, following
            current = following


def share_of_worker(process: int, processes: int) -> tuple[int, int]:
    """Number of the current worker of a DataLoader among the workers of all processes, and how many those are."""
    worker = get_worker_info()
    number, total = (0, 1) if worker is None else (worker.id, worker.num_workers)
    # People that are left over once all have the same number go to different processes.
    return number * processes + process, total * processes


def shuffled(items: Iterable[Item], size: int, rng: np.random.Generator) -> Iterator[Item]:
    """Pass items through a buffer, each new one taking the place of a random one."""
    buffer: list[Item] = []
    for item in items:
        if len(buffer) < size:
            buffer.append(item)
            continue
        place = int(rng.integers(size))
        yield buffer[place]
        buffer[place] = item
    yield from (buffer[place] for place in rng.permutation(len(buffer)))
