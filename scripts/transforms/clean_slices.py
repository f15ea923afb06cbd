"""Slices without artifacts, on which severities are calibrated."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from ..contrasts import CONTRASTS
from ..errors import InputError
from ..io.mni152 import load_template
from ..phantom.acquisition import acquire
from ..phantom.cohort import derive_seed, draw_scanners
from ..phantom.scanner import RANGES_FILE, load_ranges
from ..phantom.subject import draw_subject, render_subject
from .orientations import ORIENTATIONS, to_slices


def phantom_slices(
    ages: Sequence[float],
    scanners: Sequence[str],
    positions: Sequence[float],
    size: int,
    seed: int,
    scanner_seed: int = 1,
    lesion_load: float = 0.0,
    contrasts: Sequence[str] = CONTRASTS,
    percentile: float = 95.0,
    protocols: str = str(RANGES_FILE),
) -> Iterator[np.ndarray]:
    """Yield (size, size) float32 slices of simulated, skull-stripped people, one of each age.

    The people visit one scanner of the population each, in the order of `scanners`, for all `contrasts`. Every volume
    gives a slice at each of the `positions` in each orientation.
    """
    _check_positions(positions)
    if len(ages) != len(scanners):
        raise InputError(f"`ages` and `scanners` must be as many, got {len(ages)} and {len(scanners)}")
    drawn = draw_scanners(scanners, contrasts, load_ranges(protocols), scanner_seed)
    for age, name in zip(ages, scanners, strict=True):
        scanner = drawn[name]
        subject = render_subject(draw_subject(derive_seed(seed, name), age, lesion_load))
        for contrast in scanner.protocols:
            image = acquire(subject, scanner, contrast, derive_seed(seed, name, "visit"))
            yield from _slices(image / np.percentile(image, percentile), positions, size)


def template_slices(positions: Sequence[float], size: int) -> Iterator[np.ndarray]:
    """Yield (size, size) float32 slices of the MNI152 T1w template.

    It takes no time to speak of, but is much smoother than a scan.
    """
    _check_positions(positions)
    t1w = load_template().t1w
    yield from _slices(t1w / np.percentile(t1w, 95), positions, size)


def _slices(volume: np.ndarray, positions: Sequence[float], size: int) -> Iterator[np.ndarray]:
    for orientation in ORIENTATIONS:
        stack = to_slices(torch.from_numpy(volume.astype(np.float32)), orientation, size)
        for position in positions:
            yield stack[int(position * size)].numpy()


def _check_positions(positions: Sequence[float]) -> None:
    if not all(0.0 <= position < 1.0 for position in positions):
        raise InputError(f"`positions` must be at least 0 and below 1, got {list(positions)}")
