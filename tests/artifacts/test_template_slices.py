from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scripts.artifacts.template_slices import phantom_slices, template_slices
from scripts.base.contrasts import CONTRASTS
from scripts.base.errors import InputError
from scripts.phantom.scanner import Scanner

CODES = {"S1-01": 0, "S3-01": 1000, "S13-01": 2000}


@dataclass(frozen=True)
class BoxPhantom:
    """A brain that fills most of a box of 6 x 8 x 6 voxels; one voxel tells age, contrast and scanner."""

    def draw_subject(self, seed: int, age: float, lesion_load: float, head: bool) -> SimpleNamespace:
        assert not head
        return SimpleNamespace(seed=seed, age=age)

    def render_subject(self, parameters: SimpleNamespace) -> SimpleNamespace:
        return parameters

    def acquire(self, subject: SimpleNamespace, scanner: Scanner, contrast: str, visit_seed: int) -> np.ndarray:
        image = np.zeros((6, 8, 6), np.float32)
        image[1:5, 1:7, 1:5] = 2.0
        image[3, 4, 3] = 2 * (subject.age + 100 * CONTRASTS.index(contrast) + CODES[scanner.name])
        return image


def box_slices(**options: Any) -> list[np.ndarray]:
    settings = {"scanners": ["S1-01", "S3-01"], "ages": [30, 60], "positions": [0.5], "field_of_view": 8, "seed": 1}
    return list(phantom_slices(**settings | options, phantom=BoxPhantom()))


def test_every_person_gives_slices_of_each_contrast_and_orientation():
    volumes = [30, 130, 230, 330, 1060, 1160, 1260, 1360]
    assert [plane.max() for plane in box_slices()] == [volume for volume in volumes for _ in range(3)]


def test_people_share_out_the_scanners_and_scanners_keep_to_their_contrasts():
    found = box_slices(scanners=["S1-01", "S3-01", "S13-01"], contrasts=["t1w", "pd"])
    # The first person visits the first and the third scanner, which acquires no PD.
    assert [plane.max() for plane in found[::3]] == [30, 230, 2030, 1060, 1260]


def test_slices_are_padded_and_scaled_to_the_percentile_of_the_volume():
    for plane in box_slices(positions=[0.3]):  # number 2 of the cube, which does not hold the odd voxel
        assert plane.shape == (8, 8)
        assert plane.dtype == np.float32
        # 96 of 288 voxels are brain, so its brightness is the 95th percentile.
        assert set(np.unique(plane)) == {0.0, 1.0}


def test_template_slices_follow_the_published_layout(held_out_slices):
    assert len(held_out_slices) == 6
    # Rows of an axial slice run along y, 224 voxels; columns along x, 192 voxels and 16 of padding on either side.
    axial = held_out_slices[0]
    assert axial.shape == (224, 224)
    assert not axial[:, :16].any()
    assert not axial[:, -16:].any()
    assert axial.any(axis=1).sum() > axial.any(axis=0).sum()


def test_bad_positions_sizes_and_ages_are_refused():
    with pytest.raises(InputError, match=r"`positions` must be at least 0 and below 1, got \[1.5\]"):
        next(template_slices([1.5], 224))
    with pytest.raises(InputError, match=r"`positions` must be at least 0 and below 1, got \[-0.1\]"):
        box_slices(positions=[-0.1])
    with pytest.raises(InputError, match=r"`field_of_view` must be at least 224 for a volume of .*, got 200"):
        next(template_slices([0.5], 200))
    for ages in ([], [30, 40, 50]):
        with pytest.raises(InputError, match=f"`ages` must be at least 1 and at most .* `scanners`, got {len(ages)}"):
            box_slices(ages=ages)
    with pytest.raises(InputError, match="`scanners` must be scanners of the population, got S1-99"):
        box_slices(scanners=["S1-99"], ages=[30])
