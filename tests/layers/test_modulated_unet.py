import torch
from torch import Tensor

from scripts.layers.modulated_unet import ModulatedUNet
from scripts.layers.unet import UNet


def decoder() -> ModulatedUNet:
    torch.manual_seed(0)
    return ModulatedUNet(anatomy=1, code=2, base=4, levels=2)


def with_code(anatomy: Tensor, code: tuple[float, float]) -> Tensor:
    maps = torch.tensor(code).view(1, 2, 1, 1).expand(len(anatomy), -1, *anatomy.shape[2:])
    return torch.cat([anatomy, maps], dim=1)


def random_classes(size: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(5, (1, 1, size, size), generator=generator).float() / 5


def test_code_reaches_every_pixel_where_hacas_decoder_sees_it_at_the_border():
    anatomy = random_classes(96)
    center = slice(40, 56)
    reached = []
    with torch.no_grad():
        for network in (decoder(), UNet(3, 1, 4)):
            images = [network(with_code(anatomy, code))[..., center, center] for code in ((0.0, 0.0), (0.2, -0.3))]
            # What a code changes, as a share of what the image holds.
            reached.append(((images[1] - images[0]).std() + (images[1] - images[0]).mean().abs()) / images[0].std())
    assert reached[0] > 3 * reached[1]


def test_a_place_looks_the_same_in_a_window_as_in_the_whole_slice():
    anatomy = random_classes(128)
    with torch.no_grad():
        whole = decoder()(with_code(anatomy, (0.5, 1.0)))
        window = decoder()(with_code(anatomy[..., 32:96, 32:96], (0.5, 1.0)))
    inner = slice(24, 40)
    torch.testing.assert_close(window[..., inner, inner], whole[..., 56:72, 56:72])


def test_every_parameter_learns():
    network = decoder()
    network(with_code(random_classes(32), (0.5, 1.0))).square().mean().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())
