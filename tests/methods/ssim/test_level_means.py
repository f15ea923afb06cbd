"""Means of what layers find, standardised by what training saw."""

import torch
from torch import nn

from scripts.methods.ssim.level_means import MOMENTUM, LevelMeans


def level_means() -> LevelMeans:
    torch.manual_seed(0)
    layers = [nn.Conv3d(1, 3, 3, padding=1), nn.Conv3d(3, 4, 4, stride=2, padding=1)]
    return LevelMeans(layers, [3, 4])


def volumes(seed: int, batch: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 1, 8, 6, 6, generator=generator)


def test_means_are_over_what_is_shown():
    module, shown = level_means().eval(), torch.zeros(2, 1, 8, 6, 6)
    shown[..., :4, :, :] = 1
    features, means = module(volumes(0), shown)
    first = module.layers[0](volumes(0))
    torch.testing.assert_close(means[:, :3], first[..., :4, :, :].mean((2, 3, 4)), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(means[:, 3:], features[..., :2, :, :].mean((2, 3, 4)), atol=1e-4, rtol=1e-4)
    changed = volumes(0)
    # Beyond the reach of the layers.
    changed[..., 7, :, :] = 9
    torch.testing.assert_close(module(changed, shown)[1], means)


def test_training_standardises_by_all_that_it_saw_and_using_changes_nothing():
    module, shown = level_means().train(), torch.ones(2, 1, 8, 6, 6)
    seen = [torch.cat([f.mean((2, 3, 4)) for f in features(module, volumes(seed))], 1) for seed in range(20)]
    for seed in range(20):
        module(volumes(seed), shown)
    together = torch.cat(seen)
    torch.testing.assert_close(module.mean, together.mean(0))
    torch.testing.assert_close(module.variance, together.var(0, correction=0), atol=1e-6, rtol=1e-3)
    module.eval()
    before = module.mean.clone()
    _, means = module(volumes(3), shown)
    assert torch.equal(module.mean, before)
    torch.testing.assert_close(means, (seen[3] - module.mean) / (module.variance + 1e-6).sqrt())


def test_what_was_seen_long_ago_is_forgotten():
    module, shown = level_means().train(), torch.ones(2, 1, 8, 6, 6)
    for _ in range(round(1 / MOMENTUM)):
        module(volumes(0) + 5, shown)
    far = module.mean.clone()
    for _ in range(round(8 / MOMENTUM)):
        module(volumes(0), shown)
    near = torch.cat([f.mean((0, 2, 3, 4)) for f in features(module, volumes(0))])
    assert ((module.mean - near).abs() < 1e-3 * (far - near).abs()).all()


@torch.no_grad()
def features(module: LevelMeans, volume: torch.Tensor) -> list[torch.Tensor]:
    first = module.layers[0](volume)
    return [first, module.layers[1](first)]
