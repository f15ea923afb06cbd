import math

import numpy as np
import pytest
import torch

from scripts.methods.haca3plus.curve import CurveCorrection, Unlikeness, apply_curve, slopes

SOURCE = torch.tensor([[1.0, 2.0, 4.0]])
TARGET = torch.tensor([[2.0, 3.0, 7.0]])


def test_slopes_by_hand():
    # 2 over 1, 1 over 1, 4 over 2, and beyond the last percentile 7 over 4.
    assert slopes(SOURCE, TARGET).tolist() == [[2.0, 1.0, 2.0, 1.75]]


def test_curve_by_hand():
    image = torch.tensor([[[[0.0, 0.5, 1.5], [4.0, 6.0, 3.0]]]])
    expected = [[0.0, 1.0, 2.5], [7.0, 10.5, 5.0]]
    assert apply_curve(image, SOURCE, slopes(SOURCE, TARGET))[0, 0].tolist() == expected


def test_curve_is_the_percentile_match():
    rng = np.random.default_rng(0)
    values, other = np.sort(rng.gamma(4, 0.2, 2000)), np.sort(rng.gamma(6, 0.15, 2000))
    levels = [1, 5, 25, 50, 75, 95, 99]
    p, q = np.percentile(values, levels), np.percentile(other, levels)
    inside = values[values <= p[-1]]
    expected = np.interp(inside, [0, *p], [0, *q])
    knots, wanted = (torch.tensor(each, dtype=torch.float32)[None] for each in (p, q))
    image = torch.tensor(inside, dtype=torch.float32)[None, None, None]
    assert apply_curve(image, knots, slopes(knots, wanted))[0, 0, 0].numpy() == pytest.approx(expected, abs=1e-5)


def test_tied_percentiles_have_no_slope():
    tied = torch.tensor([[1.0, 1.0, 2.0]])
    assert slopes(tied, TARGET).tolist() == [[2.0, 0.0, 4.0, 3.5]]


def test_curve_rises_whatever_the_correction():
    torch.manual_seed(0)
    correction = CurveCorrection(5, 3)
    torch.nn.init.normal_(correction.head.weight)
    slope = slopes(SOURCE, TARGET) * correction(5 * torch.randn(1, 5)).exp()
    image = torch.linspace(0, 8, 100)[None, None, None]
    assert (apply_curve(image, SOURCE, slope).diff() > 0).all()


def test_correction_starts_at_nothing_and_ends_at_its_limit():
    correction = CurveCorrection(5, 3, limit=0.7)
    assert not correction(torch.randn(2, 5)).any()
    torch.nn.init.constant_(correction.head.bias, 100.0)
    assert correction(torch.randn(2, 5)).tolist() == [[pytest.approx(0.7)] * 4] * 2


def test_unlikeness_by_hand():
    unlikeness = Unlikeness(2, start=2.0)
    one, other = torch.tensor([[1.0, 0.5]]), torch.tensor([[1.0, 1.0]])
    assert unlikeness(one, one).item() == 0
    assert unlikeness(one, other).item() == pytest.approx(1 - math.exp(-1))
