import pytest
import torch

from scripts.phantom.fields import seeded, smooth_field, white_field

SHAPE = (48, 56, 40)


@pytest.mark.parametrize("spacing", [2.0, 3.5, 8.0])
def test_smooth_field_has_zero_mean_and_unit_variance(spacing):
    fields = torch.stack([smooth_field(SHAPE, spacing, seeded(seed)) for seed in range(12)])
    assert fields.shape == (12, *SHAPE)
    assert fields.mean().abs() < 0.05
    assert fields.var() == pytest.approx(1, abs=0.08)


@pytest.mark.parametrize("spacing", [6.0, 12.0])
def test_slope_of_smooth_field_falls_with_its_spacing(spacing):
    # Along an axis, cubic B-splines with random weights have mean square 151/315 and mean square slope 2/3 per knot.
    fields = torch.stack([smooth_field(SHAPE, spacing, seeded(seed)) for seed in range(12)])
    slope = fields.diff(dim=1).square().mean()
    assert slope == pytest.approx((2 / 3) / (151 / 315) / spacing**2, rel=0.15)


def test_white_field_is_standard_normal_and_rough():
    field = white_field((64, 64, 64), seeded(1))
    assert field.mean().abs() < 0.01 and field.std() == pytest.approx(1, abs=0.01)
    assert (field[1:] * field[:-1]).mean().abs() < 0.01


def test_same_seed_gives_the_same_field():
    assert torch.equal(smooth_field(SHAPE, 5.0, seeded(3, 1)), smooth_field(SHAPE, 5.0, seeded(3, 1)))


@pytest.mark.parametrize(("first", "second"), [((3, 1), (3, 2)), ((3, 1), (4, 1)), ((3, 1), (1, 3)), ((3,), (3, 0))])
def test_streams_of_different_seeds_are_unrelated(first, second):
    fields = torch.stack([white_field(SHAPE, seeded(*parts)).flatten() for parts in (first, second)])
    assert torch.corrcoef(fields)[0, 1].abs() < 0.02


def test_one_generator_gives_a_new_field_each_time():
    generator = seeded(3)
    first, second = smooth_field(SHAPE, 2.0, generator), smooth_field(SHAPE, 2.0, generator)
    assert torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1].abs() < 0.1
