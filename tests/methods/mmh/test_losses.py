import pytest
import torch

from scripts.base.errors import InputError
from scripts.methods.mmh.losses import Denoised, TargetLoss, UnifiedLoss, displacement_loss
from scripts.methods.mmh.style import Style

CUBE = torch.zeros(1, 1, 2, 2, 2)


def denoised(time: int) -> Denoised:
    """Noise is wrong by 0.5, edges by 0.1, the mean by 0.2, the deviation by 0.3, the histogram by one of four bins."""
    made = Style(torch.tensor([[0.0, 1, 0, 0]]), torch.tensor([0.5]), torch.tensor([0.4]))
    record = Style(torch.tensor([[1.0, 0, 0, 0]]), torch.tensor([0.3]), torch.tensor([0.1]))
    return Denoised(CUBE, CUBE + 0.5, torch.tensor([time]), CUBE, CUBE - 0.1, made, record)


def test_the_first_stage_is_the_sum_of_noise_edges_and_style():
    losses = UnifiedLoss(wasserstein=10.0)(denoised(time=25), 1)
    # Style counts three quarters at t = 25.
    style = 0.75 * (10 * 0.25 + 0.2**2 + 0.3**2)
    assert losses["style"].item() == pytest.approx(style)
    assert losses["total"].item() == pytest.approx(0.25 + 0.01 + style)


def test_the_style_of_a_noisy_estimate_does_not_count():
    loss = UnifiedLoss()
    assert loss(denoised(time=100), 1)["style"].item() == 0
    assert loss(denoised(time=600), 1)["total"].item() == pytest.approx(0.26)
    assert loss.reliable(torch.tensor([1, 100, 101])).tolist() == [True, True, False]


def test_the_weight_of_the_distance_rises():
    loss = UnifiedLoss(mean=0, deviation=0, ramp_steps=10)
    quarter, whole = (loss(denoised(time=1), step)["style"].item() for step in (5, 20))
    assert quarter == pytest.approx(whole / 2)


def test_style_vectors_are_compared_by_length_and_direction():
    wanted = torch.tensor([[3.0, 4.0]])
    assert displacement_loss(wanted, wanted).item() == pytest.approx(0, abs=1e-6)
    assert displacement_loss(wanted, 2 * wanted).item() == pytest.approx(5)
    assert displacement_loss(wanted, torch.tensor([[4.0, -3.0]])).item() == pytest.approx(1)
    assert displacement_loss(wanted, -wanted).item() == pytest.approx(2)


def test_the_second_stage_is_a_weighted_sum():
    wanted = torch.tensor([[3.0, 4.0]])
    loss = TargetLoss(style=2.0, consistency=3.0, gradient=5.0, statistics=7.0)
    losses = loss(wanted, 2 * wanted, wanted + 1, torch.tensor(0.1), torch.tensor(0.2))
    assert losses["total"].item() == pytest.approx(2 * 5 + 3 * 1 + 5 * 0.1 + 7 * 0.2)
    made = denoised(1)
    assert loss.statistics_loss(made.style, made.record).item() == pytest.approx(10 * 0.25 + 0.04 + 0.09)


def test_wrong_settings_are_refused():
    with pytest.raises(InputError, match="`reliable_until` must be at least 1 .* got 0 and 0"):
        UnifiedLoss(reliable_until=0)
