from pathlib import Path

import pytest
import torch
from monai.transforms import Compose

from scripts.engines.model_weights import ModelWeights
from scripts.engines.targets import PreparedTarget, TargetPreparation, mean_code
from scripts.io.grid import GRID_AFFINE
from scripts.io.targets import TargetCode
from scripts.io.volumes import write_volume
from scripts.transforms.intensity_scale import ScaleByPercentiled
from scripts.transforms.tone import ToneCalibration, ToneCurve

from ..networks.own_parts import own_haca3_plus

CURVE = ToneCurve((0.5, 1.0), (0.4, 1.2))
STORED = TargetCode("t1w", (0.1, 0.2), (0.0, 0.3), tone=CURVE)


def preparation(tone: ToneCalibration | None) -> TargetPreparation:
    torch.manual_seed(0)
    network = own_haca3_plus(anatomy_base=2, target_slices=4).eval()
    # Else nothing but black comes out.
    network.decoder.head.bias.data += 1
    return TargetPreparation(network, Compose([ScaleByPercentiled(percentile=99.999)]), ModelWeights(), tone=tone)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    volume = torch.zeros(40, 40, 40)
    volume[8:32, 8:32, 8:32] = torch.rand(24, 24, 24, generator=torch.Generator().manual_seed(0)) * 500 + 100
    path = tmp_path_factory.mktemp("target") / "T1w.nii.gz"
    write_volume(path, volume.numpy(), GRID_AFFINE)
    return path


def test_a_target_image_has_the_curve_from_what_the_network_makes_of_it(image):
    target = preparation(ToneCalibration())(image, "t1w")
    assert isinstance(target.tone, ToneCurve) and len(target.tone.made) == 9
    # What was in the middle of what was made is now in the middle of what is wanted.
    middle = target.tone(torch.tensor([target.tone.made[4]])).item()
    assert middle == pytest.approx(target.tone.wanted[4], rel=1e-4)
    assert target.tone.made != pytest.approx(target.tone.wanted, rel=0.01)


def test_a_stored_code_has_the_curve_that_it_was_stored_with():
    assert preparation(ToneCalibration())(STORED, "t1w").tone == CURVE


def test_without_tone_no_target_has_a_curve(image):
    assert preparation(None)(image, "t1w").tone is None
    assert preparation(None)(STORED, "t1w").tone is None


def test_the_mean_of_targets_has_the_mean_of_their_curves():
    other = ToneCurve((0.7, 1.2), (0.6, 1.0))
    targets = [PreparedTarget("t1w", torch.ones(1, 4), None, {}, curve) for curve in (CURVE, other)]
    assert mean_code(targets, 2, "two", "maker").tone == ToneCurve((0.6, 1.1), (0.5, 1.1))
