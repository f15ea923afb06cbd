from math import cos, sin

import pytest
import torch
from torch import Tensor

from scripts.base.errors import InputError
from scripts.methods.haca3.triplet_loss import DynamicMarginTripletLoss

# Scores of two samples: anchors .3 and 0, positives .5 and 0, negatives 1 and .1.
ANCHOR = torch.tensor([[0.0, 0.3], [0.0, 0.0]])
POSITIVE = torch.tensor([[0.4, 0.3], [0.0, 0.0]])
NEGATIVE = torch.tensor([[0.6, 0.8], [0.0, -0.1]])
SEVERITY = torch.tensor([0.5, 0.7])


def scores(codes: Tensor) -> list[float]:
    return codes.detach().norm(dim=1).tolist()


def step(anchor: Tensor, negative: Tensor, severity: float) -> tuple[float, float]:
    """The scores of an anchor and its negative after a small step down the loss of the margin alone."""
    codes = [code.clone().requires_grad_() for code in (anchor, negative)]
    loss = DynamicMarginTripletLoss(closeness=0.0, clean=0.0)
    loss(codes[0], anchor, codes[1], torch.tensor([severity]))["total"].backward()
    moved = [code - 0.01 * code.grad for code in codes]
    return scores(moved[0])[0], scores(moved[1])[0]


def test_terms_and_total_have_the_values_worked_out_by_hand():
    losses = DynamicMarginTripletLoss(ranking=1, excess=2, closeness=3, clean=4)(ANCHOR, POSITIVE, NEGATIVE, SEVERITY)
    # By sample: .3 + .5 - 1 is .2 too much, 0 + .7 - .1 is .6 too little.
    expected = {"ranking": 0.6 / 2, "excess": 0.2 / 2, "closeness": 0.4 / 2, "clean": 0.8 / 2}
    expected["total"] = 0.3 + 2 * 0.1 + 3 * 0.2 + 4 * 0.4
    assert {name: value.item() for name, value in losses.items()} == pytest.approx(expected)


def test_nothing_is_left_to_learn_where_scores_are_severities():
    clean = torch.zeros(3, 2)
    negative = torch.tensor([[0.2, 0.0], [0.0, -0.5], [0.6, 0.8]])
    losses = DynamicMarginTripletLoss()(clean, clean, negative, torch.tensor([0.2, 0.5, 1.0]))
    assert losses["total"].item() == pytest.approx(0, abs=1e-6)


def test_margin_lowers_the_anchor_and_raises_the_negative_where_it_is_missed():
    anchor, negative = step(torch.tensor([[0.3, 0.4]]), torch.tensor([[-0.6, 0.0]]), severity=0.8)
    assert (anchor, negative) == pytest.approx((0.49, 0.61))


def test_margin_lowers_a_negative_that_scores_more_than_its_severity():
    anchor, negative = step(torch.tensor([[0.3, 0.4]]), torch.tensor([[-0.9, 0.0]]), severity=0.1)
    assert (anchor, negative) == pytest.approx((0.51, 0.89))


def test_direction_of_codes_is_free():
    angle = torch.tensor(1.0)
    turn = torch.tensor([[cos(angle), -sin(angle)], [sin(angle), cos(angle)]])
    loss = DynamicMarginTripletLoss()
    turned = loss(ANCHOR @ turn, POSITIVE @ turn, NEGATIVE @ turn, SEVERITY)
    for name, value in loss(ANCHOR, POSITIVE, NEGATIVE, SEVERITY).items():
        torch.testing.assert_close(turned[name], value)


def test_free_codes_descend_to_scores_that_are_the_severities():
    torch.manual_seed(0)
    severity = torch.linspace(0, 1, 6)
    codes = [torch.randn(6, 2, requires_grad=True) for _ in range(3)]
    optimizer = torch.optim.SGD(codes)
    loss = DynamicMarginTripletLoss()
    for rate in torch.linspace(1, 0, 300):
        optimizer.param_groups[0]["lr"] = rate.item()
        optimizer.zero_grad()
        loss(*codes, severity)["total"].backward()
        optimizer.step()
    assert scores(codes[0]) == pytest.approx([0] * 6, abs=0.02)
    assert scores(codes[2]) == pytest.approx(severity.tolist(), abs=0.02)


def test_gradients_are_finite_where_codes_are_zero_or_equal():
    codes = torch.zeros(2, 2, requires_grad=True)
    DynamicMarginTripletLoss()(codes, codes, codes, torch.tensor([0.0, 1.0]))["total"].backward()
    assert codes.grad.isfinite().all()


def test_loss_is_in_single_precision_under_autocast():
    codes = [code.bfloat16() for code in (ANCHOR, POSITIVE, NEGATIVE)]
    loss = DynamicMarginTripletLoss()
    with torch.autocast("cpu", torch.bfloat16):
        lowered = loss(*codes, SEVERITY.double())
    for name, value in loss(*(code.float() for code in codes), SEVERITY).items():
        assert lowered[name].dtype == torch.float32
        assert torch.equal(lowered[name], value)


def test_negative_weight_is_refused():
    with pytest.raises(InputError, match="`excess` must be a number of at least 0, got -1"):
        DynamicMarginTripletLoss(excess=-1)
