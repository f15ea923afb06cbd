from math import sqrt

import pytest
import torch
from torch import nn

from scripts.layers.unet import ConvBlock, UNet, UpBlock


def fill(network: nn.Module, value: float) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(value)


@pytest.mark.parametrize(("shape", "levels"), [((32, 48), 4), ((4, 8), 2)])
def test_output_lies_on_the_grid_of_the_input(shape, levels):
    assert UNet(3, 5, base=2, levels=levels)(torch.rand(2, 3, *shape)).shape == (2, 5, *shape)


@pytest.mark.parametrize(("inputs", "outputs", "base", "expected"), [(1, 5, 8, 2_161_013), (3, 1, 16, 8_639_425)])
def test_number_of_parameters_is_the_published_one(inputs, outputs, base, expected):
    with torch.device("meta"):
        network = UNet(inputs, outputs, base)
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


def test_block_normalises_each_image_and_leaks_a_tenth():
    block = ConvBlock(1, 1)
    fill(block, 0)
    with torch.no_grad():
        block[0].weight[0, 0, 1, 1] = 1
        block[0].bias.fill_(7)
        normalised = block(torch.tensor([[[[0.0, 0.0], [0.0, 4.0]]]]))
    # Mean 1 and variance 3, whatever was added.
    low, high = -0.1 / sqrt(3), 3 / sqrt(3)
    torch.testing.assert_close(normalised, torch.tensor([[[[low, low], [low, high]]]]), rtol=1e-4, atol=1e-5)
    assert not list(block[1].parameters())


def test_up_block_puts_what_the_encoder_saw_before_what_comes_from_below():
    block = UpBlock(4)
    block.merge = nn.Identity()
    deep, skip = torch.rand(1, 4, 4, 4), torch.rand(1, 2, 8, 8)
    joined = block(deep, skip)
    assert joined.shape == (1, 4, 8, 8)
    assert torch.equal(joined[:, :2], skip)
    assert torch.equal(joined[:, 2:], block.lift(block.enlarge(deep)))


def test_enlargement_interpolates_between_pixel_centres():
    enlarged = UpBlock(2).enlarge(torch.tensor([[[[0.0, 4.0]]]]))
    assert enlarged[0, 0].tolist() == [[0, 1, 3, 4], [0, 1, 3, 4]]


def test_features_leave_without_activation():
    network = UNet(1, 2, base=2, levels=1)
    fill(network, 0)
    with torch.no_grad():
        network.head[2].bias.copy_(torch.tensor([-3.0, 2.0]))
    output = network(torch.rand(1, 1, 4, 4))
    assert output.amin((0, 2, 3)).tolist() == output.amax((0, 2, 3)).tolist() == [-3, 2]


def test_every_layer_takes_part():
    torch.manual_seed(0)
    network = UNet(1, 1, base=2, levels=3)
    network(torch.rand(1, 1, 32, 32)).square().sum().backward()
    idle = [name for name, value in network.named_parameters() if name.endswith("weight") and not value.grad.any()]
    assert idle == []
