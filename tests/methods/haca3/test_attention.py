from math import exp, log

import pytest
import torch
from torch import Tensor, nn

from scripts.methods.haca3.attention import CodeAttention, ForegroundAttention, ScalarAttention

ALL = torch.ones(1, 3)
WITHOUT_LAST = torch.tensor([[1.0, 1.0, 0.0]])
QUERY = torch.tensor([[2.0, 0, 0, 0]])


def plain(temperature: float = 1.0) -> CodeAttention:
    """Without projections: the score is half the product of query and key."""
    attention = CodeAttention(temperature=temperature).eval()
    attention.query = attention.key = nn.Identity()
    return attention


def keys(*alpha: float) -> Tensor:
    """Keys to which `plain` gives the weights alpha for `QUERY`."""
    return torch.tensor([[[log(weight), 0, 0, 0] for weight in alpha]])


def pixels(*columns: tuple[int, ...]) -> Tensor:
    """Foreground (1, C, 1, W) of one row of pixels, each given as what its sources show."""
    return torch.tensor(columns).T[None, :, None].bool()


def weights_at(weights: Tensor) -> list[list[float]]:
    """The weights of one row of pixels, by pixel."""
    return weights[0, :, 0].T.tolist()


def approx(rows: list[list[float]]) -> list:
    return [pytest.approx(row, abs=1e-6) for row in rows]


def test_weights_are_the_softmax_of_scores_over_temperature():
    # Scores 1 and 0, since half of 2 x 1 is 1.
    two_keys = torch.tensor([[[1.0, 0, 0, 0], [0, 5, 0, 0]]])
    attention = plain(temperature=5)
    assert attention(QUERY, two_keys, torch.ones(1, 2))[0, 0].item() == pytest.approx(1 / (1 + exp(-1 / 5)))
    attention.train()
    assert attention(QUERY, two_keys, torch.ones(1, 2))[0, 0].item() == pytest.approx(1 / (1 + exp(-1 / 10)))


def test_query_and_keys_have_projections_of_their_own():
    torch.manual_seed(0)
    attention = CodeAttention().eval()
    code = torch.randn(1, 4)
    before = attention(code, torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(1)), ALL)
    with torch.no_grad():
        attention.key[0].weight.mul_(-1)
    after = attention(code, torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(1)), ALL)
    assert not torch.allclose(before, after)
    assert sum(parameter.numel() for parameter in attention.parameters()) == 5472


def test_missing_source_has_no_weight():
    assert plain()(QUERY, keys(0.5, 0.3, 0.2), WITHOUT_LAST)[0].tolist() == pytest.approx([0.625, 0.375, 0])


def test_weights_are_equal_where_nothing_is_available():
    assert plain()(QUERY, keys(0.5, 0.3, 0.2), torch.zeros(1, 3))[0].tolist() == pytest.approx([1 / 3] * 3)


def test_haca3_has_one_weight_per_source_and_shows_the_first():
    attention = ScalarAttention(plain())
    foreground = pixels((1, 1, 1), (0, 1, 1), (0, 0, 0))
    assert weights_at(attention(QUERY, keys(0.5, 0.3, 0.2), foreground, ALL)) == approx([[0.5, 0.3, 0.2]] * 3)
    assert attention.visible(foreground, ALL)[0, 0, 0].tolist() == [True, False, False]
    assert attention.visible(foreground, torch.tensor([[0.0, 1, 1]]))[0, 0, 0].tolist() == [True, True, False]


def test_haca3_plus_gives_weight_to_sources_with_foreground_only():
    attention = ForegroundAttention(plain())
    foreground = pixels((1, 1, 1), (1, 0, 1), (0, 1, 0), (0, 0, 0))
    expected = [[0.5, 0.3, 0.2], [5 / 7, 0, 2 / 7], [0, 1, 0], [1 / 3, 1 / 3, 1 / 3]]
    assert weights_at(attention(QUERY, keys(0.5, 0.3, 0.2), foreground, ALL)) == approx(expected)
    assert attention.visible(foreground, ALL)[0, 0, 0].tolist() == [True, True, True, False]


def test_haca3_plus_leaves_missing_sources_out_everywhere():
    attention = ForegroundAttention(plain())
    foreground = pixels((1, 1, 1), (1, 0, 1), (0, 0, 1), (0, 0, 0))
    expected = [[0.625, 0.375, 0], [1, 0, 0], [0.5, 0.5, 0], [0.5, 0.5, 0]]
    assert weights_at(attention(QUERY, keys(0.5, 0.3, 0.2), foreground, WITHOUT_LAST)) == approx(expected)
    assert attention.visible(foreground, WITHOUT_LAST)[0, 0, 0].tolist() == [True, True, False, False]


def test_smoothing_goes_half_way_to_each_neighbour_in_turn():
    attention = ForegroundAttention(plain(), smoothing=True)
    row = pixels((1, 0), (1, 0), (1, 0), (0, 1), (0, 1))
    # Neighbours count as they were before: above, below, left, right; beyond the border lies the pixel itself.
    # In a row the third pixel meets its right neighbour, (1 + 0) / 2; the fourth its left one, (0 + 1) / 2, then its
    # right one, (0.5 + 0) / 2. In a column the third meets 0 below, then twice itself; the fourth 1 above, 0, itself.
    for foreground, first in ((row, [1, 1, 0.5, 0.25, 0]), (row.transpose(2, 3), [1, 1, 0.875, 0.125, 0])):
        smooth = attention(QUERY, keys(0.5, 0.5), foreground, torch.ones(1, 2)).flatten(2)[0]
        assert smooth[0].tolist() == pytest.approx(first)
        assert smooth[1].tolist() == pytest.approx([1 - weight for weight in first])


def test_smoothing_keeps_steps_up_to_its_threshold():
    foreground = pixels((1, 1, 1), (1, 1, 0))
    # The largest step is that of the last source, 0.2.
    steps = [[0.5, 0.3, 0.2], [0.625, 0.375, 0]]
    smooth, kept = (
        weights_at(
            ForegroundAttention(plain(), smoothing=True, smoothing_threshold=threshold)(
                QUERY, keys(0.5, 0.3, 0.2), foreground, ALL
            )
        )
        for threshold in (0.19, 0.21)
    )
    assert kept == approx(steps)
    # Half way for the last source alone, then all divided by their sum.
    assert smooth == approx([[0.5 / 0.9, 0.3 / 0.9, 0.1 / 0.9], [0.625 / 1.1, 0.375 / 1.1, 0.1 / 1.1]])
