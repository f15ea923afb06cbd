import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from scripts.artifacts.calibrate import ssim_losses
from scripts.artifacts.degrade import ArtifactParameters, apply_artifact, draw_artifact
from scripts.artifacts.kinds import KINDS
from scripts.base.errors import InputError


@pytest.mark.parametrize("kind", KINDS)
def test_severity_0_is_the_clean_image(kind, clean, calibration):
    result = apply_artifact(clean, draw_artifact(kind, 0.0, 1, calibration))
    assert result is not clean
    assert np.array_equal(result, clean)


@pytest.mark.parametrize("kind", KINDS)
def test_ssim_loss_rises_with_severity(kind, held_out_slices, calibration):
    losses = ssim_losses(calibration, kind, [0.0, 0.1, 0.4, 0.7, 1.0], held_out_slices[:2], draws=2, seed=5)
    assert np.all(losses[0] == 0)
    assert np.all(np.diff(losses, axis=0) > 0)


@pytest.mark.parametrize("kind", KINDS)
def test_seed_decides_and_json_keeps_everything(kind, clean, calibration):
    parameters = draw_artifact(kind, 0.6, 7, calibration)
    restored = ArtifactParameters(**json.loads(json.dumps(asdict(parameters))))
    assert restored == parameters == draw_artifact(kind, 0.6, np.random.default_rng(7), calibration)
    degraded = apply_artifact(clean, parameters)
    assert np.array_equal(apply_artifact(clean, restored), degraded)
    others = [apply_artifact(clean, draw_artifact(kind, 0.6, seed, calibration)) for seed in (8, 9, 10)]
    assert any(not np.array_equal(other, degraded) for other in others)


@pytest.mark.parametrize("kind", KINDS)
def test_result_is_a_magnitude_image_without_background(kind, clean, calibration):
    parameters = draw_artifact(kind, 1.0, 3, calibration)
    for keep_background in (True, False):
        degraded = apply_artifact(clean, parameters, keep_background)
        assert degraded.shape == clean.shape
        assert np.isfinite(degraded).all()
        assert degraded.min() >= 0
        filled = np.any(degraded[clean == 0] > 0)
        assert filled == (not keep_background and kind != "bias_field")


@pytest.mark.parametrize("kind", KINDS)
def test_volumes_take_artifacts_too(kind, calibration):
    volume = torch.rand(1, 20, 24, 16, generator=torch.Generator().manual_seed(0))
    degraded = apply_artifact(volume, draw_artifact(kind, 0.8, 2, calibration, spatial_dims=3))
    assert degraded.shape == volume.shape
    assert torch.isfinite(degraded).all()
    assert (degraded - volume).abs().mean() > 0.01


def test_type_metadata_and_random_stream_are_kept(clean, calibration):
    parameters = draw_artifact("noise", 0.5, 3, calibration)
    image = MetaTensor(torch.from_numpy(clean).double(), affine=torch.diag(torch.tensor([2.0, 3.0, 4.0, 1.0])))
    state = torch.get_rng_state()
    degraded = apply_artifact(image, parameters)
    assert torch.equal(torch.get_rng_state(), state)
    assert isinstance(degraded, MetaTensor)
    assert degraded.dtype == torch.float64
    assert torch.equal(degraded.affine, image.affine)
    assert np.array_equal(degraded.numpy().astype(np.float32), apply_artifact(clean, parameters))


@pytest.mark.parametrize("severity", [-0.1, 1.01, float("nan")])
def test_severity_out_of_range_is_refused(severity, calibration):
    with pytest.raises(InputError, match=f"`severity` must be between 0 and 1, got {severity}"):
        draw_artifact("noise", severity, 0, calibration)


def test_wrong_kind_and_dimensions_are_refused(calibration):
    with pytest.raises(InputError, match="`kind` must be one of noise, .*, got 'spike'"):
        draw_artifact("spike", 0.5, 0, calibration)
    with pytest.raises(InputError, match="`kind` must be a calibrated one of noise, got 'motion'"):
        draw_artifact("motion", 0.5, 0, {"noise": calibration["noise"]})
    with pytest.raises(InputError, match="`spatial_dims` must be 2 or 3, got 4"):
        draw_artifact("noise", 0.5, 0, calibration, spatial_dims=4)


def test_wrong_images_are_refused(clean, calibration):
    parameters = draw_artifact("noise", 0.5, 0, calibration)
    with pytest.raises(InputError, match=r"`image` must have a channel and 2 spatial axes, its shape is \(224, 224\)"):
        apply_artifact(clean[0], parameters)
    with pytest.raises(InputError, match="`image` must be finite, 224 of its values are not"):
        apply_artifact(np.where(np.arange(224) == 5, np.nan, clean), parameters)
