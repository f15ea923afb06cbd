import pytest
import torch
from torch import Tensor

from scripts.methods.haca3plus.detail import local_share


def differences(seed: int = 0) -> Tensor:
    """Noise (2, 1, 40, 30) in one strength for each slice."""
    noise = torch.randn(2, 1, 40, 30, generator=torch.Generator().manual_seed(seed))
    return noise * torch.tensor([0.01, 0.2]).view(2, 1, 1, 1)


SHOWN = torch.ones(2, 1, 40, 30)


def test_noise_counts_as_usual_however_strong_it_is():
    shares = local_share(differences(), SHOWN)
    for slice_ in shares:
        assert slice_.median() == pytest.approx(0.25, abs=0.01) and slice_.max() < 0.75
    torch.testing.assert_close(shares, local_share(differences() * 7, SHOWN))


def test_a_lesion_that_the_decoded_image_lacks_is_kept():
    difference, lesion = differences(), (slice(None), slice(None), slice(10, 16), slice(10, 16))
    difference[lesion] += 6 * torch.tensor([0.01, 0.2]).view(2, 1, 1, 1)
    shares = local_share(difference, SHOWN)
    assert shares[lesion].min() > 0.9
    assert shares[..., 25:, :].median() < 0.3


def test_what_is_not_shown_and_other_slices_say_nothing():
    difference, shown = differences(), SHOWN.clone()
    shown[..., :20] = 0
    apart = local_share(difference[..., 20:], shown[..., 20:])
    # Beyond what is shown there may be anything.
    together = local_share(torch.where(shown > 0, difference, 1e3), shown)
    torch.testing.assert_close(together[..., 20:], apart)
    torch.testing.assert_close(local_share(difference[:1], SHOWN[:1]), local_share(difference, SHOWN)[:1])


def test_slices_without_any_difference_or_anything_shown_have_finite_shares():
    for difference, shown in ((torch.zeros(1, 1, 8, 8), SHOWN[:1, :, :8, :8]), (differences()[:1], 0 * SHOWN[:1])):
        shares = local_share(difference, shown)
        assert shares.isfinite().all() and shares.min() >= 0.25 and shares.max() <= 1
