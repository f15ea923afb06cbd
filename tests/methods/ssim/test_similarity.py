"""SSIM by numbers that are worked out by hand, and beside the bundle's own measure."""

import numpy as np
import pytest
import torch

from scripts.base.errors import InputError
from scripts.methods.ssim.similarity import Ssim, mean_of
from scripts.metrics.ssim import ssim_maps


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(1, 1, -1, 1, 1)


EVERYWHERE = torch.ones(1, 1, 2, 1, 1, dtype=torch.bool)
WHOLE = {"window": None, "k1": 1.0, "k2": 1.0}


def test_factors_of_two_voxels_by_hand():
    # Means 2 and 3, variances 1 and 4, covariance 2; C1 = C2 = 1, C3 = 1/2.
    factors = Ssim(**WHOLE).factors(column(1, 3), column(1, 5), EVERYWHERE)
    assert factors.luminance.item() == pytest.approx((2 * 2 * 3 + 1) / (4 + 9 + 1))
    assert factors.contrast.item() == pytest.approx((2 * 1 * 2 + 1) / (1 + 4 + 1))
    assert factors.structure.item() == pytest.approx((2 + 0.5) / (2 + 0.5))


def test_each_factor_has_its_own_exponent():
    factors = Ssim(**WHOLE).factors(column(1, 3), column(5, 1), EVERYWHERE)
    # l = 13/14, c = 5/6, s = (-2 + 1/2) / (2 + 1/2) = -3/5.
    assert Ssim(**WHOLE).combine(factors).item() == pytest.approx(13 / 14 * 5 / 6 * -0.6)
    assert Ssim((2, 0, 0), **WHOLE).combine(factors).item() == pytest.approx((13 / 14) ** 2)
    assert Ssim((0, 0.5, 0), **WHOLE).combine(factors).item() == pytest.approx((5 / 6) ** 0.5)
    assert Ssim((0, 0, 2), **WHOLE).combine(factors).item() == pytest.approx(0.36)


def test_structure_below_0_counts_as_0_for_powers_that_are_not_whole_and_slopes_stay_finite():
    first = column(1, 3).requires_grad_()
    ssim = Ssim((1, 1, 0.5), **WHOLE)
    value = ssim.combine(ssim.factors(first, column(5, 1), EVERYWHERE))
    assert value.item() == pytest.approx(0, abs=1e-3)
    value.sum().backward()
    assert first.grad.isfinite().all()


def test_a_flat_image_has_finite_slopes():
    flat = torch.ones(1, 1, 8, 8, 8, requires_grad=True)
    other = torch.rand(1, 1, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    ssim = Ssim()
    ssim.combine(ssim.factors(flat, other, flat > 0)).mean().backward()
    assert flat.grad.isfinite().all()


def test_windows_are_those_of_the_measure():
    rng = np.random.default_rng(0)
    first, second = (rng.random((9, 10, 11)).astype(np.float32) for _ in range(2))
    tensors = [torch.from_numpy(each)[None, None] for each in (first, second)]
    factors = Ssim(window=5).factors(*tensors, tensors[0] >= 0)
    expected = ssim_maps(first, second, window="uniform", radius=2)
    for found, wanted in zip(factors, expected[1:], strict=True):
        np.testing.assert_allclose(found[0, 0].numpy(), wanted, atol=2e-4)


def test_a_whole_comparison_sees_what_is_shown_alone():
    first, second = column(1, 3, 9), column(1, 5, 0)
    shown = column(1, 1, 0) > 0
    assert mean_of(first, shown).item() == pytest.approx(2)
    seen = Ssim(**WHOLE).factors(first, second, shown)
    alone = Ssim(**WHOLE).factors(first[:, :, :2], second[:, :, :2], EVERYWHERE)
    assert [a.item() for a in seen] == pytest.approx([b.item() for b in alone])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"window": 4}, "`window` must be an odd number of at least 3, or null, got 4"),
        ({"exponents": (1, 1)}, "`exponents` must be three numbers of at least 0"),
        ({"exponents": (1, 1, -1)}, "`exponents` must be three numbers of at least 0"),
        ({"data_range": 0}, "`data_range` must be above 0, got 0"),
    ],
)
def test_wrong_settings_are_refused(wrong, words):
    with pytest.raises(InputError, match=words):
        Ssim(**wrong)
