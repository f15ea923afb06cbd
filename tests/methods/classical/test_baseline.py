import numpy as np
import pytest
import torch

from scripts.base.errors import InputError
from scripts.methods.classical.baseline import percentiles
from scripts.methods.classical.mean_std import MeanStdMatching
from scripts.methods.classical.none import NoHarmonization


def line(*values: float) -> torch.Tensor:
    """A volume (X, 1, 1)."""
    return torch.tensor(values, dtype=torch.float32)[:, None, None]


def stack(t1w: torch.Tensor) -> torch.Tensor:
    """Sources (1, 4, X, 1, 1) of which only the first is present."""
    return torch.stack([t1w, *[torch.zeros_like(t1w)] * 3])[None]


def test_percentiles_interpolate():
    assert percentiles(torch.tensor([4.0, 1.0, 2.0]), [0, 25, 100]).tolist() == [1.0, 1.5, 4.0]


def test_no_harmonization_keeps_the_source_of_the_targets_contrast():
    method = NoHarmonization()
    code = method.encode_target(line(7, 9)[None, None], "t1w")
    assert method(stack(line(0, 3, -1, 5)), target=code).flatten().tolist() == [0, 3, 0, 5]


def test_mean_and_std_become_the_targets():
    # Foreground 2 and 4: mean 3, deviation sqrt(2); target 10 and 30: mean 20, ten times the deviation.
    method = MeanStdMatching()
    code = method.encode_target(line(0, 10, 30)[None, None], "t1w")
    torch.testing.assert_close(method(stack(line(2, 0, 4)), target=code).flatten(), torch.tensor([10.0, 0.0, 30.0]))


def test_what_would_fall_below_zero_becomes_zero():
    # Source 1, 5, 6: mean 4, variance 7; target 1, 1, 7: mean 3, variance 12. So 1 would become 3 - 3 sqrt(12 / 7) < 0.
    method = MeanStdMatching()
    code = method.encode_target(line(1, 1, 7)[None, None], "t1w")
    gain = (12 / 7) ** 0.5
    torch.testing.assert_close(
        method(stack(line(1, 5, 6)), target=code).flatten(), line(0, 3 + gain, 3 + 2 * gain).flatten()
    )


def test_each_source_of_a_batch_meets_its_own_target():
    method = MeanStdMatching()
    code = method.encode_target(torch.stack([line(1, 3), line(10, 30)])[:, None], "t1w")
    images = torch.cat([stack(line(5, 6)), stack(line(5, 6))])
    np.testing.assert_allclose(method(images, target=code).flatten(), [1, 3, 10, 30], rtol=1e-5)


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        (line(0, 0, 0), "source `t1w` must have voxels above 0, but it is missing or empty"),
        (line(0, 3, 3), "source `t1w` must have different values above 0, but all are 3"),
    ],
)
def test_source_without_information_is_refused(volume, words):
    method = NoHarmonization()
    code = method.encode_target(line(1, 2)[None, None], "t1w")
    with pytest.raises(InputError, match=words):
        method(stack(volume), target=code)


def test_target_without_information_is_refused():
    with pytest.raises(InputError, match="target `flair` must have voxels above 0"):
        MeanStdMatching().encode_target(line(0, 0)[None, None], "flair")


def test_unknown_contrast_is_refused():
    with pytest.raises(InputError, match="contrast must be one of t1w, t2w, pd, flair, got `t3w`"):
        NoHarmonization().encode_target(line(1, 2)[None, None], "t3w")
