from itertools import chain
from types import SimpleNamespace

import pytest
from ignite.engine import Engine

from scripts.base.errors import InputError
from scripts.training.epochs import EpochLoader
from scripts.training.mixture import MixedSamples

from .box_stream import box_stream


def name(sample) -> str:
    return f"{sample['subject']}_{sample['orientation']}_{sample['slice']}"


def loader(steps: int = 4, workers: int = 0, **options) -> EpochLoader:
    return EpochLoader(MixedSamples([box_stream(**options)], [1], name), steps, batch_size=3, workers=workers)


def names(batches) -> list[str]:
    return list(chain.from_iterable(batches))


@pytest.mark.parametrize("workers", [0, 1])
def test_an_epoch_has_its_batches_whatever_went_before(workers):
    once, again = loader(workers=workers), loader(workers=workers)
    first = names(once)
    once.epoch = 2
    second = names(once)
    again.epoch = 2
    assert names(again) == second
    assert len(first) == len(second) == 12
    assert not set(first) & set(second)


def test_the_epoch_is_the_engines():
    data, seen = loader(), []
    engine = Engine(lambda _, batch: seen.append(batch))
    data.attach(engine)
    engine.run(data, max_epochs=2, epoch_length=len(data))
    expected = loader()
    first = names(expected)
    expected.epoch = 2
    assert names(seen) == first + names(expected)


def test_processes_make_shares_of_their_own(monkeypatch):
    found = []
    for rank in (0, 1):
        group = SimpleNamespace(is_initialized=lambda: True, get_rank=lambda rank=rank: rank, get_world_size=lambda: 2)
        monkeypatch.setattr("scripts.training.epochs.dist", group)
        found.append(set(names(loader(steps=3))))
    assert not found[0] & found[1]


@pytest.mark.parametrize("numbers", [(0, 1, 0), (1, 0, 0), (1, 1, -1)])
def test_wrong_numbers_are_refused(numbers):
    with pytest.raises(InputError, match="`steps` and `batch_size` must be at least 1 and `workers` not negative"):
        EpochLoader(MixedSamples([box_stream()], [1], name), *numbers)
