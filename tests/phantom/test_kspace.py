import math

import pytest
import torch

from scripts.phantom.fields import seeded
from scripts.phantom.kspace import acquire_matrix, slice_profile

SHAPE = (32, 40, 24)


def acquire(signal: torch.Tensor, kept=SHAPE, apodization=0.0, sharpening=0.0, noise=0.0, seed=1) -> torch.Tensor:
    return acquire_matrix(signal, kept, apodization, sharpening, noise, seeded(seed))


def wave(frequency: float) -> torch.Tensor:
    """A wave along x around 3, of amplitude 1 and so many cycles per voxel."""
    line = 3 + torch.cos(2 * torch.pi * frequency * torch.arange(SHAPE[0]))
    return line[:, None, None].expand(SHAPE)


def amplitude(image: torch.Tensor) -> float:
    return float(image[:, 0, 0].max() - image[:, 0, 0].min()) / 2


def box_along_x() -> torch.Tensor:
    image = torch.ones(SHAPE)
    image[8:24] = 2
    return image


@pytest.mark.parametrize("apodization", [0.0, 0.7])
def test_constant_image_stays(apodization):
    image = acquire(torch.full(SHAPE, 5.0), (20, 24, 24), apodization, sharpening=0.5)
    torch.testing.assert_close(image, torch.full(SHAPE, 5.0), rtol=0.01, atol=0)
    assert image.max() - image.min() < 1e-4


def test_point_stays_where_it_is():
    image = torch.full(SHAPE, 10.0, dtype=torch.float64)
    image[10, 20, 5] = 11
    spread = acquire(image) - 10
    assert spread.argmax() == image.argmax()
    assert spread.sum() == pytest.approx(1)
    torch.testing.assert_close(spread[1:10, 20, 5].flip(0), spread[11:20, 20, 5])


def test_fine_detail_gets_back_what_interpolation_takes():
    # At a quarter of the sampling frequency the gain is 1 / (1 - (1/2)^2 / 2) = 8 / 7.
    assert amplitude(acquire(wave(1 / 4))) == pytest.approx(8 / 7, rel=1e-4)


def test_sharpening_grows_with_the_square_of_frequency():
    # 1 + 0.4 (2/4)^2 = 1.1, on top of the 8 / 7.
    assert amplitude(acquire(wave(1 / 4), sharpening=0.4)) == pytest.approx(1.1 * 8 / 7, rel=1e-4)


def test_detail_finer_than_the_matrix_is_lost():
    kept = (16, 40, 24)
    assert amplitude(acquire(wave(3 / 8), kept)) == pytest.approx(0, abs=1e-5)
    assert amplitude(acquire(wave(1 / 8), kept)) > 1


def test_edge_rings_without_apodization_only():
    overshoot = [float(acquire(box_along_x(), (16, 40, 24), a).max()) - 2 for a in (0.0, 1.0)]
    # Gibbs: a cut series overshoots a jump by at least 8.9 percent of it.
    assert overshoot[0] > 0.089
    assert overshoot[1] < 0.01


def test_edge_is_less_steep_with_a_smaller_matrix():
    slopes = [float(acquire(box_along_x(), (n, 40, 24), 1.0).diff(dim=0).max()) for n in (32, 16, 8)]
    assert slopes[0] > 1.5 * slopes[1] > 2 * slopes[2]


@pytest.mark.parametrize("kept", [SHAPE, (16, 20, 24)])
def test_noise_has_the_asked_standard_deviation(kept):
    image = acquire(torch.full(SHAPE, 100.0), kept, noise=2.0)
    assert image.std() == pytest.approx(2, rel=0.06)
    assert image.mean() == pytest.approx(100, rel=0.005)


def test_background_holds_rician_noise():
    image = acquire(torch.zeros(SHAPE), noise=2.0)
    assert image.mean() == pytest.approx(2 * math.sqrt(math.pi / 2), rel=0.02)
    assert image.std() == pytest.approx(2 * math.sqrt(2 - math.pi / 2), rel=0.03)


def test_noise_follows_the_seed():
    first, again, other = (acquire(torch.ones(SHAPE), noise=0.1, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_slices_average_over_their_thickness():
    ramp = torch.arange(8.0)[None, None].expand(3, 5, 8)
    # Slices of 0..3 and 4..7 have means 1.5 and 5.5 at 1.5 and 5.5; between them the ramp is met exactly.
    profile = slice_profile(ramp, 2, 4.0)
    torch.testing.assert_close(profile[0, 0], torch.tensor([1.5, 1.5, 2, 3, 4, 5, 5.5, 5.5]))
    assert torch.equal(profile, profile[:1, :1].expand(3, 5, 8))


def test_thick_slices_leave_the_other_axes_alone():
    image = torch.rand((6, 5, 8), generator=seeded(1))
    flat = image[:, :, :1].expand(6, 5, 8)
    torch.testing.assert_close(slice_profile(flat, 2, 4.0), flat)


def test_slices_of_one_voxel_change_nothing():
    image = torch.rand((6, 5, 8), generator=seeded(1))
    torch.testing.assert_close(slice_profile(image, 1, 1.0), image)
