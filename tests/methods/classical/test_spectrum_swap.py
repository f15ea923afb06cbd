import pytest
import torch

from scripts.base.errors import InputError
from scripts.methods.classical.spectrum_swap import SpectrumSwap


def match(source: torch.Tensor, target: torch.Tensor, radius: int) -> torch.Tensor:
    method = SpectrumSwap(radius)
    image = torch.zeros(1, 4, *source.shape)
    image[0, 1] = source
    return method(image, target=method.encode_target(target[None, None], "t2w"))[0, 0]


def wave(cycles: int, amplitude: float, mean: float, phase: float = 0.0) -> torch.Tensor:
    """A volume (16, 8, 8) that varies along x."""
    x = torch.arange(16) * (2 * torch.pi / 16)
    return (mean + amplitude * torch.cos(cycles * x + phase))[:, None, None].expand(16, 8, 8).contiguous()


def test_mean_alone_is_matched_with_radius_0():
    torch.testing.assert_close(match(wave(2, 1, mean=5), wave(2, 3, mean=9), radius=0), wave(2, 9 / 5, mean=9))


def test_low_frequency_takes_the_targets_amplitude_and_keeps_its_phase():
    source = wave(2, 1, mean=5, phase=0.7)
    torch.testing.assert_close(match(source, wave(2, 3, mean=9), radius=2), wave(2, 3, mean=9, phase=0.7))


def test_high_frequency_stays_in_the_unit_of_the_target():
    source = wave(3, 1, mean=5, phase=0.7)
    torch.testing.assert_close(match(source, wave(3, 3, mean=9), radius=2), wave(3, 9 / 5, mean=9, phase=0.7))


def test_frequencies_of_all_axes_and_signs_are_swapped():
    generator = torch.Generator().manual_seed(0)
    source, target = torch.rand(2, 9, 8, 7, generator=generator) + 1
    swapped = torch.fft.fftn(match(source, target, radius=2))
    source, target = torch.fft.fftn(source), torch.fft.fftn(target)
    low = torch.zeros(9, 8, 7, dtype=torch.bool)
    low[torch.meshgrid(*[torch.arange(-2, 3)] * 3, indexing="ij")] = True
    torch.testing.assert_close(swapped[low].abs(), target[low].abs(), rtol=1e-3, atol=1e-3)
    gain = target[0, 0, 0].abs() / source[0, 0, 0].abs()
    torch.testing.assert_close(swapped[~low], gain * source[~low], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("radius", [-1, 1.5])
def test_radius_that_is_no_count_is_refused(radius):
    with pytest.raises(InputError, match=f"`radius` must be a whole number of at least 0, got {radius}"):
        SpectrumSwap(radius)


def test_radius_beyond_the_image_is_refused():
    with pytest.raises(InputError, match=r"`radius` must be below half the image's size \(16, 8, 8\), got 4"):
        match(wave(1, 1, 5), wave(1, 1, 5), radius=4)
