import pytest
import torch

from scripts.methods.haca3.contrast_encoder import ContrastEncoder, PooledContrastEncoder


def pooled() -> PooledContrastEncoder:
    torch.manual_seed(0)
    return PooledContrastEncoder(theta=3)


@pytest.mark.parametrize("size", [96, 224])
def test_both_give_a_mean_and_a_log_variance(size):
    for encoder in (ContrastEncoder(size, theta=3), pooled()):
        mean, log_variance = encoder(torch.rand(2, 1, size, size))
        assert mean.shape == log_variance.shape == (2, 3)


def test_pooled_code_sees_how_bright_an_image_is_and_hacas_does_not():
    image = torch.rand(1, 1, 96, 96, generator=torch.Generator().manual_seed(0)) + 0.1
    with torch.no_grad():
        ours, hacas = pooled(), ContrastEncoder(96, theta=3)
        changes = [(encoder(2 * image)[0] - encoder(image)[0]).norm() for encoder in (ours, hacas)]
    assert changes[0] > 20 * changes[1]
