"""WhiteStripe (Shinohara et al., Statistical normalization techniques for magnetic resonance imaging, 2014)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ...base.contrasts import CONTRASTS
from ...base.errors import InputError
from .baseline import Baseline, TargetStyle, percentiles

# Of the tissues that make a large peak, white matter is the brightest in T1w and the darkest elsewhere.
WHITE_MATTER_PEAK: Mapping[str, str] = {"t1w": "last", "t2w": "first", "pd": "first", "flair": "first"}


class WhiteStripe(Baseline):
    """Shifts and scales so that the white stripe has the target's mean and standard deviation.

    The stripe is the normal-appearing white matter: foreground voxels whose rank is within `width`, as a share of all,
    of the rank of the white matter peak of the histogram.
    """

    def __init__(
        self,
        width: float = 0.05,
        peak: Mapping[str, str] = WHITE_MATTER_PEAK,
        bins: int = 200,
        smoothing: float = 2.0,
        top_percentile: float = 99.0,
        lowest_peak: float = 0.5,
    ) -> None:
        """The histogram has `bins` up to `top_percentile`, smoothed by a Gaussian with a sigma of `smoothing` bins.

        `peak` says for each contrast whether white matter is its "first" or "last" peak; those lower than `lowest_peak`
        times the highest are passed over.
        """
        super().__init__()
        if not 0 < width < 0.5:
            raise InputError(f"`width` must be between 0 and 0.5, a share of the foreground, got {width}")
        if set(peak) != set(CONTRASTS) or not set(peak.values()) <= {"first", "last"}:
            raise InputError(f"`peak` must be first or last for each of {', '.join(CONTRASTS)}, got {dict(peak)}")
        self.width, self.peak = width, dict(peak)
        self.bins, self.smoothing, self.top_percentile, self.lowest_peak = bins, smoothing, top_percentile, lowest_peak

    def extra_repr(self) -> str:
        """The settings, for the record."""
        names = ("width", "peak", "bins", "smoothing", "top_percentile", "lowest_peak")
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)

    def describe(self, volume: Tensor, inside: Tensor, contrast: str) -> Tensor:
        """Standard deviation and mean of the white stripe."""
        return self._stripe(volume[inside], contrast)

    def match(self, volume: Tensor, inside: Tensor, target: TargetStyle) -> Tensor:
        """(source - stripe mean) / stripe std * target's stripe std + target's stripe mean."""
        values = volume[inside]
        std, mean = self._stripe(values, target.contrast)
        target_std, target_mean = target.style
        return (values - mean) * (target_std / std) + target_mean

    def _stripe(self, values: Tensor, contrast: str) -> Tensor:
        rank = self._rank_of_white_matter(values, contrast)
        low, high = percentiles(values, [100 * max(rank - self.width, 0.0), 100 * min(rank + self.width, 1.0)])
        if low == high:
            raise InputError(f"the white stripe of `{contrast}` must hold different values, but all are {float(low):g}")
        return torch.stack(torch.std_mean(values[(values >= low) & (values <= high)]))

    def _rank_of_white_matter(self, values: Tensor, contrast: str) -> float:
        """The share of values below the centre of the white matter peak."""
        bottom, top = percentiles(values, [0, self.top_percentile]).tolist()
        counts = torch.histc(values, self.bins, bottom, top)
        smooth = _smooth(counts, self.smoothing)
        before, here, after = torch.nn.functional.pad(smooth, (1, 1)).unfold(0, 3, 1).unbind(1)
        is_peak = (here > before) & (here >= after) & (here >= self.lowest_peak * here.max())
        place = is_peak.nonzero()[0 if self.peak[contrast] == "first" else -1, 0]
        return float((counts[: place + 1].sum() - counts[place] / 2) / values.numel())


def _smooth(histogram: Tensor, sigma: float) -> Tensor:
    reach = int(4 * sigma)
    offsets = torch.arange(-reach, reach + 1, dtype=histogram.dtype, device=histogram.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    return torch.nn.functional.conv1d(histogram[None, None], (kernel / kernel.sum())[None, None], padding="same")[0, 0]
