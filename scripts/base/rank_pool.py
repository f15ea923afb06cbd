"""Spread independent work over the processes of one torchrun."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import torch.distributed as dist

from .progress import Progress
from .ranks import gather, own_rank
from .worker_pool import Item, Result, WorkerPool


class RankPool(WorkerPool):
    """The first process leads: it hands out work and does its share; the others `serve` until its `with` block ends.

    What is mapped must be picklable, as with other workers.
    """

    def __init__(self) -> None:
        super().__init__(workers=1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _from_leader(None)

    def map(self, function: Callable[[Item], Result], items: Sequence[Item], label: str) -> list[Result]:
        """Apply `function` to every item, in order; when all have ended, the first error is raised here."""
        _from_leader((function, items))
        shares = gather(_do_share(function, items, label))
        results: list[Any] = [None] * len(items)
        for rank, share in enumerate(shares):
            if isinstance(share, Exception):
                raise share
            results[rank :: len(shares)] = share
        return results

    def serve(self) -> None:
        """Do what the leader hands out."""
        while (work := _from_leader(None)) is not None:
            gather(_do_share(*work))


def _do_share(function: Callable[[Item], Result], items: Sequence[Item], label: str = "") -> list[Result] | Exception:
    """This process's results, or what kept it from them: a process that ended would leave the others waiting."""
    rank, ranks = own_rank()
    share = items[rank::ranks]
    progress, results = Progress(f"{label}, a share of 1 / {ranks}", len(share)) if label else None, []
    try:
        for item in share:
            results.append(function(item))
            if progress is not None:
                progress.step()
    except Exception as error:
        return error
    return results


def _from_leader(work: Any) -> Any:
    """What the first process gives, in every one of them."""
    box = [work]
    dist.broadcast_object_list(box, src=0)
    return box[0]
