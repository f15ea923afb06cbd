"""Batches of training, epoch by epoch."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch.distributed as dist
from ignite.engine import Engine, Events
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from ..base.arguments import check_whole
from ..base.errors import InputError


class EpochDataset(IterableDataset[dict[str, Any]]):
    """Data whose samples depend on the epoch."""

    def __init__(self) -> None:
        self.set_epoch(1)

    def set_epoch(self, epoch: int, process: int = 0, processes: int = 1) -> None:
        """Choose the epoch that iterating gives, counted from 1, and this process's share of it."""
        self.epoch, self.process, self.processes = epoch, process, processes

    def warn_of_batches(self, size: int, share: float = 1.0) -> None:
        """Say so where batches of this size, of whose samples these are a share, are not as mixed as they should be."""


class NumberedBatches(EpochDataset, ABC):
    """`steps` whole batches an epoch, each of which depends on its number alone, counted from a training's first step.

    Of several processes, each has steps of its own: with P of them, process p has p, P + p, 2 P + p and so on. Workers
    take turns, so their number does not matter.
    """

    def __init__(self, steps: int) -> None:
        check_whole("steps", steps)
        self.steps = steps
        super().__init__()

    @abstractmethod
    def make_batch(self, number: int) -> dict[str, Any]:
        """The batch of a number."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """This worker's batches of the epoch."""
        worker = get_worker_info()
        first, workers = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for index in range(first, self.steps, workers):
            yield self.make_batch(((self.epoch - 1) * self.steps + index) * self.processes + self.process)


class EpochLoader:
    """`steps` batches an epoch, which depend on the epoch's number and on nothing that went before.

    So a resumed run meets the batches that it would have met. Workers start anew with every epoch; without any, the
    batches are made between the steps. Attached to an engine, the epoch is the engine's. Of several processes, each
    makes its share. Without a `batch_size`, what the dataset gives are batches already.
    """

    def __init__(self, dataset: EpochDataset, steps: int, batch_size: int | None, workers: int = 0) -> None:
        if steps < 1 or (batch_size is not None and batch_size < 1) or workers < 0:
            raise InputError(
                "`steps` and `batch_size` must be at least 1 and `workers` not negative, "
                f"got {steps}, {batch_size} and {workers}"
            )
        self.dataset = dataset
        self.steps = steps
        self.batch_size = batch_size
        self.workers = workers
        self.epoch = 1

    def attach(self, engine: Engine) -> None:
        """Follow the epochs of an engine, whose data to train on this is."""
        if self.batch_size is not None:
            self.dataset.warn_of_batches(self.batch_size)
        engine.add_event_handler(Events.EPOCH_STARTED, self._follow)

    def _follow(self, engine: Engine) -> None:
        self.epoch = engine.state.epoch

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Any]:
        """The batches of `epoch`."""
        process, processes = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        self.dataset.set_epoch(self.epoch, process, processes)
        loader: DataLoader[Any] = DataLoader(
            self.dataset, self.batch_size, num_workers=self.workers, drop_last=self.batch_size is not None
        )
        return islice(iter(loader), self.steps)
