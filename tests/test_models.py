"""The weights that ship."""

import json
from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser

from scripts.base.weights import file_sha256, load_weights
from scripts.jobs.targets import read_named_targets

BUNDLE = Path(__file__).parents[1]
MODELS = BUNDLE / "models"
CARD = json.loads((MODELS / "model.json").read_text())


@pytest.mark.parametrize(("file", "id"), [("model.pt", "network_def"), ("fusion.pt", "fusion_def")])
def test_weights_fill_the_networks_of_inference(file, id):
    parser = ConfigParser()
    parser.read_config(str(BUNDLE / "configs" / "inference.json"))
    assert load_weights(parser.get_parsed_content(id), MODELS / file) == CARD["files"][file]["sha256"]


def test_the_artifact_encoder_is_that_of_the_model():
    model, encoder = (torch.load(MODELS / file, weights_only=True) for file in ("model.pt", "artifact.pt"))
    assert encoder
    for name, value in encoder.items():
        assert torch.equal(model[f"artifact_encoder.{name}"], value)


def test_the_card_names_no_folder_of_whoever_trained():
    for entry in CARD["files"].values():
        config = entry["training"]["config"]
        paths = [config.get(name) for name in ("artifact_weights", "initial_weights", "dataset_dir", "cohort_file")]
        assert not any(str(path).startswith("/") for path in paths)


def test_the_weights_stay_small():
    assert sum(path.stat().st_size for path in MODELS.glob("*.pt")) < 20e6


def test_targets_are_of_these_weights():
    targets = read_named_targets(MODELS / "targets.json")
    assert len(targets) >= 3
    for name, codes in targets.items():
        assert {code.head for code in codes.values()} == {name.endswith("_head")}
        assert set(codes) == {"t1w", "t2w", "pd", "flair"}
        assert all(len(code.numbers["levels"]) == 5 for code in codes.values())
        assert {code.weights for code in codes.values()} == {file_sha256(MODELS / "model.pt")}
