"""Samples of several datasets in one stream."""

from collections.abc import Callable, Iterator, Sequence
from math import isfinite
from typing import Any

import numpy as np

from ..base.errors import InputError
from ..base.seeds import derive_seed
from .epochs import EpochDataset
from .samples import Sample, SampleStream, share_of_worker


class MixedSamples(EpochDataset):
    """Samples of `datasets`, each drawn with a probability in proportion to its number in `ratio`.

    It ends as soon as the one whose turn it is has no more, so that the ratio holds to the end. `transform` makes of
    each sample what training needs; without it a sample is that already.
    """

    def __init__(
        self,
        datasets: Sequence[SampleStream[Any]],
        ratio: Sequence[float],
        transform: Callable[[Sample], dict[str, Any]] | None = None,
        seed: int = 1,
    ) -> None:
        """Check the arguments."""
        if not datasets:
            raise InputError("`datasets` must have at least one, there is none")
        if len(datasets) != len(ratio):
            raise InputError(
                f"`ratio` must have one number for each of the {len(datasets)} `datasets`, got {list(ratio)}"
            )
        if not all(isfinite(part) and part > 0 for part in ratio):
            raise InputError(f"`ratio` must be numbers above 0, got {list(ratio)}")
        self.datasets = datasets
        self.ratio = ratio
        self.transform = transform
        self.seed = seed
        super().__init__()

    def set_epoch(self, epoch: int, process: int = 0, processes: int = 1) -> None:
        """Choose the epoch that iterating gives, counted from 1, and this process's share of it."""
        super().set_epoch(epoch, process, processes)
        for dataset in self.datasets:
            dataset.set_epoch(epoch, process, processes)

    def warn_of_batches(self, size: int, share: float = 1.0) -> None:
        """Each dataset has its share of a batch."""
        for dataset, part in zip(self.datasets, self.ratio, strict=True):
            dataset.warn_of_batches(size, share * part / sum(self.ratio))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield this worker's samples."""
        share = share_of_worker(self.process, self.processes)
        rng = np.random.default_rng(derive_seed(self.seed, "mixture", self.epoch, *share))
        probabilities = np.array(self.ratio) / sum(self.ratio)
        streams = [iter(dataset) for dataset in self.datasets]
        while True:
            sample = next(streams[rng.choice(len(streams), p=probabilities)], None)
            if sample is None:
                return
            yield sample if self.transform is None else self.transform(sample)
