import pytest
import torch
from torch import Tensor

from scripts.methods.haca3.artifact_encoder import PooledArtifactEncoder


def encoder() -> PooledArtifactEncoder:
    torch.manual_seed(0)
    return PooledArtifactEncoder()


def disc(size: int = 96, radius: float = 0.6) -> Tensor:
    axis = torch.linspace(-1, 1, size)
    return (axis[:, None] ** 2 + axis[None] ** 2 < radius**2).float()[None, None]


def noisy(image: Tensor, strength: float) -> Tensor:
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    return image * (1 + strength * noise)


@pytest.mark.parametrize("size", [96, 224])
def test_a_code_comes_from_any_field_of_view(size):
    assert encoder()(torch.rand(3, 1, size, size)).shape == (3, 2)


def test_what_is_background_does_not_count():
    small, framed = noisy(disc(), 0.1), torch.zeros(1, 1, 224, 224)
    framed[..., 64:160, 64:160] = small
    torch.testing.assert_close(encoder()(framed), encoder()(small), rtol=1e-3, atol=1e-4)


def test_an_empty_slice_has_a_code():
    assert encoder()(torch.zeros(1, 1, 96, 96)).isfinite().all()


def test_faint_noise_counts_for_more_than_its_power():
    with torch.no_grad():
        clean, faint, strong = (encoder()(noisy(disc(), strength)) for strength in (0.0, 0.01, 0.1))
    # Of the strong one's power it has a hundredth.
    assert (faint - clean).norm() / (strong - faint).norm() > 0.04
