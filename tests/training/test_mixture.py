from collections import Counter
from itertools import islice

import monai.data
import pytest
import torch
from torch.utils.data import DataLoader

from scripts.base.errors import InputError
from scripts.methods.haca3.tasks import HarmonizationTaskd
from scripts.training.mixture import MixedSamples
from scripts.training.samples import Sample

from .box_stream import box_stream


def label(sample: Sample) -> str:
    return "_".join(str(sample[key]) for key in ("subject", "orientation", "slice"))


def mixed(ratio=(3, 1), seed: int = 1, rounds: int | None = None, **options) -> MixedSamples:
    parts = [box_stream(name, rounds=rounds, **options) for name in ("phantom", "cohort")]
    return MixedSamples(parts, ratio, label, seed)


def test_parts_come_in_the_ratio():
    shares = Counter(text.split("-")[0] for text in islice(mixed(), 2000))
    # The standard deviation of a share of 3 / 4 in 2000 draws is 0.0097.
    assert shares["phantom"] / 2000 == pytest.approx(0.75, abs=0.03)
    assert shares["cohort"] == 2000 - shares["phantom"]


def test_one_part_alone_is_all_there_is():
    texts = list(MixedSamples([box_stream(rounds=1)], [0.2], label))
    assert len(texts) == len(set(texts)) == 4 * 3 * 2


def test_it_ends_when_it_is_the_turn_of_a_part_that_has_ended():
    parts = [box_stream("short", rounds=1, count=1), box_stream("endless")]
    counts = Counter(text.split("-")[0] for text in MixedSamples(parts, [1, 1], label))
    assert counts["short"] == 6
    assert 0 < counts["endless"] < 60


def test_seed_and_epoch_decide():
    first, again, other = (list(islice(mixed(seed=seed), 50)) for seed in (1, 1, 2))
    assert first == again != other
    dataset = mixed()
    dataset.set_epoch(2)
    later = list(islice(dataset, 50))
    assert all("-2-" in text for text in later)
    assert [text.split("-")[0] for text in later] != [text.split("-")[0] for text in first]


def test_processes_and_workers_share_the_samples():
    found = []
    for process in range(2):
        dataset = MixedSamples([box_stream(rounds=1, count=6)], [1], label)
        dataset.set_epoch(1, process, processes=2)
        found.append([text for batch in DataLoader(dataset, batch_size=4, num_workers=2) for text in batch])
    assert len(found[0]) == len(found[1]) == 3 * 6
    expected = list(MixedSamples([box_stream(rounds=1, count=6)], [1], label))
    assert sorted(found[0] + found[1]) == sorted(expected)


def test_tasks_do_not_depend_on_the_loader():
    """MONAI's loader seeds whatever is random in its workers by their number."""
    task = HarmonizationTaskd(degraded=1.0)
    runs = []
    for workers in (0, 2):
        dataset = MixedSamples([box_stream(rounds=1, field_of_view=16)], [1], task)
        tasks = list(monai.data.DataLoader(dataset, batch_size=1, num_workers=workers))
        runs.append({label(task): task["source"] for task in tasks})
    assert runs[0].keys() == runs[1].keys() and len(runs[0]) == 4 * 3 * 2
    assert all(torch.equal(source, runs[1][name]) for name, source in runs[0].items())


def test_without_a_transform_samples_are_as_they_are():
    sample = next(iter(MixedSamples([box_stream()], [1])))
    assert sample["image"].shape == (4, 8, 8)


def test_each_part_has_its_share_of_a_batch(caplog):
    # 6 samples a person; of 8 samples a batch has 6 of the first part and 2 of the second.
    mixed(buffer_size=12).warn_of_batches(8)
    (record,) = caplog.records
    assert "`buffer_size` 12 is less than the 36 samples of 6 people" in record.getMessage()


@pytest.mark.parametrize(
    ("datasets", "ratio", "words"),
    [
        (0, [], "`datasets` must have at least one, there is none"),
        (2, [1], r"`ratio` must have one number for each of the 2 `datasets`, got \[1\]"),
        (2, [1, 0], r"`ratio` must be numbers above 0, got \[1, 0\]"),
        (1, [float("nan")], r"`ratio` must be numbers above 0, got \[nan\]"),
    ],
)
def test_wrong_arguments_are_refused(datasets, ratio, words):
    with pytest.raises(InputError, match=words):
        MixedSamples([box_stream()] * datasets, ratio, label)
