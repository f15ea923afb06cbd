import pytest
import torch
from monai.networks.schedulers import DDIMScheduler
from torch import nn

from scripts.base.errors import InputError
from scripts.methods.mmh.sampling import DdimSampler


class Constant(nn.Module):
    """Finds the same noise everywhere, and notes the times at which it is asked."""

    def __init__(self, noise: float) -> None:
        super().__init__()
        self.noise = nn.Parameter(torch.tensor(noise))
        self.times: list[int] = []

    def forward(self, noisy, time, condition, contrast):
        self.times.append(int(time[0]))
        return self.noise.expand(noisy.shape)


def scheduler() -> DDIMScheduler:
    settings = {"schedule": "scaled_linear_beta", "beta_start": 0.0015, "beta_end": 0.0195}
    return DDIMScheduler(num_train_timesteps=1000, clip_sample=False, **settings)


VOLUMES = torch.tensor([-1.0, 0.0, 0.5]).view(1, 1, 3, 1, 1)
GIVEN = (torch.zeros_like(VOLUMES), torch.tensor([0]))


def test_the_schedule_is_the_one_of_the_papers_figure():
    kept = scheduler().alphas_cumprod
    ratio = kept / (1 - kept)
    # SNR is 1 at t = 254 and 4.65 at t = 100; the paper counts from 1.
    assert float(ratio[253]) == pytest.approx(1, abs=0.01)
    assert float(ratio[99]) == pytest.approx(4.65, abs=0.1)


def test_steps_of_both_ways_meet_at_the_same_time():
    model, sampler = Constant(0.3), DdimSampler(scheduler(), 175, 35, 25)
    noisy = sampler.invert(model, VOLUMES, *GIVEN)
    assert model.times == [4, *range(4, 174, 5)]
    model.times.clear()
    sampler.sample(model, noisy, *GIVEN)
    assert model.times == list(range(174, -1, -7))
    assert sampler.steps == 60


def test_inverting_adds_the_models_noise_and_sampling_takes_it_away():
    sampler, kept = DdimSampler(scheduler(), 175, 35, 25), scheduler().alphas_cumprod[174]
    noisy = sampler.invert(Constant(0.3), VOLUMES, *GIVEN)
    torch.testing.assert_close(noisy, kept.sqrt() * VOLUMES + (1 - kept).sqrt() * 0.3)
    torch.testing.assert_close(sampler.sample(Constant(0.3), noisy, *GIVEN), VOLUMES, atol=1e-5, rtol=0)


def test_other_noise_on_the_way_down_moves_the_volume():
    sampler, kept = DdimSampler(scheduler(), 175, 7, 5), scheduler().alphas_cumprod[174]
    noisy = sampler.invert(Constant(0.0), VOLUMES, *GIVEN)
    moved = sampler.sample(Constant(0.5), noisy, *GIVEN)
    torch.testing.assert_close(moved, VOLUMES - 0.5 * ((1 - kept) / kept).sqrt(), atol=1e-5, rtol=0)


def test_every_step_is_told():
    told: list[int] = []
    sampler = DdimSampler(scheduler(), 175, 7, 5)
    noisy = sampler.invert(Constant(0.0), VOLUMES, *GIVEN, told.append)
    sampler.sample(Constant(0.0), noisy, *GIVEN, told.append)
    assert told == [*range(1, 8), *range(1, 6)]


def test_gradients_go_back_through_the_last_steps_alone():
    sampler, kept = DdimSampler(scheduler(), 175, 7, 5), scheduler().alphas_cumprod
    gradients = []
    for steps in (None, 1):
        model = Constant(0.5)
        sampler.sample(model, VOLUMES, *GIVEN, learned_steps=steps).mean().backward()
        gradients.append(float(model.noise.grad))
    # The last step is at time 34, and gives the estimate.
    assert gradients[1] == pytest.approx(-float(((1 - kept[34]) / kept[34]).sqrt()))
    assert gradients[0] == pytest.approx(-float(((1 - kept[174]) / kept[174]).sqrt()), rel=1e-4)


def test_inverting_learns_nothing():
    assert not DdimSampler(scheduler(), 6, 3, 2).invert(Constant(0.1), VOLUMES, *GIVEN).requires_grad


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((175, 30, 25), "`steps_up` must divide `middle` into steps .* got 30 of 175"),
        ((175, 35, 10), "`steps_down` must divide `middle` into steps .* got 10 of 175"),
        ((1002, 6, 6), "`middle` must be at most the 1000 times of the scheduler, got 1002"),
        ((900, 3, 3), "`steps_up` must divide `middle` .* got 3 of 900"),
        ((0, 1, 1), "`middle` must be a whole number of at least 1, got 0"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(numbers, words):
    with pytest.raises(InputError, match=words):
        DdimSampler(scheduler(), *numbers)
