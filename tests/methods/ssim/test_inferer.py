"""What the inferer adds to what the network makes: detail that its voxels do not show, and that it cannot rebuild."""

import pytest
import torch

from scripts.layers.carry_curve import CurveCarrier
from scripts.layers.tone_curve import CurveFinder
from scripts.methods.ssim.inferer import FieldInferer
from scripts.methods.ssim.network import StyleCode

from .tiny import tiny_net


def fluctuating(seed: int = 0) -> torch.Tensor:
    """Sources (4, 12, 12, 12), T1w alone, of which the network cannot rebuild much."""
    sources = torch.zeros(4, 12, 12, 12)
    sources[0, 2:10, 2:10, 2:10] = 0.5 + torch.rand(8, 8, 8, generator=torch.Generator().manual_seed(seed))
    return sources


def test_detail_is_the_sources_and_brightness_the_networks():
    network, sources = tiny_net(), fluctuating()
    other = StyleCode(torch.zeros(1, 2), network.vectors[:1])
    alone, carried = (
        FieldInferer((8, 8, 8), detail=detail).harmonize(sources, network, [other])[0].image[0]
        for detail in (None, CurveCarrier(CurveFinder(threshold=0)))
    )
    shown = sources[0] > 0
    assert not carried[~shown].any()
    # Brighter voxels stay brighter, which they do not where the network cannot rebuild them.
    order = sources[0][shown].argsort()
    assert (carried[shown][order].diff() > -1e-6).all() and not (alone[shown][order].diff() > -1e-6).all()
    for share in (0.1, 0.5, 0.9):
        assert carried[shown].quantile(share) == pytest.approx(float(alone[shown].quantile(share)), abs=0.01)
    assert (carried - sources[0]).abs().max() > 4e-3


def test_larger_voxels_say_how_bright_the_image_is():
    network, sources = tiny_net(), fluctuating()
    other = StyleCode(torch.zeros(1, 2), network.vectors[:1])
    inferer = FieldInferer((8, 8, 8), 2, detail=CurveCarrier(CurveFinder(threshold=0)))
    found = inferer.harmonize(sources, network, [other])[0].image
    field, seen = inferer._look(inferer._source(sources, network))
    curve = CurveFinder(threshold=0).curve(seen, network(seen, other))
    torch.testing.assert_close(found, curve(sources[:1]), atol=1e-5, rtol=1e-5)
