from collections import Counter
from typing import Any

import pytest
import torch
from torch.utils.data import default_collate

from scripts.base.errors import InputError
from scripts.methods.haca3.tasks import Crop, HarmonizationTask, HarmonizationTaskd

from ...training.square_sample import SIZE, square_sample, squares

DRAWS = 2000
# Five standard deviations of a share of 1 / 2.
TOLERANCE = 0.056
PLAIN: dict[str, Any] = {"traveling": 0.0, "degraded": 0.0, "cropped": 0.0}
TRUTH = {"truth": squares((0, 3, 0, 4)), "truth_available": torch.tensor([0.0, 1, 0, 1])}
TRUTH["truth_reference"] = TRUTH["truth"] / 10


def draws(transform: HarmonizationTaskd, number: int = DRAWS, **sample: Any) -> list[HarmonizationTask]:
    return [transform.draw(square_sample(seed, **sample)) for seed in range(number)]


def share(tasks: list[HarmonizationTask], condition) -> float:
    return sum(map(condition, tasks)) / len(tasks)


def test_target_is_any_contrast_and_mostly_missing_from_the_sources():
    tasks = draws(HarmonizationTaskd(**PLAIN, target_dropout=0.8, contrast_dropout=0.4))
    counts = Counter(task.contrast for task in tasks)
    assert [counts[index] / DRAWS for index in range(4)] == pytest.approx([0.25] * 4, abs=TOLERANCE)
    assert share(tasks, lambda t: t.contrast in t.sources) == pytest.approx(0.2, abs=TOLERANCE)
    # With the target's own contrast each of the three others stays with 0.6; without, all are lost with 0.4^3 and then
    # one of them comes back.
    lengths = {with_target: Counter() for with_target in (True, False)}
    for task in tasks:
        lengths[task.contrast in task.sources][len(task.sources) - (task.contrast in task.sources)] += 1
    for with_target, expected in ((True, [0.064, 0.288, 0.432, 0.216]), (False, [0, 0.352, 0.432, 0.216])):
        total = sum(lengths[with_target].values())
        assert [lengths[with_target][n] / total for n in range(4)] == pytest.approx(expected, abs=0.12)
    assert {task.contrast for task in tasks if len(task.sources) == 1 and task.contrast in task.sources} == {0, 1, 2, 3}


def test_the_one_source_that_is_left_is_any_of_the_others():
    tasks = draws(HarmonizationTaskd(**PLAIN, target_dropout=1.0, contrast_dropout=1.0), 600)
    pairs = Counter((task.contrast, *task.sources) for task in tasks)
    assert len(pairs) == 12 and min(pairs.values()) > 20


def test_a_single_contrast_is_its_own_source():
    for task in draws(HarmonizationTaskd(**PLAIN, target_dropout=1.0, contrast_dropout=1.0), 50, levels=(0, 0, 1, 0)):
        assert (task.contrast, task.sources) == (2, (2,))


def test_contrast_that_is_empty_here_is_neither_source_nor_target():
    available = torch.tensor([1.0, 1, 0, 0])
    for task in draws(HarmonizationTaskd(**PLAIN), 50, levels=(1, 0, 0, 0), available=available):
        assert (task.contrast, task.sources) == (0, (0,))


def test_sources_and_target_of_the_same_visit():
    sample = square_sample(levels=(1, 0, 2, 7), slice=100)
    task = HarmonizationTask(3, False, (0, 2), {}, None)
    result = HarmonizationTaskd().apply(sample, task)
    assert torch.equal(result["source"][[0, 2]], sample["image"][[0, 2]]) and not result["source"][[1, 3]].any()
    assert result["available"].tolist() == [1, 0, 1, 0]
    assert torch.equal(result["target"], sample["image"][3:].clamp(max=5))
    assert float(result["target"].max()) == 5
    assert torch.equal(result["reference"], sample["reference"][3:])
    assert torch.equal(result["mask"], sample["mask"])
    assert (int(result["contrast"]), bool(result["from_other_scanner"])) == (3, False)
    assert (result["subject"], result["slice"]) == ("sub-01", 100)


def test_target_of_another_visit_is_one_of_its_contrasts():
    transform = HarmonizationTaskd(traveling=0.5)
    tasks = draws(transform, **TRUTH)
    assert share(tasks, lambda t: t.from_other_scanner) == pytest.approx(0.5, abs=TOLERANCE)
    contrasts = Counter(task.contrast for task in tasks if task.from_other_scanner)
    assert set(contrasts) == {1, 3}
    assert contrasts[1] / contrasts.total() == pytest.approx(0.5, abs=2 * TOLERANCE)
    sample = square_sample(levels=(1, 2, 0, 0), **TRUTH)
    result = transform.apply(sample, HarmonizationTask(3, True, (0, 1), {}, None))
    assert torch.equal(result["target"], TRUTH["truth"][3:])
    assert torch.equal(result["reference"], TRUTH["truth_reference"][3:])
    assert torch.equal(result["source"][:2], sample["image"][:2])
    assert bool(result["from_other_scanner"])


def test_unknown_truth_is_no_target():
    assert not any(task.from_other_scanner for task in draws(HarmonizationTaskd(traveling=1.0), 50))


