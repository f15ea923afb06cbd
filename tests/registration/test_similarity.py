import math

import pytest
import torch

from scripts.registration.similarity import normalized_mutual_information

# The entropy of a cubic B-spline on a knot: 1/6, 4/6, 1/6.
SPREAD = math.log(6) / 3 + 2 / 3 * math.log(1.5)
ALL = torch.ones(4, dtype=torch.bool)


def test_equal_values_of_two_kinds_share_the_entropy_of_a_coin():
    values = torch.tensor([0.0, 1, 0, 1])
    expected = (2 * math.log(2) + SPREAD) / (math.log(2) + SPREAD)
    assert float(normalized_mutual_information(values, values, ALL)) == pytest.approx(expected, abs=1e-6)
    assert float(normalized_mutual_information(values, 1 - values, ALL)) == pytest.approx(expected, abs=1e-6)


def test_independent_values_share_nothing():
    fixed, moving = torch.tensor([0.0, 0, 1, 1]), torch.tensor([0.0, 1, 0, 1])
    assert float(normalized_mutual_information(fixed, moving, ALL)) == pytest.approx(1, abs=1e-6)


def test_points_outside_do_not_count():
    values = torch.tensor([0.0, 1, 0, 1])
    inside = torch.tensor([True, True, True, True, False, False])
    longer = torch.cat([values, torch.tensor([0.0, 0])]), torch.cat([values, torch.tensor([1.0, 0.3])])
    expected = normalized_mutual_information(values, values, ALL)
    torch.testing.assert_close(normalized_mutual_information(*longer, inside), expected)


def test_gradient_is_that_of_finite_differences():
    generator = torch.Generator().manual_seed(0)
    fixed = torch.rand(50, generator=generator)
    moving = (0.6 * fixed + 0.3 * torch.rand(50, generator=generator)).double().requires_grad_(True)
    inside = torch.ones(50, dtype=torch.bool)
    assert torch.autograd.gradcheck(lambda m: normalized_mutual_information(fixed, m, inside), [moving], atol=1e-4)


def test_several_images_are_measured_at_once():
    generator = torch.Generator().manual_seed(0)
    fixed, moving = torch.rand(50, generator=generator), torch.rand(3, 50, generator=generator)
    inside = torch.rand(3, 50, generator=generator) > 0.3
    expected = [normalized_mutual_information(fixed, *one) for one in zip(moving, inside, strict=True)]
    torch.testing.assert_close(normalized_mutual_information(fixed, moving, inside), torch.stack(expected))
