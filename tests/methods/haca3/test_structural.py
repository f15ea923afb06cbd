import numpy as np
import pytest
import torch
from monai.transforms import GaussianSmooth
from torch import Tensor

from scripts.methods.haca3.structural import StructuralLoss
from scripts.metrics.ssim import windowed_ssim


@pytest.fixture
def images() -> tuple[Tensor, Tensor, Tensor]:
    """Output, target and what is visible, each (2, 1, 20, 24)."""
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(2, 1, 20, 24, generator=generator)
    output = target + 0.2 * torch.rand(2, 1, 20, 24, generator=generator)
    visible = torch.zeros(2, 1, 20, 24, dtype=torch.bool)
    visible[:, :, 3:18, :20] = True
    return output, target, visible


@pytest.mark.parametrize("options", [{}, {"data_range": 2.0, "sigma": 1.0, "radius": 3, "k1": 0.02, "k2": 0.05}])
def test_loss_is_what_the_metric_lacks_to_one(images, options):
    loss = StructuralLoss(**options)(*images)
    values = [windowed_ssim(*(image[b, 0].numpy() for image in images), **options).value for b in range(2)]
    assert loss.item() == pytest.approx(1 - np.mean(values), abs=1e-5)


def test_equal_images_lose_nothing(images):
    output, _, visible = images
    assert StructuralLoss()(output, output, visible).item() == pytest.approx(0, abs=1e-6)


def test_a_window_of_one_pixel_compares_brightness_alone():
    # (2 * .2 * .8 + c1) / (.2^2 + .8^2 + c1), c1 being 1e-4.
    output, target = torch.full((1, 1, 5, 5), 0.2), torch.full((1, 1, 5, 5), 0.8)
    centre = torch.zeros(1, 1, 5, 5, dtype=torch.bool)
    centre[..., 2, 2] = True
    loss = StructuralLoss(radius=0)(output, target, centre)
    assert loss.item() == pytest.approx(1 - (0.32 + 1e-4) / (0.68 + 1e-4))


def test_blur_costs_more_structure_than_an_offset_of_the_same_mean_error(images):
    _, target, visible = images
    blurred = torch.stack([GaussianSmooth(1.0)(image) for image in target])
    shifted = target + ((blurred - target).abs() * visible).sum() / visible.sum()
    loss = StructuralLoss()
    assert loss(blurred, target, visible) > 4 * loss(shifted, target, visible)


def test_what_is_not_visible_plays_no_part(images):
    output, target, visible = images
    changed = output.masked_fill(~visible, 9.0)
    assert torch.equal(StructuralLoss()(changed, target, visible), StructuralLoss()(output, target, visible))


def test_nothing_visible_is_zero_with_a_gradient(images):
    output, target, visible = images
    output.requires_grad_()
    loss = StructuralLoss()(output, target, torch.zeros_like(visible))
    loss.backward()
    assert loss.item() == 0
    assert not output.grad.any()


def test_a_step_down_makes_the_images_more_alike(images):
    output, target, visible = images
    output.requires_grad_()
    loss = StructuralLoss()(output, target, visible)
    loss.backward()
    assert StructuralLoss()(output.detach() - output.grad, target, visible) < loss


def test_loss_is_in_single_precision_under_autocast(images):
    output, target, visible = images
    with torch.autocast("cpu", torch.bfloat16):
        lowered = StructuralLoss()(output.bfloat16(), target, visible)
    assert lowered.dtype == torch.float32
    assert torch.equal(lowered, StructuralLoss()(output.bfloat16().float(), target, visible))


def test_loss_has_no_state_to_save():
    assert not StructuralLoss().state_dict()
