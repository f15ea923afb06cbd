import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from scripts.base.errors import InputError
from scripts.methods.mmh.axial_mean import AxialMean
from scripts.methods.mmh.encoder import SliceEncoder, SmallSliceEncoder
from scripts.methods.mmh.equidistant_slices import equidistant_slices
from scripts.methods.mmh.tri_planar import TriPlanarAttention


class Means(SliceEncoder):
    """The mean of a slice and nothing else, eight times."""

    name = "means"
    size = 8

    def forward(self, slices: Tensor) -> Tensor:
        return slices.mean((1, 2, 3))[:, None].expand(-1, 8)


def attention(encoder: SliceEncoder | None = None, **options) -> TriPlanarAttention:
    torch.manual_seed(0)
    return TriPlanarAttention(encoder or SmallSliceEncoder(size=16, width=4), **{"slices": 4, "heads": 2, **options})


def volumes() -> tuple[Tensor, Tensor]:
    volume = torch.full((2, 1, 12, 14, 16), -1.0)
    volume[:, :, 2:9, 3:12, 4:15] = torch.rand(2, 1, 7, 9, 11, generator=torch.Generator().manual_seed(0))
    return volume, volume > -1


def test_slices_lie_at_equal_distances_from_the_first_to_the_last_that_shows_something():
    volume = torch.arange(12.0).view(12, 1, 1).expand(12, 14, 16)
    mask = torch.zeros(12, 14, 16, dtype=torch.bool)
    mask[2:9, 3:12, 4:15] = True
    found = equidistant_slices(volume, mask, 0, 4)
    assert found.shape == (4, 14, 16) and found[:, 0, 0].tolist() == [2, 4, 6, 8]
    along_z = torch.arange(16.0).expand(12, 14, 16)
    assert equidistant_slices(along_z, mask, 2, 3)[:, 0, 0].tolist() == [4, 9, 14]


def test_a_view_is_what_the_query_finds_among_its_slices():
    module, (volume, mask) = attention(Means()), volumes()
    images = torch.stack([equidistant_slices(v[0], m[0], 1, 4) for v, m in zip(volume, mask, strict=True)])
    angles = torch.arange(4.0)[:, None] * 10000 ** (-torch.arange(4.0) / 4)
    places = torch.cat([angles.cos(), angles.sin()], dim=1)
    tokens = normalize(images.mean((2, 3))[..., None] + places + module.views[1], dim=-1)
    query = module.query.expand(2, 1, 8)
    expected = module.norm(module.attention(query, tokens, tokens)[0][:, 0])
    torch.testing.assert_close(module.view(volume, mask, 1), expected)


def test_views_are_averaged_and_their_fusion_is_added():
    module, given = attention(fusion=0.1), volumes()
    views = [module.view(*given, number) for number in range(3)]
    expected = sum(views) / 3 + 0.1 * module.perceptron(torch.cat(views, dim=1))
    torch.testing.assert_close(module(*given), expected)
    assert module(*given).shape == (2, 16)


def test_gradients_reach_the_volumes_and_never_the_encoder():
    module, (volume, mask) = attention(), volumes()
    volume.requires_grad_()
    module(volume, mask).square().sum().backward()
    assert volume.grad.any()
    assert all(parameter.grad is None for parameter in module.encoder.parameters())
    assert all(p.grad is not None for n, p in module.named_parameters() if not n.startswith("encoder"))


def test_wrong_settings_and_empty_volumes_are_refused():
    with pytest.raises(InputError, match="`heads` must divide the 16 numbers of the encoder, got 3"):
        attention(heads=3)
    volume, mask = volumes()
    with pytest.raises(InputError, match="must show something to have a style"):
        attention()(volume, mask & False)


def test_without_attention_it_is_the_mean_of_axial_slices():
    volume, mask = volumes()
    described = AxialMean(Means(), slices=3)(volume, mask)
    means = torch.stack([volume[:, 0, ..., place].mean((1, 2)) for place in (4, 9, 14)]).mean(0)
    torch.testing.assert_close(described, means[:, None].expand(-1, 8))
    assert not any(parameter.requires_grad for parameter in AxialMean(SmallSliceEncoder(16, 4)).parameters())
