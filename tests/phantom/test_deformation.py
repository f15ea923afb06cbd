import math

import pytest
import torch

from scripts.phantom.deformation import coarse, draw_velocity, identity, integrate, jacobian_determinant, sample
from scripts.phantom.fields import seeded

SHAPE = (48, 56, 40)
LATTICE = (12, 14, 10)
INTERIOR = (slice(None), slice(12, -12), slice(12, -12), slice(12, -12))


def test_zero_velocity_moves_nothing():
    assert torch.equal(integrate(torch.zeros(3, *LATTICE), SHAPE), torch.zeros(3, *SHAPE))


def test_constant_velocity_is_its_own_displacement():
    velocity = torch.tensor([1.0, -2.0, 0.5])[:, None, None, None].expand(3, *LATTICE)
    assert all(
        (moved - step).abs().max() < 1e-5 for moved, step in zip(integrate(velocity, SHAPE), (1, -2, 0.5), strict=True)
    )


def test_linear_velocity_grows_exponentially():
    # dx/dt = 0.1 (x - 24) carries x in unit time to 24 + exp(0.1) (x - 24).
    velocity = torch.zeros(3, *LATTICE)
    velocity[0] = 0.1 * (4 * identity(LATTICE)[0] - 24)
    moved = integrate(velocity, SHAPE)[INTERIOR]
    expected = (math.exp(0.1) - 1) * (identity(SHAPE)[0] - 24)
    torch.testing.assert_close(moved[0], expected[INTERIOR[1:]], atol=0.005, rtol=0)
    assert moved[1:].abs().max() == 0


def test_integration_unfolds_what_adding_the_velocity_would_fold():
    velocity = draw_velocity(SHAPE, {"10": 4.0}, seeded(1))
    start = identity(LATTICE) * 4 + velocity
    assert jacobian_determinant(start).min() < 0
    assert jacobian_determinant(identity(SHAPE) + integrate(velocity, SHAPE)).min() > 0


def test_reversed_velocity_is_the_inverse():
    velocity = draw_velocity(SHAPE, {"20": 2.0}, seeded(2))
    there, back = integrate(velocity, SHAPE), integrate(-velocity, SHAPE)
    left_over = there + sample(back, identity(SHAPE) + there)
    assert there[INTERIOR].abs().max() > 2
    assert left_over[INTERIOR].abs().max() < 0.25 and left_over[INTERIOR].abs().mean() < 0.05


@pytest.mark.parametrize("amplitude", [1.0, 3.0])
def test_strength_of_velocity_is_in_voxels(amplitude):
    velocities = torch.stack([draw_velocity(SHAPE, {"12": amplitude}, seeded(seed)) for seed in range(6)])
    assert velocities.std() == pytest.approx(amplitude, rel=0.15)


def test_jacobian_of_a_stretch_is_the_product_of_its_factors():
    stretched = identity((5, 5, 5)) * torch.tensor([2.0, 3.0, 0.5])[:, None, None, None]
    torch.testing.assert_close(jacobian_determinant(stretched), torch.full((4, 4, 4), 3.0))


def test_mirror_has_negative_jacobian():
    mirrored = identity((5, 5, 5)) * torch.tensor([-1.0, 1.0, 1.0])[:, None, None, None]
    assert (jacobian_determinant(mirrored) == -1).all()


def test_sample_is_linear_and_repeats_edges():
    ramp = identity((4, 4, 4))[:1]
    points = torch.tensor([[0.25, 2.5, 9.0], [1.0, 1.0, 1.0], [2.0, 2.0, 2.0]])[:, :, None, None]
    torch.testing.assert_close(sample(ramp, points).flatten(), torch.tensor([0.25, 2.5, 3.0]))


def test_labels_are_sampled_from_the_nearest_voxel():
    labels = torch.arange(64, dtype=torch.uint8).reshape(1, 4, 4, 4)
    points = torch.tensor([[0.4, 0.6, 7.0], [0.0, 0.0, 3.0], [0.0, 0.0, 2.6]])[:, :, None, None]
    assert sample(labels, points).flatten().tolist() == [0, 16, 63]


def test_coarse_lattice_is_every_fourth_voxel():
    assert torch.equal(coarse(identity(SHAPE)), 4 * identity(LATTICE))
