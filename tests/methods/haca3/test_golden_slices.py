"""Parity with the numbers of the authors' code on slices of real scans and on a random cube."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from scripts.methods.haca3.network import Haca3
from scripts.methods.haca3.published_checkpoint import FUSION_NAMES, HARMONIZATION_NAMES, published_names

from .golden import golden_fusion, golden_haca3


@pytest.fixture(scope="module")
def golden_dir(real_data: Path) -> Path:
    return real_data.parent / "golden"


@pytest.fixture(scope="module")
def case(golden_dir: Path) -> dict[str, Tensor]:
    arrays = np.load(golden_dir / "haca3plus_slices_wellcond.npz")
    return {name: torch.from_numpy(arrays[name]) for name in arrays.files if arrays[name].dtype.kind != "U"}


@pytest.fixture(scope="module")
def network() -> Haca3:
    return golden_haca3()


@pytest.fixture(scope="module")
def sources(case: dict[str, Tensor]) -> Tensor:
    return case["inputs"].transpose(0, 1)


@pytest.fixture(scope="module")
def target(case: dict[str, Tensor]) -> Tensor:
    return torch.cat([case["target_theta"], case["target_eta"]], dim=1)


@pytest.fixture(scope="module")
def logits(network: Haca3, sources: Tensor) -> Tensor:
    with torch.inference_mode():
        return torch.cat([network.encode_anatomy(stack) for stack in sources.split(1)])


@pytest.fixture(scope="module")
def codes(network: Haca3, sources: Tensor) -> Tensor:
    with torch.inference_mode():
        return torch.cat([network.encode_code(stack) for stack in sources.split(1)])


@pytest.fixture(scope="module")
def weights(network: Haca3, sources: Tensor, codes: Tensor, target: Tensor) -> Tensor:
    with torch.inference_mode():
        available = torch.ones(sources.shape[:2])
        return network.attention(target.expand(len(sources), -1), codes, network.foreground(sources), available)


def assert_within(actual: Tensor, expected: Tensor, tolerance: float) -> None:
    assert actual.shape == expected.shape
    assert (actual - expected).abs().max() <= tolerance


def test_codes_equal_theta_and_eta(case, codes):
    assert_within(codes, torch.cat([case["theta"], case["eta"]], dim=2).transpose(0, 1), 1e-4)


@torch.inference_mode()
def test_log_variance_of_theta_is_equal(case, network, sources):
    expected = case["theta_logvar"].transpose(0, 1).flatten(0, 1)
    assert_within(network.contrast_encoder(sources.flatten(0, 1).unsqueeze(1))[1], expected, 1e-4)


def test_logits_are_equal(case, logits):
    assert_within(logits, case["logits_f16"].float().transpose(0, 1), 5e-3)


@torch.inference_mode()
def test_attention_of_the_codes_is_equal(case, network, codes, target):
    alpha = network.attention.alpha(target.expand(len(codes), -1), codes, torch.ones(codes.shape[:2]))
    assert_within(alpha, case["softmax_attention"], 1e-4)


def test_smoothed_attention_is_equal(case, weights):
    assert_within(weights, case["attention"], 1e-4)


def test_fused_classes_are_equal_but_for_close_logits(case, network, logits, weights):
    labels = (network.fuse(logits, weights) * network.anatomy_classes).round()
    assert labels.shape == case["fused_beta_label"].shape
    assert (labels != case["fused_beta_label"]).float().mean() <= 1e-4


@torch.inference_mode()
def test_image_is_equal(case, network, sources, target):
    image = network(sources[:2], target)
    assert_within(image, case["output"][:2], 1e-4)
    assert not image[~case["masks"].any(0)[:2]].any()


@torch.inference_mode()
def test_fused_volume_is_equal(golden_dir):
    arrays = np.load(golden_dir / "fusion_wellcond.npz")
    assert_within(golden_fusion()(torch.from_numpy(arrays["input"])), torch.from_numpy(arrays["output"]), 1e-4)


def test_every_published_parameter_has_its_place(golden_dir, network):
    text = (golden_dir / "state_dict_keys.txt").read_text()
    rows = re.findall(r"^(\w+)\t(\S+)\t\((.*)\)\t\d+$", text, flags=re.MULTILINE)
    listed = {f"{part}.{key}": tuple(map(int, re.findall(r"\d+", shape))) for part, key, shape in rows}
    assert len(listed) == 146
    ours = {}
    for net, names in ((network, HARMONIZATION_NAMES), (golden_fusion(), FUSION_NAMES)):
        published = published_names(net, names)
        ours |= {published[name]: tuple(value.shape) for name, value in net.named_parameters()}
    patchifier = {name for name in listed if name.startswith("patchifier.")}
    assert {name: shape for name, shape in listed.items() if name not in patchifier} == ours
