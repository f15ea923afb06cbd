"""From a continuous-looking signal to what a scanner stores: finite resolution, ringing, noise, thick slices."""

import torch
import torch.nn.functional as F

from .fields import Shape


def _along(axis: int, weight: torch.Tensor) -> torch.Tensor:
    return weight.reshape([-1 if a == axis else 1 for a in range(3)])


def _window(kept: int, apodization: float) -> torch.Tensor:
    """Weights of the `kept` central k-space samples: flat for 0, a Hann window for 1."""
    position = (torch.arange(kept) - kept // 2) / (kept / 2)
    return 1 - apodization * (1 - (0.5 + 0.5 * torch.cos(torch.pi * position)))


def _edge_filter(kept: int, size: int, sharpening: float) -> torch.Tensor:
    """Vendor-like edge enhancement: a boost that grows with spatial frequency."""
    frequency = (torch.arange(kept) - kept // 2).abs() / size
    return 1 + sharpening * (2 * frequency) ** 2


def _resampling_gain(kept: int, size: int) -> torch.Tensor:
    """What linear interpolation at a random offset takes from each frequency on average, given back.

    With the offset uniform in [0, 1] the mean of |(1 - t) + t exp(-2 pi i f)| falls from 1 to 1/2 at f = 1/2; the
    parabola 1 - (2 f)^2 / 2 meets it at both ends and lies at most 0.09 above it.
    """
    frequency = (torch.arange(kept) - kept // 2).abs() / size
    return 1 / (1 - (2 * frequency) ** 2 / 2)


def acquire_matrix(
    signal: torch.Tensor, kept: Shape, apodization: float, sharpening: float, noise: float, generator: torch.Generator
) -> torch.Tensor:
    """Keep the central `kept` samples of k-space, add complex noise, and return the magnitude on the input's grid.

    Cutting k-space gives the resolution and its Gibbs ringing, apodization trades one for the other, and filling the
    rest with zeros interpolates. `noise` is the standard deviation of the real and imaginary parts in image space at
    the acquired resolution; the magnitude makes it Rician.
    """
    shape: Shape = (signal.shape[0], signal.shape[1], signal.shape[2])
    spectrum = torch.fft.fftshift(torch.fft.fftn(signal))
    low = [n // 2 - k // 2 for n, k in zip(shape, kept, strict=True)]
    box = tuple(slice(start, start + k) for start, k in zip(low, kept, strict=True))
    core = spectrum[box]
    for axis, (k, n) in enumerate(zip(kept, shape, strict=True)):
        core = core * _along(axis, _resampling_gain(k, n))
    scale = noise * (signal.numel() ** 0.5) * (signal.numel() / core.numel()) ** 0.5
    core = core + scale * torch.view_as_complex(torch.randn(*kept, 2, generator=generator))
    for axis, (k, n) in enumerate(zip(kept, shape, strict=True)):
        core = core * _along(axis, _window(k, apodization) * _edge_filter(k, n, sharpening))
    filled = torch.zeros_like(spectrum)
    filled[box] = core
    return torch.fft.ifftn(torch.fft.ifftshift(filled)).abs()


def slice_profile(signal: torch.Tensor, axis: int, thickness: float) -> torch.Tensor:
    """Average over slices `thickness` voxels apart along `axis`, then interpolate back to every voxel."""
    size = signal.shape[axis]
    count = max(round(size / thickness), 1)
    lines = signal.movedim(axis, -1)
    flat = lines.reshape(1, -1, size)
    slices = F.interpolate(flat, size=count, mode="area")
    back = F.interpolate(slices, size=size, mode="linear", align_corners=False)
    return back.reshape(lines.shape).movedim(-1, axis)
