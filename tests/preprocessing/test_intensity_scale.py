import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from scripts.base.errors import InputError
from scripts.preprocessing.intensity_scale import ScaleByPercentiled, scale_by_percentile


def test_a_volume_is_divided_by_percentile_plus_epsilon_and_clipped():
    volume = torch.arange(-10.0, 11.0).reshape(3, 7, 1)  # its 95th percentile is 9
    scaled, divisor = scale_by_percentile(volume, percentile=95.0, epsilon=1.0, upper=0.85)
    assert divisor == 10.0
    assert scaled.shape == volume.shape
    assert scaled.flatten().tolist() == pytest.approx([0.0] * 11 + [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.85])


def test_zeros_count_and_ranks_are_interpolated():
    # 4 of 6 voxels are zero. The 95th percentile lies at rank 0.95 * 5 = 4.75, three quarters between 2 and 6.
    volume = MetaTensor(torch.tensor([0.0, 6.0, 0.0, 0.0, 2.0, 0.0]))
    scaled, divisor = scale_by_percentile(volume, epsilon=0.0)
    assert divisor == pytest.approx(5.0)
    assert isinstance(scaled, MetaTensor)


@pytest.mark.parametrize("percentile", [50.0, 95.0, 100.0])
def test_the_percentile_is_that_of_numpy_to_single_precision(percentile):
    volume = torch.rand(40, 50, 60, generator=torch.Generator().manual_seed(0))
    _, divisor = scale_by_percentile(volume, percentile, epsilon=0.0)
    assert divisor == pytest.approx(np.percentile(volume.double().numpy(), percentile), rel=1e-6)


def test_every_available_contrast_gets_its_own_divisor():
    ramp = torch.arange(101.0).reshape(101, 1, 1)
    image = MetaTensor(
        torch.stack([ramp, -ramp, 10 * ramp, 2 * ramp]), affine=torch.diag(torch.tensor([-1.0, 1, 2, 1]))
    )
    data = {"image": image, "available": torch.tensor([True, False, True, True])}
    result = ScaleByPercentiled(epsilon=5.0)(data)
    assert result["scale"].tolist() == pytest.approx([100, 1, 955, 195])
    assert torch.allclose(result["image"][[0, 2, 3], 100, 0, 0].as_tensor(), torch.tensor([1, 1000 / 955, 200 / 195]))
    assert torch.equal(result["image"][1].as_tensor(), -ramp)
    assert torch.equal(result["image"].affine, image.affine)
    assert data["image"][0].max() == 100  # the input is left alone


def test_a_contrast_that_is_almost_empty_is_refused():
    image = torch.ones(4, 10, 10, 1)
    image[3] = 0
    image[3, 0, :4] = 7
    data = {"image": image, "available": torch.ones(4, dtype=torch.bool)}
    with pytest.raises(
        InputError, match="the 95th percentile of flair must be positive, got 0: too few voxels are bright"
    ):
        ScaleByPercentiled()(data)
    with pytest.raises(InputError, match="the 90th percentile of the volume must be positive, got -2"):
        scale_by_percentile(torch.full((2, 2, 2), -2.0), 90.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"percentile": 0.0}, "`percentile` must be above 0 and at most 100, got 0.0"),
        ({"percentile": 101.0}, "`percentile` must be above 0 and at most 100, got 101.0"),
        ({"epsilon": -1e-5}, "`epsilon` must not be negative, got -1e-05"),
        ({"upper": 0.0}, "`upper` must be positive, got 0.0"),
        ({"keys": ["image", "target"]}, "`keys` must be one key, .* got .*'image', 'target'"),
    ],
)
def test_bad_arguments_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        ScaleByPercentiled(**settings)
