"""The leader and one that serves, as two processes that gloo connects."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch.distributed as dist
import torch.multiprocessing as mp

from scripts.base.rank_pool import RankPool


def square(number: int) -> int:
    if number == 99:
        raise ValueError("99 is too much")
    return number**2


def part(rank: int, file: str, results: Any) -> None:
    """One pool whose work succeeds, and after it one whose work does not."""
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    for numbers in ([1, 2, 3, 4, 5], [1, 99]):
        pool = RankPool()
        if rank == 0:
            try:
                with pool:
                    results.put([pool.map(square, numbers, "square"), pool.map(str, numbers[:1], "write")])
            except ValueError as error:
                results.put(str(error))
        else:
            pool.serve()
    dist.destroy_process_group()


def test_results_come_in_order_and_errors_end_both(tmp_path: Path) -> None:
    results = mp.get_context("spawn").SimpleQueue()
    start: Callable[..., Any] = mp.spawn
    start(part, (str(tmp_path / "meet"), results), nprocs=2)
    assert results.get() == [[1, 4, 9, 16, 25], ["1"]]
    assert results.get() == "99 is too much"
