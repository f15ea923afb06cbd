import pytest
import torch
from torch import Tensor

from scripts.base.errors import InputError
from scripts.methods.haca3.levels import LevelCalibration, mean_levels, same_width, with_levels
from scripts.methods.haca3.network import Haca3

from .own_parts import own_haca3_plus

LEVELS = (0.3, -0.1, 0.0, 0.2, 0.05)
CODE = torch.tensor([[0.5, -0.4, 0.1, 0.2]])


class Lacking:
    """Makes of a target what lacks `LEVELS`, and sees classes in thirds of pixels."""

    def make_up_target(self, images: Tensor, contrast: str, code: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        shares = torch.rand(4, 5, 16, 16, generator=torch.Generator().manual_seed(0)).softmax(1)
        wanted = images[:1].expand(4, 1, 16, 16) + torch.rand(4, 1, 16, 16)
        missing = (shares * torch.tensor(LEVELS).view(5, 1, 1)).sum(1, keepdim=True)
        return wanted, wanted - missing, shares


def test_levels_are_what_the_classes_lack():
    found = LevelCalibration(threshold=-9.0, ridge=1e-9)(Lacking(), torch.ones(1, 1, 1), "t1w", CODE)
    assert found == pytest.approx(LEVELS, abs=1e-4)


def test_a_ridge_holds_levels_near_0():
    calibrations = (LevelCalibration(threshold=-9.0, ridge=ridge) for ridge in (1e-9, 1.0, 1e9))
    sizes = [sum(map(abs, found(Lacking(), torch.ones(1, 1, 1), "t1w", CODE) or ())) for found in calibrations]
    assert sizes[0] > sizes[1] > sizes[2] and sizes[2] < 1e-6
    with pytest.raises(InputError, match="`ridge` must be above 0, got 0"):
        LevelCalibration(ridge=0)


def test_a_target_that_shows_nothing_has_no_levels():
    assert LevelCalibration(threshold=9.0)(Lacking(), torch.ones(1, 1, 1), "t1w", CODE) is None


def test_codes_with_and_without_levels_go_side_by_side():
    codes = same_width([CODE, with_levels(CODE, LEVELS)])
    torch.testing.assert_close(codes, torch.tensor([[*CODE[0], 0, 0, 0, 0, 0], [*CODE[0], *LEVELS]]))
    assert torch.equal(same_width([CODE, CODE]), CODE.expand(2, -1))


def test_the_mean_of_levels_is_of_those_that_are_known():
    assert mean_levels([(0.25, 1.0), None, (0.75, 0.0)]) == (0.5, 0.5)
    assert mean_levels([None]) is None


@pytest.fixture(scope="module")
def network() -> Haca3:
    torch.manual_seed(0)
    network = own_haca3_plus(field_of_view=96, anatomy_base=2, target_slices=3).eval()
    network.decoder.head.bias.data += 1
    return network


def ball(*channels: int) -> Tensor:
    """Images (4, X, Y, Z) of a visit that has these contrasts."""
    axis = torch.linspace(-1.2, 1.2, 24)
    inside = axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2 < 1
    images = torch.rand(4, 24, 24, 24, generator=torch.Generator().manual_seed(1)) + 0.5
    return images * inside * torch.tensor([float(c in channels) for c in range(4)]).view(4, 1, 1, 1)


@torch.inference_mode()
def test_levels_are_added_to_the_classes_and_turn_no_attention(network):
    slices = torch.rand(2, 4, 96, 96, generator=torch.Generator().manual_seed(2)) + 0.1
    plain, anatomy = network.draw(slices, CODE)
    bright, same = network.draw(slices, with_levels(CODE, LEVELS))
    assert torch.equal(anatomy, same) and plain.min() > 0.3
    torch.testing.assert_close(bright - plain, (anatomy * torch.tensor(LEVELS).view(5, 1, 1)).sum(1, keepdim=True))


@torch.inference_mode()
def test_a_target_is_made_up_of_the_other_images_of_its_visit(network):
    images = ball(0, 1, 3)
    wanted, made, anatomy = network.make_up_target(images, "flair", CODE)
    assert wanted.shape == made.shape == (3, 1, 96, 96) and anatomy.shape == (3, 5, 96, 96)
    assert wanted.max() == pytest.approx(images[3, :, 10:14].max().item(), abs=0.1)
    # Of which its own is none.
    images[3, images[3] > 0] += 0.01
    assert torch.equal(network.make_up_target(images, "flair", CODE)[1], made)
    images[1, images[1] > 0] += 0.01
    assert not torch.equal(network.make_up_target(images, "flair", CODE)[1], made)


@torch.inference_mode()
def test_a_target_without_others_is_made_of_itself(network):
    wanted, made, _ = network.make_up_target(ball(3), "flair", CODE)
    redrawn = network.redraw_target(ball(3)[3], "flair", CODE)
    assert torch.equal(wanted, redrawn[0]) and torch.equal(made, redrawn[1])


def test_one_class_per_pixel_has_no_levels():
    network = own_haca3_plus(field_of_view=96, anatomy_base=2)
    network.soft_anatomy = False
    with pytest.raises(InputError, match="`levels` must be null for a network whose anatomy is one class per pixel"):
        network.make_up_target(ball(0, 3), "flair", CODE)
