import math

import pytest
import torch

from scripts.methods.haca3plus.losses import image_loss, severity_loss, tissue_loss, weighted_mean


def test_image_loss_by_hand():
    image = torch.tensor([[[[1.0, 3.0], [2.0, 2.0]]]])
    truth = torch.tensor([[[[0.0, 0.0], [0.0, 1.0]]]])
    # Errors 1 3 / 2 1: mean 7/4; along rows |1| |-2|: mean 3/2; along columns |2| |-1|: mean 3/2; squares 15/4.
    loss = image_loss(image, truth, torch.ones(1, 1, 2, 2), gradient=2.0, square=4.0)
    assert loss.item() == pytest.approx(7 / 4 + 4 * 15 / 4 + 2 * (3 / 2 + 3 / 2))


def test_pixels_without_weight_do_not_count():
    error = torch.tensor([[[[1.0, 100.0]]]])
    assert weighted_mean(error, torch.tensor([[[[1.0, 0.0]]]])).item() == 1.0


def test_tissue_loss_by_hand():
    logits = torch.tensor([0.0, math.log(3)]).view(1, 2, 1, 1)
    shares = torch.tensor([0.5, 0.5]).view(1, 2, 1, 1)
    # Shares by the logits: 1/4 and 3/4.
    expected = -(0.5 * math.log(1 / 4) + 0.5 * math.log(3 / 4))
    assert tissue_loss(logits, shares, torch.ones(1, 1, 1, 1)).item() == pytest.approx(expected)


def test_severity_loss_by_hand():
    clean, source = torch.tensor([[0.3, 0.4], [0.0, 0.1]]), torch.tensor([[0.6, 0.8], [0.0, 0.4]])
    # |a| = .5 and .1. The first source is degraded by .7: |1 - .5 - .7| = .2. The second is clean: |a - p| = .3.
    loss = severity_loss(clean, source, torch.tensor([0.7, 0.0]), rest=2.0, alike=3.0)
    assert loss.item() == pytest.approx(0.2 + 3 * 0.3 + 2 * 0.3, abs=1e-3)


def test_severity_loss_where_all_or_none_is_degraded():
    clean, source = torch.tensor([[0.3, 0.4]]), torch.tensor([[0.6, 0.8]])
    assert severity_loss(clean, source, torch.tensor([0.7]), rest=0.0).item() == pytest.approx(0.2, abs=1e-3)
    assert severity_loss(clean, source, torch.tensor([0.0]), rest=0.0).item() == pytest.approx(0.05, abs=1e-3)


def test_severity_loss_of_nobody():
    nobody = torch.zeros(0, 2, requires_grad=True)
    assert severity_loss(nobody, nobody, torch.zeros(0), rest=1.0).item() == 0
