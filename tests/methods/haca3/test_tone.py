import pytest
import torch

from scripts.base.errors import InputError
from scripts.methods.haca3.tone import ToneCalibration, ToneCurve, mean_curve

CURVE = ToneCurve((0.5, 1.0), (0.4, 1.2))


def test_a_curve_is_straight_between_its_places_and_of_slope_1_beyond():
    image = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0, 1.5])
    torch.testing.assert_close(CURVE(image), torch.tensor([0.0, 0.2, 0.4, 0.8, 1.2, 1.7]))


@pytest.mark.parametrize("sides", [((), ()), ((0.5, 0.5), (1.0, 2.0)), ((0.0, 1.0), (0.0, 1.0)), ((1.0,), (1.0, 2.0))])
def test_a_curve_that_does_not_rise_or_end_is_refused(sides):
    with pytest.raises(InputError, match="`tone` must have as many numbers `wanted` as `made`, and these must rise"):
        ToneCurve(*sides)


def test_the_mean_of_curves_is_that_of_their_places():
    assert mean_curve([CURVE, ToneCurve((0.7, 1.2), (0.6, 1.0))]) == ToneCurve((0.6, 1.1), (0.5, 1.1))
    assert mean_curve([]) is None


class Darkening:
    """A network that makes of a target a third of its brightness."""

    def redraw_target(self, image, contrast, code):
        return image, image / 3


def test_a_network_is_mended_by_what_it_makes_of_the_target():
    image = torch.linspace(0.3, 1.2, 1000).view(10, 10, 10)
    curve = ToneCalibration()(Darkening(), image, "t1w", torch.zeros(1, 4))
    torch.testing.assert_close(curve(image / 3), image, atol=0.02, rtol=0)


def test_a_target_that_shows_nothing_has_no_curve():
    assert ToneCalibration()(Darkening(), torch.zeros(4, 4, 4), "t1w", torch.zeros(1, 4)) is None


def test_what_is_made_alike_keeps_a_curve_that_rises():
    curve = ToneCalibration()(Darkening(), torch.ones(4, 4, 4), "t1w", torch.zeros(1, 4))
    assert curve(torch.tensor([1 / 3])).item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("percentiles", [[], [50, 50], [-1, 50], [50, 100]])
def test_percentiles_that_make_no_curve_are_refused(percentiles):
    with pytest.raises(InputError, match="`percentiles` must rise from 0 or above to below 100"):
        ToneCalibration(percentiles)
