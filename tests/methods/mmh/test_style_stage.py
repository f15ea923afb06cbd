import pytest
import torch
from monai.networks.schedulers import DDPMScheduler

from scripts.base.errors import InputError
from scripts.methods.mmh.losses import UnifiedLoss
from scripts.methods.mmh.style import StyleStatistics, foreground, told_of
from scripts.methods.mmh.style_stage import StyleStage

from .tiny import tiny_network, tiny_volumes

NOBODY, FIRST = torch.tensor([False, False]), torch.tensor([True, False])


def stage(**options) -> StyleStage:
    scheduler = DDPMScheduler(1000, "scaled_linear_beta", beta_start=0.0015, beta_end=0.0195)
    return StyleStage(tiny_network(), UnifiedLoss(), scheduler, StyleStatistics(), **options)


def given(time: int) -> tuple[torch.Tensor, ...]:
    volumes = tiny_volumes()
    noise = torch.randn(volumes.shape, generator=torch.Generator().manual_seed(3))
    return volumes, torch.tensor([0, 0]), torch.tensor([time, time]), noise


def test_the_estimate_takes_away_what_the_model_found():
    module, (volumes, contrast, time, noise) = stage(), given(49)
    # A new model finds no noise, so that all of it stays in the estimate: I + sqrt((1 - alpha) / alpha) epsilon.
    kept = float(module.scheduler.alphas_cumprod[49])
    made = module.denoise(volumes, contrast, time, noise, NOBODY, follow=False)
    expected = StyleStatistics()(volumes + ((1 - kept) / kept) ** 0.5 * noise, foreground(volumes))
    torch.testing.assert_close(made.style.mean, expected.mean)
    assert not made.found.any() and made.time.tolist() == [50, 50]


def test_a_volume_has_either_its_own_style_or_that_of_the_records():
    module, inputs = stage(), given(49)
    told = []
    module.network.model.register_forward_pre_hook(lambda _, arguments: told.append(arguments[-2:]))
    before = module.network.model.records.of(torch.tensor([0])).told
    made = module.denoise(*inputs, FIRST, follow=True)
    seen, wanted = told[0]
    torch.testing.assert_close(seen, told_of(inputs[0]))
    torch.testing.assert_close(wanted, torch.cat([told_of(inputs[0])[:1], before]))
    torch.testing.assert_close(made.record.told[0], told_of(inputs[0])[0])
    after = module.network.model.records.of(torch.tensor([0])).told
    torch.testing.assert_close(made.record.told[1:], after)
    # The record follows what is made of the second one, and not of the first.
    torch.testing.assert_close(after[0], 0.8 * before[0] + 0.2 * made.style.told[1])


def test_records_do_not_follow_noisy_estimates_or_a_validation():
    for time, follow in ((100, True), (49, False)):
        module = stage()
        before = {name: value.clone() for name, value in module.network.model.records.named_buffers()}
        module.denoise(*given(time), NOBODY, follow=follow)
        assert all(torch.equal(before[n], v) for n, v in module.network.model.records.named_buffers())


def test_a_volume_goes_up_in_its_own_style_unless_it_is_not_to():
    network, volumes = tiny_network(), tiny_volumes()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    inputs = (volumes, torch.tensor([9, 9]), network.condition(volumes), torch.tensor([0, 0]))
    own = told_of(volumes)
    up, down = network.upwards(volumes)(*inputs), network.model.downwards(volumes)(*inputs)
    torch.testing.assert_close(up, network.model(*inputs, own, own))
    torch.testing.assert_close(down, network.model(*inputs, own))
    assert not torch.allclose(up, down)
    network.own_style_up = False
    torch.testing.assert_close(network.upwards(volumes)(*inputs), down)


def test_wrong_settings_are_refused():
    with pytest.raises(InputError, match="`own_share` must be from 0 to 1, got 2"):
        stage(own_share=2)
