"""What the inferer adds to what the network makes: detail that its voxels do not show, and that it cannot rebuild."""

import torch

from scripts.layers.carry_detail import DetailCarrier
from scripts.methods.ssim.inferer import FieldInferer
from scripts.methods.ssim.network import StyleCode

from .tiny import tiny_net


def fluctuating(seed: int = 0) -> torch.Tensor:
    """Sources (4, 12, 12, 12), T1w alone, of which the network cannot rebuild much."""
    sources = torch.zeros(4, 12, 12, 12)
    sources[0, 2:10, 2:10, 2:10] = 0.5 + torch.rand(8, 8, 8, generator=torch.Generator().manual_seed(seed))
    return sources


def test_detail_makes_of_an_image_in_its_own_style_the_image_itself():
    network, sources = tiny_net(), fluctuating()
    own = FieldInferer((8, 8, 8)).encode(sources, network)
    alone, carried = (
        FieldInferer((8, 8, 8), detail=detail).harmonize(sources, network, [own])[0].image[0]
        for detail in (None, DetailCarrier(None, epsilon=1e-12))
    )
    assert (alone - sources[0]).abs().max() > 0.1
    torch.testing.assert_close(carried, sources[0], rtol=0, atol=1e-3)


def test_another_style_changes_the_image_with_its_detail():
    network, sources = tiny_net(), fluctuating()
    other = StyleCode(torch.zeros(1, 2), network.vectors[:1])
    inferer = FieldInferer((8, 8, 8), detail=DetailCarrier(None))
    carried = inferer.harmonize(sources, network, [other])[0].image[0]
    assert (carried - sources[0]).abs().max() > 4e-3
    assert not carried[sources[0] == 0].any()
