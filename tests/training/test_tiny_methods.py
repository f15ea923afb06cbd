"""What the methods of three dimensions need of training: several optimizers, averaged weights, patches, processes."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import monai.bundle
import pytest
import torch

from ..harmonize.bids_study import ENVIRONMENT, command_line
from ..harmonize.tiny_subjects import BUNDLE
from .training_state import equal, state, stop_after_the_first_epoch

HERE = Path(__file__).parent


def arguments(output: Path, method: str, *overlays: Path, **overrides: Any) -> dict[str, Any]:
    configs = BUNDLE / "configs"
    files = [
        configs / "train.json",
        configs / "train_scans.json",
        HERE / "tiny_patches.json",
        HERE / f"tiny_{method}.json",
        *overlays,
    ]
    given = {"config_file": [str(file) for file in files], "bundle_root": str(BUNDLE), "output_dir": str(output)}
    return {**given, **overrides}


def train(output: Path, method: str, **overrides: Any) -> Path:
    monai.bundle.run(**arguments(output, method, **overrides))
    return output


@pytest.mark.parametrize("method", ["game", "diffusion"])
def test_an_interrupted_training_goes_on_exactly(method, tmp_path, monkeypatch):
    whole = train(tmp_path / "whole", method)
    with monkeypatch.context() as patch:
        stop_after_the_first_epoch(patch)
        with pytest.raises(RuntimeError):
            train(tmp_path / "parts", method)
    first = state(tmp_path / "parts")
    assert first["epoch"] == 1
    parts = train(tmp_path / "parts", method)
    assert equal(state(parts), state(whole))
    assert not equal(first["parts"], state(whole)["parts"])
    assert (parts / "witness" / "rank-0.txt").read_text() == (whole / "witness" / "rank-0.txt").read_text()


def test_what_ships_is_the_average(tmp_path):
    output = train(tmp_path, "diffusion", **{"checkpoints#evaluator": None})
    shipped, parts = torch.load(output / "diffusion.pt", weights_only=True), state(output)["parts"]
    assert all(torch.equal(parts["average"][f"module.{name}"], value) for name, value in shipped.items())
    assert not any(torch.equal(parts["stage"][f"network.{name}"], value) for name, value in shipped.items())
    assert parts["average"]["n_averaged"] == 4


def test_processes_agree_about_every_player_and_the_average(tmp_path):
    given = arguments(tmp_path, "game", BUNDLE / "configs" / "multi_gpu_train.json", epochs=1)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command = [*launcher, "-m", "monai.bundle", "run", *command_line(given)]
    result = subprocess.run(command, cwd=BUNDLE, env=ENVIRONMENT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    first, second = ((tmp_path / "witness" / f"rank-{rank}.txt").read_text() for rank in (0, 1))
    assert first == second
    alone = train(tmp_path / "alone", "game", epochs=1)
    assert (alone / "witness" / "rank-0.txt").read_text() != first
