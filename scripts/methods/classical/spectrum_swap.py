"""Low-frequency spectrum swap (Guan et al., Fast image-level MRI harmonization via spectrum analysis, MLMI 2022)."""

import torch
from torch import Tensor

from ...base.errors import InputError
from .baseline import Baseline, TargetStyle


class SpectrumSwap(Baseline):
    """Gives the lowest spatial frequencies the target's amplitude; their phase and all higher frequencies stay.

    First the image is brought to the target's mean, since units of intensity differ and mean nothing.
    A low frequency has at most `radius` cycles per field of view along every axis. Source and target must lie on one
    grid, on which the same coefficient is the same frequency.
    """

    def __init__(self, radius: int = 3) -> None:
        super().__init__()
        if not isinstance(radius, int) or radius < 0:
            raise InputError(f"`radius` must be a whole number of at least 0, got {radius}")
        self.radius = radius

    def extra_repr(self) -> str:
        """The settings, for the record."""
        return f"radius={self.radius}"

    def describe(self, volume: Tensor, inside: Tensor, contrast: str) -> Tensor:
        """Amplitudes (2R + 1, 2R + 1, R + 1) of the target's low frequencies."""
        spectrum = torch.fft.rfftn(volume * inside)
        return spectrum[self._low(volume)].abs()

    def match(self, volume: Tensor, inside: Tensor, target: TargetStyle) -> Tensor:
        """The foreground of the image with the swapped spectrum."""
        spectrum = torch.fft.rfftn(volume * inside)
        low = self._low(volume)
        spectrum *= target.style[self.radius, self.radius, 0] / spectrum[0, 0, 0].abs()
        spectrum[low] = torch.polar(target.style, spectrum[low].angle())
        return torch.fft.irfftn(spectrum, s=volume.shape)[inside]

    def _low(self, volume: Tensor) -> tuple[Tensor, ...]:
        """Indices of the low frequencies; negative ones count from the end, where the FFT keeps them."""
        if 2 * self.radius >= min(volume.shape):
            raise InputError(f"`radius` must be below half the image's size {tuple(volume.shape)}, got {self.radius}")
        both_signs = torch.arange(-self.radius, self.radius + 1, device=volume.device)
        # The spectrum of a real image is symmetric: the FFT leaves out the negative half of the last axis.
        return torch.meshgrid(both_signs, both_signs, both_signs[self.radius :], indexing="ij")
