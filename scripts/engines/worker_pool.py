"""Spread independent work over processes, each on one thread, with a progress line on stderr."""

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from types import TracebackType
from typing import TypeVar

import torch
from monai.utils import optional_import

from ..errors import InputError

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
        self.executor = None
        if workers > 1:
            self.executor = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_use_one_thread)

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.executor is not None:
            self.executor.shutdown(cancel_futures=True)

    def map(self, function: Callable[[Item], Result], items: Sequence[Item], label: str) -> list[Result]:
        """Apply `function` to every item, in order; the first error ends the work and is raised here."""
        results = map(function, items) if self.executor is None else self.executor.map(function, items)
        return list(_with_progress(results, len(items), label))


def _use_one_thread() -> None:
    torch.set_num_threads(1)
    # Present wherever scikit-learn is; without it no other library here starts threads.
    threadpool_limits, present = optional_import("threadpoolctl", name="threadpool_limits")
    if present:
        threadpool_limits(1)


def _with_progress(results: Iterable[Result], total: int, label: str) -> Iterable[Result]:
    # A terminal keeps one line; a log gets a line per twentieth of the work.
    end, start = "\r" if sys.stderr.isatty() else "\n", time.monotonic()
    for done, result in enumerate(results, start=1):
        if end == "\r" or done * 20 // total > (done - 1) * 20 // total:
            left = (time.monotonic() - start) / done * (total - done)
            line = f"{label}: {done} of {total}, {left:.0f} s left "
            print(line, end="\n" if done == total else end, file=sys.stderr, flush=True)
        yield result
