"""configs/train_fusion.json from end to end, on people who are boxes of 6 x 8 x 6 voxels."""

from pathlib import Path
from typing import Any

import monai.bundle
import pytest
import torch

from scripts.base.weights import save_weights, seed_weights
from scripts.methods.haca3.fusion_net import PlaneFusionNet

from ...harmonize.tiny_subjects import BUNDLE
from .own_parts import own_haca3_plus

BOXES = {"_target_": "tests.training.test_phantom_scans.BoxPhantom"}


def train(harmonizer: Path, output: Path, **overrides: Any) -> Path:
    tiny: dict[str, Any] = {"network_def#field_of_view": 96, "network_def#target_slices": 4}
    tiny |= {"network_def#encoders#anatomy#base": 1, "network_def#decoder#base": 1}
    tiny |= {"phantom_scans#phantom": BOXES, "validate#scans#phantom": BOXES}
    tiny |= {
        "epochs": 2,
        "people": 2,
        "patches": 2,
        "train#dataset#patch_size": 4,
        "validate#steps": 1,
        "device": "cpu",
        "inferer#workers": 1,
    }
    files = [
        str(BUNDLE / "configs" / name)
        for name in ("train.json", "train_scans.json", "train_haca3.json", "train_fusion.json")
    ]
    given = {"bundle_root": str(BUNDLE), "initial_weights": str(harmonizer), "output_dir": str(output), **tiny}
    monai.bundle.run(config_file=files, **{**given, **overrides})
    return output


@pytest.fixture(scope="module")
def harmonizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = own_haca3_plus(anatomy_base=1, decoder_base=1, field_of_view=96)
    seed_weights(network, seed=1)
    # No plane is to be black.
    network.decoder.head.bias.data += 10
    path = tmp_path_factory.mktemp("harmonizer") / "model.pt"
    save_weights(network.state_dict(), path)
    return path


def test_a_fusion_net_is_trained_on_what_the_harmonizer_makes(harmonizer, tmp_path):
    trained = train(harmonizer, tmp_path)
    network = PlaneFusionNet()
    network.load_state_dict(torch.load(trained / "fusion.pt", weights_only=True))
    # It starts as 0.
    assert network.correction[-1].weight.any()
    kept = {folder: len(list((trained / folder).iterdir())) for folder in ("volumes", "validation")}
    assert kept == {"volumes": 2, "validation": 1}


def test_what_was_made_is_used_again_when_training_goes_on(harmonizer, tmp_path):
    train(harmonizer, tmp_path)
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("0*.pt")}
    train(harmonizer, tmp_path)
    assert made == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("0*.pt")}
