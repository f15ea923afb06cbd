"""The processes of one torchrun."""

from typing import TypeVar

from torch import distributed

Item = TypeVar("Item")


def own_rank() -> tuple[int, int]:
    """The number of this process and how many there are; 0 and 1 without torchrun."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def gather(item: Item) -> list[Item]:
    """What each process has, in every one of them; waits for all."""
    items = [item] * own_rank()[1]
    if len(items) > 1:
        distributed.all_gather_object(items, item)
    return items
