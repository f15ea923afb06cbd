import numpy as np
import pytest
import torch

from scripts.base.errors import InputError
from scripts.preprocessing.closing import close_with_ball


def ball(radius: int) -> list[tuple[int, int, int]]:
    reach = range(-radius, radius + 1)
    return [(x, y, z) for x in reach for y in reach for z in reach if x * x + y * y + z * z <= radius * radius]


def brute_force_closing(mask: torch.Tensor, radius: int) -> torch.Tensor:
    padded = torch.nn.functional.pad(mask, [2 * radius] * 6)
    shifted = [padded.roll(offset, (0, 1, 2)) for offset in ball(radius)]
    dilated = torch.stack(shifted).any(0)
    closed = torch.stack([dilated.roll(offset, (0, 1, 2)) for offset in ball(radius)]).all(0)
    inside = slice(2 * radius, -2 * radius)
    return closed[inside, inside, inside]


@pytest.mark.parametrize("shape", [(9, 12, 10), (19, 4, 7), (1, 11, 16), (5, 1, 1), (3, 17, 2)])
@pytest.mark.parametrize("radius", [1, 2, 3, 5])
@pytest.mark.parametrize("density", [0.03, 0.3])
def test_closing_equals_dilation_and_erosion_voxel_by_voxel(shape, radius, density):
    generator = torch.Generator().manual_seed(radius)
    for _ in range(3):
        mask = torch.rand(shape, generator=generator) < density
        mask[-1, 0, -1] = True  # the border is part of it
        closed = close_with_ball(mask, radius)
        assert closed.dtype == torch.bool
        assert torch.equal(closed, brute_force_closing(mask, radius))


@pytest.mark.parametrize("radius", [6, 20])
def test_a_hollow_is_filled_unless_the_ball_fits_in(radius):
    center = radius + 3
    axis = np.arange(2 * center + 1) - center
    squares = torch.from_numpy(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    tight, wide = squares >= radius**2, squares > radius**2
    assert close_with_ball(tight, radius).all()
    assert torch.equal(close_with_ball(wide, radius), wide)


def test_a_notch_at_the_border_of_the_volume_stays_open():
    mask = torch.ones(30, 30, 30, dtype=torch.bool)
    mask[0, 15, 15] = mask[15, -1, 15] = mask[15, 15, 0] = False
    assert torch.equal(close_with_ball(mask, 4), mask)


def test_an_empty_mask_stays_empty():
    assert not close_with_ball(torch.zeros(4, 5, 6, dtype=torch.bool), 3).any()


@pytest.mark.parametrize("radius", [0, 128, 2.5])
def test_what_is_no_radius_is_refused(radius):
    with pytest.raises(InputError, match=f"`radius` must be a whole number of voxels from 1 to 127, got {radius}"):
        close_with_ball(torch.ones(2, 2, 2, dtype=torch.bool), radius)
