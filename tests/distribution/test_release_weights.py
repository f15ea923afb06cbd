import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from scripts.base.errors import InputError
from scripts.base.text_files import write_json
from scripts.base.weights import file_sha256, load_weights, save_weights
from scripts.distribution.release_weights import WeightsRelease


def line(weight: float) -> nn.Linear:
    network = nn.Linear(1, 1)
    nn.init.constant_(network.weight, weight)
    return network


@pytest.fixture
def training(tmp_path: Path) -> Path:
    folder = tmp_path / "training"
    sha256 = save_weights(line(1 / 3).state_dict(), folder / "model.pt")
    config = {"bundle_root": "/home/someone", "output_dir": "/home/someone/training", "seed": 1}
    write_json(folder / "training.json", {"sha256": {"model.pt": sha256}, "metrics": {"psnr": 30.0}, "config": config})
    return folder


def release(training: Path, models: Path, **options: Any) -> WeightsRelease:
    words = {"version": "1.2.3", "license": "Apache-2.0", "data": "phantoms", "data_license": "theirs"}
    return WeightsRelease({"model.pt": str(training / "model.pt")}, str(models), **words, **options)


def test_weights_are_in_half_precision(training, tmp_path):
    release(training, tmp_path / "models").run()
    assert torch.load(tmp_path / "models" / "model.pt", weights_only=True)["weight"].dtype == torch.float16
    network = line(0.0)
    load_weights(network, tmp_path / "models" / "model.pt")
    assert network.weight.item() == pytest.approx(1 / 3, rel=1e-3)
    assert network.weight.dtype == torch.float32


def test_the_card_says_how_they_were_made_but_not_where(training, tmp_path):
    release(training, tmp_path / "models").run()
    card = json.loads((tmp_path / "models" / "model.json").read_text())
    entry = card["files"]["model.pt"]
    assert entry["sha256"] == load_weights(line(0.0), tmp_path / "models" / "model.pt")
    assert entry["values"] == 2
    assert entry["training"]["metrics"] == {"psnr": 30.0}
    assert entry["training"]["config"] == {"seed": 1}
    assert list(card["files"]) == ["model.pt"]
    assert (card["bundle_version"], card["license"], card["training_data"]) == ("1.2.3", "Apache-2.0", "phantoms")


def test_weights_get_the_name_that_is_asked_for_and_others_keep_their_entries(training, tmp_path):
    models = tmp_path / "models"
    earlier = release(training, models)
    replace(earlier, trainings={"old.pt": str(training / "model.pt")}).run()
    before = json.loads((models / "model.json").read_text())["files"]
    assert list(before) == ["old.pt"]
    earlier.run()
    after = json.loads((models / "model.json").read_text())["files"]
    assert list(after) == ["model.pt", "old.pt"]
    assert after["old.pt"] == before["old.pt"]
    (models / "old.pt").write_bytes(b"something else")
    with pytest.raises(InputError, match="old.pt must be the file that .*model.json describes"):
        earlier.run()
    (models / "old.pt").unlink()
    earlier.run()
    assert list(json.loads((models / "model.json").read_text())["files"]) == ["model.pt"]


def test_the_card_names_no_folder(training, tmp_path):
    config = {"dataset_dir": "/home/someone/library", "initial_weights": "/home/someone/first/model.pt", "seed": 2}
    sha256 = file_sha256(training / "model.pt")
    write_json(training / "training.json", {"sha256": {"model.pt": sha256}, "config": config})
    release(training, tmp_path / "models").run()
    entry = json.loads((tmp_path / "models" / "model.json").read_text())["files"]["model.pt"]
    assert entry["training"]["config"] == {"initial_weights": "model.pt", "seed": 2}


def test_a_training_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(
        InputError, match="`trainings` must be weights in folders of trainings, .*training.json does not exist"
    ):
        release(tmp_path / "nowhere", tmp_path / "models").run()
    assert not (tmp_path / "models").exists()


def test_weights_of_another_training_are_refused(training, tmp_path):
    save_weights(line(2.0).state_dict(), training / "model.pt")
    with pytest.raises(InputError, match="model.pt must be the file that .* describes"):
        release(training, tmp_path / "models").run()


def test_weights_that_half_precision_does_not_hold_are_refused(training, tmp_path):
    sha256 = save_weights(line(1e6).state_dict(), training / "model.pt")
    write_json(training / "training.json", {"sha256": {"model.pt": sha256}, "config": {}})
    with pytest.raises(InputError, match="model.pt must fit into half precision, weight do not"):
        release(training, tmp_path / "models").run()
    assert not (tmp_path / "models").exists()
