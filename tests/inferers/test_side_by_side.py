from threading import Barrier

import pytest
import torch

from scripts.inferers.side_by_side import side_by_side


@pytest.mark.parametrize(("threads", "workers", "expected"), [(5, 3, [1, 2, 2]), (4, 2, [2, 2]), (1, 2, [1, 1])])
def test_all_threads_are_shared_out_and_given_back(threads, workers, expected):
    before, barrier, found = torch.get_num_threads(), Barrier(workers), []

    def work(batch: torch.Tensor) -> None:
        # No worker takes a second batch before all have one.
        barrier.wait(timeout=60)
        found.append(torch.get_num_threads())

    torch.set_num_threads(threads)
    try:
        side_by_side(work, torch.arange(workers).split(1), workers)
        assert (sorted(found), torch.get_num_threads()) == (expected, threads)
    finally:
        torch.set_num_threads(before)
