"""What stands between a person's contrast and an image: coil, resolution, noise, brain extraction, and intensities."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..phantom.fields import seeded, smooth_field
from ..phantom.kspace import slice_profile
from .draws import between


@dataclass(frozen=True)
class DrawnScan:
    """What was drawn for one image; lengths in mm, which are voxels. Brain extraction leaves `rim_mm`, None a head."""

    seed: int
    gain: float
    gain_mm: float
    blur_mm: tuple[float, ...]
    slice_axis: int
    slice_mm: float
    sharpening: float
    noise: float
    smoothing_mm: float
    gamma: float
    rim_mm: float | None

    def take(self, image: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Scan an ideal image (X, Y, Z) of a person whose voxels lie at a `depth` (mm) below the brain's surface."""
        generator = seeded(self.seed)
        values = torch.from_numpy(image)
        if self.slice_mm > 1:
            values = slice_profile(values, self.slice_axis, self.slice_mm)
        smooth = blurred(values, self.blur_mm)
        values = smooth + self.sharpening * (smooth - blurred(smooth, [1.0] * 3))
        real, other = (self.noise * torch.randn(values.shape, generator=generator) for _ in range(2))
        values = blurred(torch.hypot(values + real, other), [self.smoothing_mm] * 3)
        values = values * torch.exp(self.gain * smooth_field(values.shape, self.gain_mm, generator))
        values = values.clamp(min=0) ** self.gamma
        if self.rim_mm is not None:
            wobble = 0.5 * smooth_field(values.shape, 12.0, generator)
            values = values * (torch.from_numpy(depth) + self.rim_mm + wobble > 0)
        return values.numpy()


@dataclass(frozen=True)
class ScanLaw:
    """Draws scans. Pairs are the lowest and the highest value, shares are of images, `noise` is relative to 1.

    Slices may be thick along one axis (`slices_share`, `slices_mm`); the blur of each axis is a standard deviation.
    """

    head_share: float = 0.35
    rim_mm: Sequence[float] = (0.0, 3.0)
    gain: Sequence[float] = (0.0, 0.3)
    gain_mm: Sequence[float] = (40.0, 90.0)
    blur_mm: Sequence[float] = (0.0, 0.9)
    slices_share: float = 0.2
    slices_mm: Sequence[float] = (1.5, 5.0)
    sharpening: Sequence[float] = (0.0, 0.6)
    noise: Sequence[float] = (0.0, 0.08)
    smoothing_mm: Sequence[float] = (0.0, 0.6)
    gamma_spread: float = 0.2

    def draw(self, rng: np.random.Generator) -> DrawnScan:
        """Draw one."""
        thick = rng.random() < self.slices_share
        return DrawnScan(
            seed=int(rng.integers(2**31)),
            gain=between(rng, self.gain),
            gain_mm=between(rng, self.gain_mm),
            blur_mm=tuple(between(rng, self.blur_mm) for _ in range(3)),
            slice_axis=int(rng.integers(3)),
            slice_mm=between(rng, self.slices_mm) if thick else 1.0,
            sharpening=between(rng, self.sharpening),
            noise=between(rng, self.noise),
            smoothing_mm=between(rng, self.smoothing_mm),
            gamma=float(np.exp(self.gamma_spread * rng.standard_normal())),
            rim_mm=None if rng.random() < self.head_share else between(rng, self.rim_mm),
        )


def blurred(values: Tensor, widths: Sequence[float]) -> Tensor:
    """The volume (X, Y, Z) after a Gaussian of these standard deviations in voxels along its axes."""
    for axis, width in enumerate(widths):
        reach = int(np.ceil(2.5 * width))
        if reach == 0:
            continue
        weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / width) ** 2)
        kernel = (weights / weights.sum()).reshape([-1 if a == axis else 1 for a in range(3)])
        padding = [reach if a == axis else 0 for a in (2, 2, 1, 1, 0, 0)]
        padded = F.pad(values[None, None], padding, mode="replicate")
        values = F.conv3d(padded, kernel[None, None])[0, 0]
    return values