def test_artifacts_are_in_sources_alone():
    transform = HarmonizationTaskd(
        traveling=0.0, cropped=0.0, degraded=1.0, kinds=["noise", "ghosting"], severity=(0.6, 0.8)
    )
    sample = square_sample()
    task = transform.draw(sample)
    assert set(task.artifacts) == set(task.sources)
    assert all(0.6 <= artifact.severity <= 0.8 for artifact in task.artifacts.values())
    result = transform.apply(sample, task)
    assert torch.equal(result["target"], sample["image"][task.contrast, None])
    for source in task.sources:
        assert not torch.allclose(result["source"][source], sample["image"][source], atol=0.02)
    tasks = draws(HarmonizationTaskd(degraded=0.3), 300)
    kept = sum(len(task.sources) for task in tasks)
    assert sum(len(task.artifacts) for task in tasks) / kept == pytest.approx(0.3, abs=0.08)
    assert len({artifact.kind for task in tasks for artifact in task.artifacts.values()}) > 3


@pytest.mark.parametrize(
    ("axis", "at_end", "rows", "columns"),
    [
        (0, False, slice(12, 24), slice(8, 24)),
        (0, True, slice(8, 20), slice(8, 24)),
        (1, False, slice(8, 24), slice(12, 24)),
        (1, True, slice(8, 24), slice(8, 20)),
    ],
)
def test_crop_takes_its_share_of_what_a_source_shows(axis, at_end, rows, columns):
    task = HarmonizationTask(3, False, (0, 1), {}, Crop(source=1, axis=axis, at_end=at_end, share=0.25))
    result = HarmonizationTaskd().apply(square_sample(), task)
    shown = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    shown[rows, columns] = True
    assert torch.equal(result["source"][1] > 0, shown)
    assert torch.equal(result["source"][0] > 0, result["mask"][0])


def test_powers_are_drawn_around_one_for_each_image_alone():
    tasks = draws(HarmonizationTaskd(**PLAIN, largest_power=2.0))
    powers = [task.target_power for task in tasks]
    assert 0.5 <= min(powers) < 0.55 and 1.8 < max(powers) <= 2
    assert share(tasks, lambda t: t.target_power > 1) == pytest.approx(0.5, abs=TOLERANCE)
    for task in tasks[:20]:
        assert set(task.source_powers) == set(task.sources)
        assert len({task.target_power, *task.source_powers.values()}) == 1 + len(task.sources)
    assert all(task.target_power == 1 for task in draws(HarmonizationTaskd(**PLAIN), 20))


def test_power_bends_the_target_like_its_reference():
    sample = square_sample(levels=(1, 2, 0.5, 0.25))
    result = HarmonizationTaskd().apply(sample, HarmonizationTask(3, False, (1, 2), {}, None, 0.5, {1: 2.0, 2: 1.0}))
    assert torch.equal(result["target"], sample["image"][3:] ** 0.5)
    assert torch.equal(result["reference"], sample["reference"][3:] ** 0.5)
    assert torch.equal(result["source"][1], sample["image"][1] ** 2)
    assert torch.equal(result["source"][2], sample["image"][2])


def test_crops_are_drawn_on_every_side():
    tasks = draws(HarmonizationTaskd(cropped=0.5, crop_share=0.4))
    crops = [task.crop for task in tasks if task.crop is not None]
    assert len(crops) / DRAWS == pytest.approx(0.5, abs=TOLERANCE)
    assert {(crop.axis, crop.at_end) for crop in crops} == {(0, False), (0, True), (1, False), (1, True)}
    assert 0 < min(crop.share for crop in crops) < 0.02 and 0.38 < max(crop.share for crop in crops) < 0.4
    assert all(task.crop.source in task.sources for task in tasks if task.crop is not None)


def test_nothing_is_asked_beyond_the_field_of_view_of_the_target():
    sample = square_sample()
    sample["image"][3, 16:] = 0
    result = HarmonizationTaskd().apply(sample, HarmonizationTask(3, False, (0,), {}, None))
    for key in ("source", "target", "mask"):
        assert not result[key][:, 16:].any() and result[key][0, 8:16, 8:24].all()


def test_sample_is_left_as_it_was():
    sample = square_sample()
    before = {key: value.clone() for key, value in sample.items() if torch.is_tensor(value)}
    HarmonizationTaskd(degraded=1.0, cropped=1.0)(sample)
    assert all(torch.equal(sample[key], value) for key, value in before.items())


def test_seeds_of_transform_and_sample_decide():
    transform = HarmonizationTaskd(seed=3)
    first = [transform.draw(square_sample(seed)) for seed in (1, 2, 1)]
    assert first[0] == first[2] != first[1]
    assert HarmonizationTaskd(seed=3).draw(square_sample(2)) == first[1]
    assert [HarmonizationTaskd(seed=4).draw(square_sample(seed)) for seed in (1, 2, 1)] != first


def test_batches_collate():
    transform = HarmonizationTaskd()
    batch = default_collate([transform(square_sample(seed)) for seed in range(3)])
    assert batch["source"].shape == (3, 4, SIZE, SIZE) and batch["available"].shape == (3, 4)
    assert batch["target"].shape == batch["reference"].shape == batch["mask"].shape == (3, 1, SIZE, SIZE)
    assert batch["contrast"].dtype == torch.int64 and batch["from_other_scanner"].dtype == torch.bool


def test_wrong_arguments_are_refused():
    for name in ("target_dropout", "contrast_dropout", "traveling", "degraded", "cropped", "crop_share"):
        with pytest.raises(InputError, match=f"`{name}` must be between 0 and 1, got 1.5"):
            HarmonizationTaskd(**{name: 1.5})
    with pytest.raises(InputError, match="`largest_power` must be at least 1 and finite, got 0.5"):
        HarmonizationTaskd(largest_power=0.5)
    with pytest.raises(InputError, match="`kinds` must be some of noise"):
        HarmonizationTaskd(kinds=["spike"])
