import torch
from torch import Tensor

from scripts.methods.haca3.detail_encoder import DetailEncoder

from .own_parts import own_haca3_plus

SIZE = 96


def encoder() -> DetailEncoder:
    torch.manual_seed(0)
    return DetailEncoder(theta=2, features=3)


def image(seed: int = 0) -> Tensor:
    return torch.rand(1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(seed)) + 0.1


@torch.no_grad()
def test_features_depend_on_both_contrasts():
    own, other = torch.tensor([[0.5, -1.0]]), torch.tensor([[-2.0, 0.3]])
    found = [encoder()(image(), source, target) for source, target in ((own, own), (own, other), (other, own))]
    assert found[0].shape == (1, 3, SIZE, SIZE)
    assert all((first - second).abs().mean() > 0.01 for first, second in zip(found, found[1:] + found[:1], strict=True))


@torch.no_grad()
def test_a_feature_knows_its_neighbours_alone():
    theta, changed = torch.zeros(1, 2), image()
    changed[..., 50, 50] += 1
    difference = (encoder()(changed, theta, theta) - encoder()(image(), theta, theta)).abs().sum(1)[0]
    assert difference[48:53, 48:53].any()
    difference[48:53, 48:53] = 0
    assert not difference.any()


@torch.no_grad()
def test_sources_count_by_their_weights():
    network = own_haca3_plus(field_of_view=SIZE, anatomy_base=1).eval()
    sources, target = torch.cat([image(1), image(2)], dim=1), torch.tensor([[0.2, 0.4, 0.1, 0.3]])
    codes, anatomy = network.encode_code(sources), torch.zeros(1, 5, SIZE, SIZE)

    def detail(first: float) -> Tensor:
        weights = torch.tensor([first, 1 - first]).view(1, 2, 1, 1).expand(-1, -1, SIZE, SIZE)
        return network.with_detail(anatomy, sources, codes, target, weights)

    assert detail(1.0).shape == (1, 11, SIZE, SIZE)
    assert torch.equal(detail(1.0)[:, :5], anatomy)
    torch.testing.assert_close(detail(0.25), 0.25 * detail(1.0) + 0.75 * detail(0.0))
    assert not torch.allclose(detail(1.0), detail(0.0))


@torch.no_grad()
def test_detail_reaches_the_image():
    network = own_haca3_plus(field_of_view=SIZE, anatomy_base=1).eval()
    network.decoder.head.bias.data += 1
    sources, target = torch.cat([image(1), image(2)], dim=1), torch.tensor([[0.2, 0.4, 0.1, 0.3]])
    with_detail = network(sources, target)
    network.detail_encoder.second.convolution.bias.data += 1
    assert not torch.allclose(network(sources, target), with_detail)
