import numpy as np
import pytest
import torch

from scripts.base.errors import InputError
from scripts.methods.classical.nyul import NyulMatching, piecewise_linear


def match(source: torch.Tensor, target: torch.Tensor, **settings: object) -> torch.Tensor:
    method = NyulMatching(**settings)
    image = torch.zeros(1, 4, *source.shape)
    image[0, 3] = source
    return method(image, target=method.encode_target(target[None, None], "flair"))[0, 0]


def test_line_between_and_beyond_knots():
    knots, images = torch.tensor([0.0, 2.0, 4.0]), torch.tensor([0.0, 10.0, 11.0])
    mapped = piecewise_linear(torch.tensor([1.0, 2.0, 3.0, 6.0]), knots, images)
    assert mapped.tolist() == [5.0, 10.0, 10.5, 12.0]


def test_tied_landmarks_stay_finite():
    knots, images = torch.tensor([0.0, 2.0, 2.0]), torch.tensor([0.0, 10.0, 11.0])
    assert piecewise_linear(torch.tensor([1.0, 2.0, 3.0]), knots, images).tolist() == [5.0, 10.0, 10.0]


def test_values_by_hand():
    # Foreground 1..5 has the median 3, that of the target 2, 4, .., 6 is 4: x -> 4/3 x on both sides of it.
    source = torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])[:, None, None]
    target = torch.tensor([2.0, 4.0, 6.0])[:, None, None]
    mapped = match(source, target, landmarks=[50])
    np.testing.assert_allclose(mapped.flatten(), np.array([0, 4, 8, 12, 16, 20]) / 3, rtol=1e-6)


def test_undoes_a_monotone_curve():
    target = torch.rand(20, 20, 20, generator=torch.Generator().manual_seed(0)) * 100 + 1
    curved = (target / 100) ** 1.5 * 3000
    mapped = match(curved, target, landmarks=list(range(0, 101, 5)))
    assert (mapped - target).abs().max() < 1.0
    assert (curved - target).abs().max() > 1000


@pytest.mark.parametrize("landmarks", [[], [10, 10], [50, 20], [-1, 50], [50, 101]])
def test_landmarks_that_do_not_rise_are_refused(landmarks):
    with pytest.raises(InputError, match="`landmarks` must be rising percentiles from 0 to 100, got"):
        NyulMatching(landmarks)
