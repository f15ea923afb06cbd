"""Batches of slices from a library of people, numbered from the first step of a training to its last."""

from collections.abc import Iterator
from typing import Any

from torch.utils.data import get_worker_info

from ..base.arguments import check_whole
from ..sampler.slice_sampler import SliceSampler
from .epochs import EpochDataset


class SliceBatches(EpochDataset):
    """Whole batches of a `sampler`, `steps` of them in an epoch.

    A batch depends on the sampler's seed and the number of its step alone. Of several processes, each has steps of its
    own: with P of them, process p has p, P + p, 2 P + p and so on. Workers take turns, so their number does not matter.
    What the sampler draws comes with the names of the people, `subject`, and of their `scanner`.
    """

    def __init__(self, sampler: SliceSampler, steps: int) -> None:
        check_whole("steps", steps)
        self.sampler = sampler
        self.steps = steps
        super().__init__()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """This worker's batches of the epoch."""
        worker = get_worker_info()
        number, total = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for index in range(number, self.steps, total):
            step = ((self.epoch - 1) * self.steps + index) * self.processes + self.process
            yield self._batch(step)

    def _batch(self, step: int) -> dict[str, Any]:
        batch = self.sampler.render(self.sampler.draw(step))
        return {
            **batch,
            "available": batch["available"].float(),
            "subject": [f"person {number}" for number in batch["person"].tolist()],
            "scanner": [f"scanner {number}" for number in batch["scanner"][:, 0].tolist()],
        }
