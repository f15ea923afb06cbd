"""Each loss by a number that is worked out by hand."""

from math import log

import pytest
import torch

from scripts.base.errors import InputError
from scripts.methods.ssim import losses
from scripts.methods.ssim.losses import WEIGHTS, TranslationLoss
from scripts.methods.ssim.similarity import Ssim
from scripts.methods.ssim.translation import Judged, translate

from .test_similarity import EVERYWHERE, WHOLE, column
from .tiny import tiny_net

ONES = dict.fromkeys(WEIGHTS, 1.0)
# l = 13/14, c = 5/6, s = 1; l = 13/14, c = 5/6, s = -3/5.
FIRST, ALIKE, REVERSED = column(1, 3), column(1, 5), column(5, 1)


def test_reconstruction_is_ssim_and_the_absolute_error_by_lambda():
    ssim = Ssim(**WHOLE)
    assert losses.ssim_loss(FIRST, ALIKE, EVERYWHERE, ssim).item() == pytest.approx(1 - 13 / 14 * 5 / 6)
    mixed = losses.likeness_loss(FIRST, ALIKE, EVERYWHERE, ssim, 0.75)
    assert mixed.item() == pytest.approx(0.75 * (1 - 13 / 14 * 5 / 6) + 0.25 * 1.0)


def test_structure_is_s_alone():
    ssim = Ssim(**WHOLE)
    assert losses.structure_loss(FIRST, ALIKE, EVERYWHERE, ssim).item() == pytest.approx(0)
    assert losses.structure_loss(FIRST, REVERSED, EVERYWHERE, ssim).item() == pytest.approx(1.6)


def test_windows_count_where_something_is_shown():
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 1, 12, 12, 12, generator=generator)
    shown = torch.zeros_like(image, dtype=torch.bool)
    shown[..., :4] = True
    other = image.clone()
    # Beyond the reach of every window that counts.
    other[..., 8:] = 0
    assert losses.structure_loss(image, other, shown, Ssim()).item() == pytest.approx(0, abs=1e-5)
    assert losses.structure_loss(image, other, ~shown, Ssim()).item() > 0.1


def test_luminance_is_l_of_the_means_of_what_each_image_shows():
    shown = column(1, 1, 0) > 0
    found = losses.luminance_loss(column(1, 3, 9), shown, column(1, 5, 7), shown, Ssim(**WHOLE))
    assert found.item() == pytest.approx(1 - 13 / 14)


def test_adversarial_loss_is_least_squares_mean_over_scales():
    assert losses.least_squares([column(0, 1), column(3)], 1.0).item() == pytest.approx((0.5 + 4) / 2)


def test_labels_have_a_squared_error_that_is_bounded_from_below():
    wanted = torch.tensor([[1.0, -1.0]])
    assert losses.label_loss([wanted, torch.tensor([[0.0, 0.0]])], wanted).item() == pytest.approx(0.5)


def test_kl_is_that_of_normal_distributions():
    mean, log_variance = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, log(4.0)]])
    assert losses.kl_loss(mean, log_variance).item() == pytest.approx((0.5 + (4 - 1 - log(4)) / 2) / 2)


def test_discriminators_learn_what_is_real_and_labels_of_real_images_alone():
    own = torch.tensor([[1.0, -1.0]])
    sure, unsure = Judged([column(1.0)], [own]), Judged([column(0.0)], [-own])
    right = TranslationLoss(ONES).discriminators(sure, unsure, sure, unsure, own)
    assert right["total"].item() == 0
    wrong = TranslationLoss(ONES).discriminators(unsure, sure, unsure, sure, own)
    assert [loss.item() for loss in wrong.values()] == [2, 4, 2, 4, 12]


def test_the_translator_wants_to_look_real_and_its_structures_to_have_no_label():
    net = tiny_net()
    image = torch.rand(2, 1, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    made = translate(net, image, net.vectors[:2], 0.2)
    usual = net.vectors.mean(0)
    fooled = Judged([column(1.0)], [made.target]), Judged([column(1.0)], [usual.expand(2, -1)])
    loss = TranslationLoss({**ONES, "cycle": 3.0})
    found = loss.translator(made, *fooled, usual)
    names = ("image_adversarial", "image_label", "structure_adversarial", "structure_label")
    assert [found[name].item() for name in names] == [0, 0, 0, 0]
    steady = loss.steady(made)
    assert found["total"].item() == pytest.approx(sum(steady.values()).item() + 2 * steady["cycle"].item(), rel=1e-5)
    assert loss.validation(made)["total"].item() == pytest.approx(found["total"].item(), rel=1e-5)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"weights": {**ONES, "lamda": 1.0}}, "unknown key of `weights` `lamda`; did you mean"),
        ({"weights": {"kl": 1.0}}, "`weights` must be numbers of at least 0 for reconstruction, "),
        ({"weights": {**ONES, "kl": -1.0}}, "`weights` must be numbers of at least 0"),
        ({"weights": ONES, "share": 2}, "`share` must be between 0 and 1, got 2"),
    ],
)
def test_wrong_settings_are_refused(wrong, words):
    with pytest.raises(InputError, match=words):
        TranslationLoss(**wrong)
