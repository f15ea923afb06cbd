"""Weights beside a card that tells of them."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from scripts.base.errors import InputError
from scripts.base.weights import file_sha256, load_weights, read_checkpoint, save_weights

MODELS = Path(__file__).parents[2] / "models"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.pt"
    sha256 = save_weights(nn.Linear(3, 2).state_dict(), path)
    (tmp_path / "model.json").write_text(json.dumps({"files": {"model.pt": {"sha256": sha256}}}))
    return path


def test_a_parameter_that_changed_is_refused(file):
    expected = load_weights(nn.Linear(3, 2), file)
    state = torch.load(file, weights_only=True)
    state["weight"][0, 0] += 1
    found = save_weights(state, file)
    with pytest.raises(InputError) as caught:
        load_weights(nn.Linear(3, 2), file)
    card = file.with_name("model.json")
    words = f"weights file {file} must have the SHA-256 that {card} gives, {expected}, it has {found}: it is damaged"
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize("card", [None, {}, [], {"files": []}, {"files": {"other.pt": {"sha256": "0"}}}])
def test_weights_of_which_no_card_tells_are_loaded(file, card):
    path = file.with_name("model.json")
    path.unlink() if card is None else path.write_text(json.dumps(card))
    assert load_weights(nn.Linear(3, 2), file) == file_sha256(file)


@pytest.mark.parametrize("place", range(5))
def test_any_flipped_bit_of_the_weights_that_ship_is_noticed(tmp_path, place):
    for name in ("haca3_fusion.pt", "model.json"):
        shutil.copy(MODELS / name, tmp_path)
    path = tmp_path / "haca3_fusion.pt"
    content = bytearray(path.read_bytes())
    content[len(content) * (2 * place + 1) // 10] ^= 4
    path.write_bytes(content)
    network = nn.Linear(3, 2)
    with pytest.raises(InputError, match=f"weights file {path} "):
        load_weights(network, path)


def test_the_weights_that_ship_are_those_of_the_card():
    for name, entry in json.loads((MODELS / "model.json").read_text())["files"].items():
        assert read_checkpoint(MODELS / name)
        assert file_sha256(MODELS / name) == entry["sha256"]
