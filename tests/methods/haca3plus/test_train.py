"""Training by its config: a library of small people, a narrow network."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import monai.bundle
import pytest
import torch

from scripts.base.errors import InputError, find_cause
from scripts.base.weights import file_sha256
from scripts.sampler.map_library import INDEX, MapLibrary, person_file
from scripts.sampler.plan import SliceLaw
from scripts.sampler.slice_sampler import SliceSampler
from scripts.training.epochs import EpochLoader
from scripts.training.slice_batches import SliceBatches

from ...harmonize.tiny_subjects import BUNDLE
from ...sampler.small_library import small_maker
from ...training.training_state import equal, state, stop_after_the_first_epoch

TINY: dict[str, Any] = {
    "network_def#code#theta": 4,
    "network_def#anatomy#widths": [6, 8],
    "network_def#decoder_widths": [6, 8],
    "network_def#identity_widths": [6, 8],
    "network_def#artifact_widths": [4, 6],
    "network_def#condition": 8,
    "scanner_law#pool": 4,
    "validate#sampler#scanners#pool": 4,
    "validate#sampler#slices#window": [48, 48],
    "validate#sampler#batch": 8,
    "validate#steps": 1,
    "validate#key_metric#psnr#least_pixels": 20,
    "window": 48,
    "epochs": 2,
    "steps": 2,
    "batch_size": 2,
    "rising_steps": 2,
    "precision": "fp32",
    "device": "cpu",
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(small_maker(tmp_path_factory.mktemp("library")).run())


def train(library: Path, output: Path, **overrides: Any) -> Path:
    given = {"bundle_root": str(BUNDLE), "dataset_dir": str(library), "output_dir": str(output), **TINY, **overrides}
    given = {"initial_weights": "", **given}
    monai.bundle.run(config_file=str(BUNDLE / "configs" / "train.json"), **given)
    return output


@pytest.fixture(scope="module")
def trained(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(library, tmp_path_factory.mktemp("trained"))


def test_the_average_ships_with_all_that_it_was_made_from(library, trained):
    told = json.loads((trained / "training.json").read_text())
    assert told["sha256"] == {"model.pt": file_sha256(trained / "model.pt")}
    assert told["config"]["library_plan"] == MapLibrary(library).plan
    assert told["config"]["batch_size"] == 2
    assert {"other_t1w_network_psnr", "own_flair_matched_ssim", "psnr"} <= told["metrics"].keys()
    of_others = [told["metrics"][f"other_{contrast}_network_psnr"] for contrast in ("t1w", "t2w", "pd", "flair")]
    assert told["metrics"]["psnr"] == pytest.approx(sum(of_others) / 4)
    found = state(trained)
    assert found["iteration"] == 4
    learned = {name.removeprefix("network."): value for name, value in found["parts"]["stage"].items()}
    average = torch.load(trained / "model.pt", weights_only=True)
    assert average.keys() == learned.keys()
    assert not equal(average, learned)
    assert sorted(path.name for path in (trained / "pictures").iterdir()) == ["epoch-0001.png", "epoch-0002.png"]


def test_a_training_that_was_interrupted_ends_with_the_same_weights(library, trained, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop_after_the_first_epoch(patch)
        with pytest.raises(RuntimeError):
            train(library, tmp_path)
    assert state(tmp_path)["iteration"] == 2
    train(library, tmp_path)
    assert equal(state(tmp_path), state(trained))


def test_the_rate_rises_stays_and_falls(library, trained):
    scheduler = state(trained)["parts"]["scheduler"]
    assert scheduler["last_epoch"] == 4
    # Of four steps the last one falls, after which the rate is 0.
    assert scheduler["_last_lr"] == [pytest.approx(0.0)]


def test_it_starts_from_weights(library, trained, tmp_path):
    tuned = train(library, tmp_path, epochs=1, learning_rate=1e-12, initial_weights=str(trained / "model.pt"))
    before, after = (torch.load(folder / "model.pt", weights_only=True) for folder in (trained, tuned))
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, rtol=0, atol=1e-9)


def refusal(library: Path, output: Path) -> str:
    with pytest.raises(RuntimeError) as caught:
        train(library, output)
    cause = find_cause(caught.value, InputError)
    assert cause is not None
    return str(cause)


def test_a_library_that_is_missing_or_not_whole_is_refused(library, tmp_path):
    assert f"{tmp_path / 'none'} must hold a map library" in refusal(tmp_path / "none", tmp_path / "out")
    other = shutil.copytree(library, tmp_path / "library")
    path = other / person_file(2)
    path.write_bytes(path.read_bytes()[:-50])
    assert f"{person_file(2)} must have" in refusal(other, tmp_path / "out")
    path.unlink()
    assert "must hold 5 people, got 4" in refusal(other, tmp_path / "out")
    (other / INDEX).unlink()
    assert f"must be a whole map library, but {INDEX} is missing" in refusal(other, tmp_path / "out")
    assert not (tmp_path / "out" / "training.json").exists()


def batches(library: Path, monkeypatch: pytest.MonkeyPatch, process: int, processes: int, **options: int) -> list[Any]:
    sampler = SliceSampler(MapLibrary(library), batch=2, slices=SliceLaw(window=(32, 32)))
    loader = EpochLoader(SliceBatches(sampler, 2), 2, None, **options)
    loader.epoch = 3
    group = SimpleNamespace(is_initialized=lambda: True, get_rank=lambda: process, get_world_size=lambda: processes)
    monkeypatch.setattr("scripts.training.epochs.dist", group)
    return list(loader)


def test_each_process_has_steps_of_its_own(library, monkeypatch):
    scanners = [
        [batch["scanner"] for batch in batches(library, monkeypatch, process, processes)]
        for process, processes in ((0, 2), (1, 2), (0, 1))
    ]
    # Scanners are numbered through: 4 in each step of 2 samples. Two epochs of 2 steps went before.
    assert scanners == [
        [[f"scanner {4 * step + place}" for place in (0, 1)] for step in steps] for steps in ([8, 10], [9, 11], [4, 5])
    ]


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Workers have one thread each, and sums over several are rounded in another way."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_workers_change_nothing(library, monkeypatch, one_thread):
    alone, helped = (batches(library, monkeypatch, 0, 1, workers=workers) for workers in (0, 2))
    assert equal(alone, helped)
