"""What the inferer adds to what the network makes: detail that its voxels do not show, and that it cannot rebuild."""

import torch

from scripts.layers.carry_detail import DetailCarrier
from scripts.methods.ssim.inferer import FieldInferer
from scripts.methods.ssim.network import StyleCode
from scripts.methods.ssim.own_style import fitted_style

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


def test_the_fitted_style_redraws_an_image_better_than_that_of_the_encoder():
    network, image = tiny_net(), fluctuating()[:1, None]
    found = network.style(image)
    errors = []
    for steps in (0, 10, 40):
        style = fitted_style(image, network, steps)
        assert not any(part.requires_grad for part in style)
        errors.append((network(image, style) - image)[image > 0].abs().mean().item())
        if steps == 0:
            torch.testing.assert_close(style.labels, found.labels)
            torch.testing.assert_close(style.noise, found.mean)
    assert errors[1] < errors[0] - 5e-4 and errors[2] < errors[0] - 5e-4
    assert all(parameter.grad is None for parameter in network.parameters())


def test_detail_is_carried_from_the_image_in_the_fitted_style():
    network, sources = tiny_net(), fluctuating()
    other = StyleCode(torch.zeros(1, 2), network.vectors[:1])
    lines = DetailCarrier(None)
    results = {
        steps: FieldInferer((8, 8, 8), detail=lines, style_steps=steps).harmonize(sources, network, [other])[0].image
        for steps in (0, 20)
    }
    assert (results[0] - results[20]).abs().max() > 1e-3
    windows = FieldInferer((8, 8, 8), detail=lines, style_steps=20, whole=False)
    plain = FieldInferer((8, 8, 8), detail=lines, whole=False)
    # Windows are for networks whose box does not fit into memory with its gradients.
    first, second = (each.harmonize(sources, network, [other])[0].image for each in (windows, plain))
    assert torch.equal(first, second)


def test_another_style_changes_the_image_with_its_detail():
    network, sources = tiny_net(), fluctuating()
    other = StyleCode(torch.zeros(1, 2), network.vectors[:1])
    inferer = FieldInferer((8, 8, 8), detail=DetailCarrier(None))
    carried = inferer.harmonize(sources, network, [other])[0].image[0]
    assert (carried - sources[0]).abs().max() > 4e-3
    assert not carried[sources[0] == 0].any()
