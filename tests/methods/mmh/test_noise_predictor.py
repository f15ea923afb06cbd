"""The noise predictor: its size in the configs, what style does, and gradients that are computed twice."""

from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser

from scripts.methods.mmh.network import Mmh
from scripts.methods.mmh.noise_predictor import AdaptiveNorm

from .tiny import tiny_predictor, tiny_volumes

CONFIGS = Path(__file__).parents[3] / "configs"


def built(*files: str) -> Mmh:
    """The network of configs, none of whose numbers takes memory."""
    parser = ConfigParser()
    parser.read_config([str(CONFIGS / file) for file in files])
    with torch.device("meta"):
        return parser.get_parsed_content("network_def")


def inputs(count: int = 2) -> tuple[torch.Tensor, ...]:
    volumes = tiny_volumes(count)
    return volumes, torch.tensor([10, 90][:count]), volumes / 2, torch.tensor([0, 3][:count])


@pytest.mark.parametrize(
    ("files", "millions", "shape", "voxel_mm"),
    [
        (("method_mmh.json",), 62.4, [144, 184, 184], 1),
        (("train.json", "train_scans.json", "train_mmh_style.json"), 62.4, [144, 184, 184], 1),
        (("method_mmh_small.json",), 1.8, [72, 92, 92], 2),
        (("train.json", "train_scans.json", "train_mmh_style.json", "train_mmh_small.json"), 1.8, [72, 92, 92], 2),
    ],
)
def test_the_size_of_the_configs(files, millions, shape, voxel_mm):
    network = built(*files)
    predictor = network.model.predictor
    assert sum(p.numel() for p in predictor.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)
    assert (network.grid.shape, network.grid.voxel_mm) == (shape, voxel_mm)
    # Of a whole volume, without computing it.
    volume, style = torch.empty(1, 1, *shape, device="meta"), torch.empty(1, 2, device="meta")
    numbers = torch.empty(1, dtype=torch.long, device="meta")
    assert predictor(volume, numbers, volume, numbers, style, style).shape == (1, 1, *shape)


@pytest.mark.parametrize("shape", [(16, 16, 16), (7, 9, 10)])
@pytest.mark.parametrize("patch", [1, 2])
def test_noise_has_the_shape_of_the_volumes(shape, patch):
    volume = torch.rand(1, 1, *shape)
    style = torch.zeros(1, 2)
    found = tiny_predictor(patch=patch)(volume, torch.tensor([3]), volume, torch.tensor([0]), style, style)
    assert found.shape == volume.shape and found.dtype == torch.float32


def randomized(**options):
    """With an output that is not 0, as it is before training."""
    predictor = tiny_predictor(**options)
    for parameter in predictor.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return predictor


def test_adain_normalizes_and_then_scales_by_style():
    norm, features = AdaptiveNorm(3), torch.rand(2, 3, 4, 4, 4) * 5 + 2
    plain = norm(features, torch.rand(2, 2))
    torch.testing.assert_close(plain.mean((2, 3, 4)), torch.zeros(2, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(plain.std((2, 3, 4), correction=0), torch.ones(2, 3), atol=1e-4, rtol=0)
    norm.perceptron[-1].bias.data = torch.tensor([1.0, 0, -0.5, 7, 0, 0])
    # Twice the first channel and half of the third, the first moved by 7.
    changed = norm(features, torch.rand(2, 2))
    torch.testing.assert_close(changed[:, 0], 2 * plain[:, 0] + 7)
    torch.testing.assert_close(changed[:, 1], plain[:, 1])
    torch.testing.assert_close(changed[:, 2], plain[:, 2] / 2)


@pytest.mark.parametrize("changed", ["time", "condition", "contrast", "style", "own"])
def test_noise_depends_on_all_that_is_told(changed):
    predictor, (volumes, time, condition, contrast) = randomized(), inputs(1)
    told = {
        "time": time,
        "condition": condition,
        "contrast": contrast,
        "style": torch.zeros(1, 2),
        "own": torch.zeros(1, 2),
    }
    other = {**told, changed: told[changed] + 1}
    assert (predictor(volumes, **told) - predictor(volumes, **other)).abs().max() > 1e-4


def test_without_the_style_of_the_source_only_the_wanted_one_matters():
    predictor, (volumes, *others) = randomized(source_style=False), inputs()
    style, own = torch.zeros(2, 2), torch.ones(2, 2)
    assert torch.equal(predictor(volumes, *others, style, style), predictor(volumes, *others, style, own))
    assert not torch.equal(predictor(volumes, *others, style, own), predictor(volumes, *others, own, own))


def test_samples_of_a_batch_do_not_see_each_other():
    predictor, (volumes, *others) = randomized(), inputs()
    style, own = torch.tensor([[0.1, 0.2], [0.5, 0.3]]), torch.tensor([[0.3, 0.1], [0.2, 0.4]])
    together = predictor(volumes, *others, style, own)
    alone = predictor(volumes[1:], *(each[1:] for each in others), style[1:], own[1:])
    torch.testing.assert_close(together[1:], alone, atol=1e-5, rtol=1e-5)


def test_activations_that_are_made_anew_give_the_same_gradients():
    gradients = []
    for checkpointing in (False, True):
        predictor, given = randomized(checkpointing=checkpointing), inputs()
        # The first pass has another style than the last one when its gradients are due.
        both = [predictor(*given, style, torch.zeros(2, 2)) for style in (torch.zeros(2, 2), torch.ones(2, 2))]
        (both[0].square().mean() + both[1].mean()).backward()
        gradients.append([parameter.grad for parameter in predictor.parameters()])
    for first, second in zip(*gradients, strict=True):
        torch.testing.assert_close(first, second)
