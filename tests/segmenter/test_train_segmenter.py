"""The training of the segmenter by its config, with a network of a few hundred weights and balls for people."""

import json
from pathlib import Path
from typing import Any

import monai.bundle
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from torch import nn

from scripts.images.grid import GRID_SHAPE
from scripts.metrics.segmentation_network import CLASSES, NetworkSegmenter
from scripts.segmenter.anatomies import SimulatedAnatomies
from scripts.segmenter.stage import SegmenterStage, SegmentHeldOut

from ..harmonize.tiny_subjects import BUNDLE
from ..training.training_state import equal, state, stop_after_the_first_epoch
from .ball_people import GREY_MATTER, WHITE_MATTER

CONFIGS = [str(BUNDLE / "configs" / name) for name in ("train.json", "train_segmenter.json")]
FEATURES = [2, 2, 2]
TINY: dict[str, Any] = {
    "people": 3,
    "held_out": 2,
    "library#phantom": {"_target_": "tests.segmenter.ball_people.BallPhantom"},
    "network_def#features": FEATURES,
    "window": [64, 64, 64],
    "epochs": 2,
    "steps": 2,
    "validate#steps": 1,
    "rising_steps": 2,
    "workers": 0,
    "device": "cpu",
}


def train(balls: SimulatedAnatomies, output: Path, **options: Any) -> Path:
    folders = {"bundle_root": str(BUNDLE), "dataset_dir": str(balls.folder), "output_dir": str(output)}
    monai.bundle.run(config_file=CONFIGS, **folders, **{**TINY, **options})
    return output


@pytest.fixture(scope="module")
def trained(balls: SimulatedAnatomies, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(balls, tmp_path_factory.mktemp("trained"))


def test_what_it_leaves_segments_images(trained):
    made = json.loads((trained / "training.json").read_text())
    assert 0 <= made["metrics"]["dice"] <= 1 and made["config"]["people_plan"]["seed"] == 1
    segmenter = NetworkSegmenter(trained / "segmenter.pt", features=FEATURES, window=(64,) * 3, box=(64,) * 3)
    labels = segmenter(np.random.default_rng(0).uniform(0.5, 1, GRID_SHAPE).astype(np.float32))
    assert labels.shape == GRID_SHAPE and labels.max() <= 9


def test_an_interrupted_training_goes_on_exactly(trained, balls, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop_after_the_first_epoch(patch)
        with pytest.raises(RuntimeError):
            train(balls, tmp_path)
    assert state(tmp_path)["epoch"] == 1
    train(balls, tmp_path)
    assert equal(state(tmp_path), state(trained))


def test_the_config_has_the_network_of_the_segmenter():
    parser = ConfigParser()
    parser.read_config(CONFIGS)
    assert tuple(parser["network_def"]["features"]) == NetworkSegmenter.features
    # A window of inference is a little longer, so that eight of them cover the brain.
    assert all(
        0 <= used - trained <= 16 for used, trained in zip(NetworkSegmenter.window, parser["window"], strict=True)
    )


class Answer(nn.Module):
    """A network that gives the labels it was told, as logits."""

    def __init__(self, labels: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.logits = 20.0 * nn.functional.one_hot(labels[:, 0].long(), CLASSES).movedim(-1, 1)

    def forward(self, image: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        return self.logits + self.weight


def batch_of(labels: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"image": torch.zeros(labels.shape), "prior": torch.zeros(1), "label": labels}


def test_the_dice_of_held_out_people_is_that_of_regions_which_they_show():
    truth = torch.full((1, 1, 4, 4, 4), WHITE_MATTER, dtype=torch.uint8)
    truth[..., :2] = GREY_MATTER
    found = truth.clone()
    found[..., 1] = WHITE_MATTER
    dice = SegmentHeldOut(Answer(found))(None, batch_of(truth))["losses"]["dice"]
    # Gray matter: 2 * 16 / (16 + 32); white matter: 2 * 32 / (48 + 32).
    assert dice == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert SegmentHeldOut(Answer(truth))(None, batch_of(truth))["losses"]["dice"] == pytest.approx(1)


def test_the_loss_falls_where_labels_are_found():
    parser = ConfigParser()
    parser.read_config(CONFIGS)
    loss = parser.get_parsed_content("stage#loss")
    truth = torch.full((1, 1, 8, 8, 8), WHITE_MATTER, dtype=torch.uint8)
    right, wrong = (SegmenterStage(Answer(each), loss)(batch_of(truth), 1)["total"] for each in (truth, 0 * truth))
    assert float(right.detach()) < 0.1 < 1 < float(wrong.detach())
