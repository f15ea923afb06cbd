import pytest
import torch
from torch.nn.functional import pad

from scripts.base.errors import InputError
from scripts.methods.haca3.carry_detail import DetailCarrier, Redrawing
from scripts.methods.haca3.tone import ToneCalibration

CLEAN, SPOILT = 0.4, 1.3


def noise(seed: int = 0) -> torch.Tensor:
    return torch.rand(24, 20, 22, generator=torch.Generator().manual_seed(seed)) + 0.1


def carry(image, source, redrawn, severity=CLEAN, calibration=None, share=1.0) -> torch.Tensor:
    """The image (X, Y, Z) with the detail of the source."""
    carrier = DetailCarrier(calibration, radius=8, epsilon=1e-7, share=share)
    return carrier(image[None], source, Redrawing(redrawn[None], severity))[0]


def test_the_line_between_what_the_network_makes_is_drawn_of_the_source():
    source, redrawn = noise(0), noise(1)
    found = carry(0.6 * redrawn + 0.2, source, redrawn)
    torch.testing.assert_close(found, 0.6 * source + 0.2, atol=1e-3, rtol=0)


def test_lines_differ_from_place_to_place():
    source, redrawn = noise(0), noise(1)
    slopes = torch.linspace(0.2, 1, 24).view(-1, 1, 1)
    found = carry(slopes * redrawn, source, redrawn)
    assert (found - slopes * source)[4:-4].square().mean() < 0.05 * (slopes * redrawn - slopes * source).square().mean()


def test_a_source_that_would_have_to_be_stretched_counts_less():
    source, redrawn = noise(0), noise(1)
    image = 2 * redrawn
    torch.testing.assert_close(carry(image, source, redrawn), image + (2 * source - image) / 4, atol=1e-3, rtol=0)


@pytest.mark.parametrize(("severity", "share"), [(0.7, 1.0), (0.95, 0.5), (SPOILT, 0.0)])
def test_a_source_with_artifacts_counts_less(severity, share):
    source, redrawn = noise(0), noise(1)
    found = carry(redrawn, source, redrawn, severity)
    torch.testing.assert_close(found, redrawn + share * (source - redrawn), atol=1e-3, rtol=0)


def test_a_share_of_detail_lies_between_all_and_none():
    source, redrawn = noise(0), noise(1)
    image = 0.6 * redrawn + 0.2
    whole, third = (carry(image, source, redrawn, share=share) for share in (True, 0.3))
    torch.testing.assert_close(third, image + 0.3 * (whole - image))
    assert torch.equal(carry(image, source, redrawn, share=0), image)


def test_the_network_s_brightness_of_the_source_is_mended_first():
    source = noise()
    found = carry(0.8 * source, source, source / 2, calibration=ToneCalibration())
    torch.testing.assert_close(found, 0.8 * source, atol=0.02, rtol=0)


def test_nothing_is_carried_to_where_the_source_has_ended_and_no_edge_is_left_there():
    source, redrawn = noise(0), noise(1)
    source[:12] = 0
    image = redrawn.clone()
    image[:, :5] = 0
    change = (carry(image, source, redrawn) - image).abs()
    assert not change[:12].any()
    assert not change[:, :5].any()
    assert change[12].mean() < 0.3 * change[-1].mean()


def test_the_image_and_the_source_themselves_are_left_alone():
    volumes = 0.6 * noise(1) + 0.2, noise(0), noise(1)
    before = [volume.clone() for volume in volumes]
    assert not torch.equal(carry(*volumes), volumes[0])
    assert all(torch.equal(*pair) for pair in zip(volumes, before, strict=True))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"radius": 3}, "`coarseness` must be from 1 to `radius`, 3, got 4"),
        ({"coarseness": 0}, "`coarseness` must be from 1 to `radius`, 16, got 0"),
        ({"epsilon": 0}, "`epsilon` must be above 0, got 0"),
        ({"severities": [1.2, 1.2]}, "`severities` must be two that rise, from 0 or above, got"),
        ({"share": 1.1}, "`carry_detail` must be true, false or a number from 0 to 1, got 1.1"),
        ({"share": "half"}, "`carry_detail` must be true, false or a number from 0 to 1, got 'half'"),
        ({"severities": [1.2]}, "`severities` must be two that rise, from 0 or above, got"),
    ],
)
def test_bad_arguments_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        DetailCarrier(None, **options)


def test_what_lies_around_the_image_changes_nothing():
    source, redrawn = noise(0), noise(1)
    volumes = 0.6 * redrawn + 0.2, source, redrawn
    near, far = (carry(*(pad(volume, 6 * [margin]) for volume in volumes)) for margin in (8, 40))
    assert torch.equal(pad(near, 6 * [32]), far)


def test_a_black_image_stays_black():
    assert not carry(torch.zeros(24, 20, 22), noise(0), noise(1)).any()
