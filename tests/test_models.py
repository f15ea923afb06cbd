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


DEFAULT = ("inference.json",)
HACA3 = ("inference.json", "method_haca3.json")
SEGMENTER = ("train.json", "train_segmenter.json")


@pytest.mark.parametrize(
    ("file", "configs", "id"),
    [
        ("model.pt", DEFAULT, "network_def"),
        ("haca3_model.pt", HACA3, "network_def"),
        ("haca3_fusion.pt", HACA3, "fusion_def"),
        ("segmenter.pt", SEGMENTER, "network_def"),
    ],
)
def test_weights_fill_the_networks_of_their_configs(file, configs, id):
    parser = ConfigParser()
    parser.read_config([str(BUNDLE / "configs" / name) for name in configs])
    assert load_weights(parser.get_parsed_content(id), MODELS / file) == CARD["files"][file]["sha256"]


def test_the_artifact_encoder_is_that_of_haca3():
    model, encoder = (torch.load(MODELS / file, weights_only=True) for file in ("haca3_model.pt", "haca3_artifact.pt"))
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


def test_every_file_of_weights_is_on_the_card():
    assert {path.name for path in MODELS.glob("*.pt")} == {*CARD["files"]}


@pytest.mark.parametrize(("names", "weights"), [("targets.json", "model.pt"), ("haca3_targets.json", "haca3_model.pt")])
def test_targets_are_of_these_weights(names, weights):
    targets = read_named_targets(MODELS / names)
    assert len(targets) >= 3
    for name, codes in targets.items():
        assert {code.head for code in codes.values()} == {name.endswith("_head")}
        assert set(codes) == {"t1w", "t2w", "pd", "flair"}
        assert {code.weights for code in codes.values()} == {file_sha256(MODELS / weights)}
        if names == "haca3_targets.json":
            assert all(len(code.numbers["levels"]) == 5 for code in codes.values())
