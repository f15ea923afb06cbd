"""Spread independent work over processes, each on one thread, with a progress line on stderr."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import connection, get_context, parent_process
from threading import Thread
from types import TracebackType
from typing import TypeVar

import torch
from monai.utils import optional_import

from .errors import InputError
from .progress import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkerPool:
    """`workers` processes that live as long as the `with` block; a single worker is this process itself.

    Processes are spawned, not forked, so that it is safe after torch has started threads. What is mapped must therefore
    be picklable: a function or an object of an importable module.
    """

    def __init__(self, workers: int) -> None:
        if not isinstance(workers, int) or workers < 1:
            raise InputError(f"`workers` must be a whole number of at least 1, got {workers}")
        self.workers = workers
        self.executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> "WorkerPool":
        if self.workers > 1:
            self.executor = ProcessPoolExecutor(self.workers, get_context("spawn"), initializer=_start_worker)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.executor is not None:
            self.executor.shutdown(cancel_futures=True)

    def map(self, function: Callable[[Item], Result], items: Sequence[Item], label: str) -> list[Result]:
        """Apply `function` to every item, in order; the first error ends the work and is raised here."""
        results = map(function, items) if self.executor is None else self.executor.map(function, items)
        progress, finished = Progress(label, len(items)), []
        for result in results:
            finished.append(result)
            progress.step()
        return finished


def _start_worker() -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    _use_one_thread()


def _end_with_parent() -> None:
    """A killed parent cannot end its workers, which would wait for work forever, memory and all."""
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def _use_one_thread() -> None:
    torch.set_num_threads(1)
    # Present wherever scikit-learn is; without it no other library here starts threads.
    threadpool_limits, present = optional_import("threadpoolctl", name="threadpool_limits")
    if present:
        threadpool_limits(1)
