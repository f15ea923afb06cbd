"""Slices without artifacts, on which severities are calibrated.

They are laid out as in `orientations.py`. A position is a share of the padded cube's side, the `field_of_view`, between
0 and 1. Volumes are divided by a percentile of all their voxels, zeros included, as the networks expect them.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..base.seeds import derive_seed
from ..images.mni152 import load_template
from ..images.orientations import ORIENTATIONS, to_slices
from ..phantom.cohort import draw_scanners
from ..phantom.phantom import Phantom, PhantomParts
from ..phantom.scanner import RANGES_FILE, load_ranges


def phantom_slices(
    scanners: Sequence[str],
    ages: Sequence[float],
    positions: Sequence[float],
    field_of_view: int,
    seed: int,
    scanner_seed: int = 1,
    lesion_load: float = 0.0,
    contrasts: Sequence[str] = CONTRASTS,
    percentile: float = 95.0,
    protocols: str = str(RANGES_FILE),
    phantom: PhantomParts | None = None,
) -> Iterator[np.ndarray]:
    """Yield square float32 slices of simulated people without skull, one person for each of the `ages`.

    The people share out the `scanners` of the population, so that every scanner is visited once, for all `contrasts`
    that it acquires. Slices come by person, scanner, contrast, orientation and position. The `lesion_load`, 0 to 1, is
    the same for all. `phantom` can take the place of the repository's own.
    """
    if not 1 <= len(ages) <= len(scanners):
        raise InputError(f"`ages` must be at least 1 and at most as many as `scanners`, got {len(ages)}")
    _check_positions(positions)
    phantom = phantom or Phantom()
    drawn = draw_scanners(scanners, contrasts, load_ranges(protocols), scanner_seed)
    for index, age in enumerate(ages):
        subject_seed = derive_seed(seed, index + 1)
        person = phantom.render_subject(phantom.draw_subject(subject_seed, age, lesion_load, head=False))
        for name in scanners[index :: len(ages)]:
            for contrast in drawn[name].protocols:
                image = phantom.acquire(person, drawn[name], contrast, derive_seed(subject_seed, name))
                yield from _slices(image, percentile, positions, field_of_view)


def template_slices(positions: Sequence[float], field_of_view: int, percentile: float = 95.0) -> Iterator[np.ndarray]:
    """Yield square float32 slices of the MNI152 T1w template: there at once, but smoother than any scan."""
    _check_positions(positions)
    yield from _slices(load_template().t1w, percentile, positions, field_of_view)


def _slices(
    volume: np.ndarray, percentile: float, positions: Sequence[float], field_of_view: int
) -> Iterator[np.ndarray]:
    scaled = torch.from_numpy((volume / np.percentile(volume, percentile)).astype(np.float32))
    for orientation in ORIENTATIONS:
        stack = to_slices(scaled, orientation, field_of_view)
        for position in positions:
            # Copied, so that a slice does not keep its volume in memory.
            yield stack[int(position * field_of_view)].numpy().copy()


def _check_positions(positions: Sequence[float]) -> None:
    if not all(0.0 <= position < 1.0 for position in positions):
        raise InputError(f"`positions` must be at least 0 and below 1, got {list(positions)}")
