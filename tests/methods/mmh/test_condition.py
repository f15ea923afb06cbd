import pytest
import torch

from scripts.base.errors import InputError
from scripts.methods.mmh.condition import GradientMap


def ramp() -> torch.Tensor:
    """0 to 3 along x and twice that along z, (1, 1, 4, 2, 3)."""
    x, z = torch.arange(4.0).view(4, 1, 1), 2 * torch.arange(3.0)
    return (x + z).expand(4, 2, 3)[None, None]


def test_the_map_is_the_mean_of_forward_differences_over_their_peak():
    found = GradientMap(percentile=100.0, epsilon=1e-9, limit=None)(ramp())[0, 0]
    # (1 + 0 + 2) / 3 inside; a third of 1 or 2 is missing where x or z end.
    assert found[0, 0].tolist() == pytest.approx([1, 1, 1 / 3])
    assert found[3, 0].tolist() == pytest.approx([2 / 3, 2 / 3, 0])


def test_the_peak_is_a_percentile_of_sizes():
    # 24 sizes: 12 of 1, 4 of 2/3, 6 of 1/3 and 2 of 0. Half of them are at most 2/3.
    found = GradientMap(percentile=50.0, epsilon=1e-9, limit=None)(-ramp())[0, 0]
    assert float(found[0, 0, 0]) == pytest.approx(-1.5)


def test_gain_and_offset_of_an_image_change_nothing():
    volume = torch.rand(2, 1, 5, 6, 7, generator=torch.Generator().manual_seed(0))
    edges = GradientMap()
    torch.testing.assert_close(edges(3 * volume + 1), edges(volume), atol=1e-4, rtol=0)


def test_a_limit_bends_the_quotient():
    free, bent = GradientMap(percentile=50.0, limit=None)(ramp()), GradientMap(percentile=50.0, limit=1.0)(ramp())
    torch.testing.assert_close(bent, 0.5 * free.clamp(-1, 1).tanh())


def test_an_empty_volume_has_no_edges():
    assert not GradientMap()(torch.full((1, 1, 3, 3, 3), -1.0)).any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"percentile": 0}, "`percentile` must be above 0 and at most 100, got 0"),
        ({"epsilon": 0}, "`epsilon` must be above 0, got 0"),
    ],
)
def test_wrong_settings_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        GradientMap(**options)
