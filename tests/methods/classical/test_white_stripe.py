import pytest
import torch

from scripts.base.errors import InputError
from scripts.methods.classical.white_stripe import WHITE_MATTER_PEAK, WhiteStripe


def tissue_mixture(seed: int = 0) -> torch.Tensor:
    """A volume whose histogram has large peaks at 300 and 500 between small ones at 100 and 700."""
    generator = torch.Generator().manual_seed(seed)
    sizes_and_means = [(500, 100.0), (3000, 300.0), (4000, 500.0), (500, 700.0)]
    parts = [torch.randn(size, generator=generator) * 10 + mean for size, mean in sizes_and_means]
    return torch.cat(parts).reshape(20, 20, 20)


def match(source: torch.Tensor, target: torch.Tensor, contrast: str = "t1w") -> torch.Tensor:
    method = WhiteStripe()
    image = torch.zeros(1, 4, *source.shape)
    image[0, list(WHITE_MATTER_PEAK).index(contrast)] = source
    return method(image, target=method.encode_target(target[None, None], contrast))[0, 0]


@pytest.mark.parametrize(("contrast", "peak"), [("t1w", 500), ("t2w", 300), ("pd", 300), ("flair", 300)])
def test_stripe_lies_on_the_peak_of_white_matter(contrast, peak):
    std, mean = WhiteStripe().encode_target(tissue_mixture()[None, None], contrast).style[0]
    # A tenth of all ranks around the centre of a peak with sigma 10.
    assert mean == pytest.approx(peak, abs=3)
    assert 0 < std < 6


def test_stripe_by_hand():
    # Of ten values two lie below the bin of the peak and six in it: rank .5. Percentiles 25, 75 are 100.25, 104.75.
    volume = torch.tensor([1.0, 2.0, 100.0, 101.0, 102.0, 103.0, 104.0, 105.0, 200.0, 300.0])[:, None, None]
    method = WhiteStripe(width=0.25, bins=10, smoothing=0.2, top_percentile=100)
    std, mean = method.encode_target(volume[None, None], "t2w").style[0]
    assert mean == pytest.approx(102.5)
    assert std == pytest.approx((5 / 3) ** 0.5)


def test_undoes_shift_and_scale():
    target = tissue_mixture()
    torch.testing.assert_close(match(target * 3 + 50, target), target, rtol=1e-3, atol=0.01)


def test_small_peaks_count_when_asked_for():
    mean = WhiteStripe(width=0.02, lowest_peak=0.05).encode_target(tissue_mixture()[None, None], "t2w").style[0, 1]
    assert mean == pytest.approx(100, abs=3)


def test_stripe_of_one_value_is_refused():
    volume = torch.cat([torch.full((90,), 7.0), torch.arange(1.0, 11.0)])[:, None, None]
    with pytest.raises(InputError, match="the white stripe of `t2w` must hold different values, but all are 7"):
        WhiteStripe().encode_target(volume[None, None], "t2w")


@pytest.mark.parametrize("width", [0.0, 0.5])
def test_width_out_of_range_is_refused(width):
    with pytest.raises(InputError, match=f"`width` must be between 0 and 0.5, a share of the foreground, got {width}"):
        WhiteStripe(width=width)


@pytest.mark.parametrize("peak", [{"t1w": "last"}, {**WHITE_MATTER_PEAK, "pd": "middle"}])
def test_incomplete_or_unknown_peak_is_refused(peak):
    with pytest.raises(InputError, match="`peak` must be first or last for each of t1w, t2w, pd, flair, got"):
        WhiteStripe(peak=peak)
