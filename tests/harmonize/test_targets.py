from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.transforms import Compose

from scripts.base.errors import InputError
from scripts.harmonize.model_weights import ModelWeights
from scripts.harmonize.targets import PreparedTarget, TargetPreparation, mean_code
from scripts.images.grid import GRID_AFFINE
from scripts.images.nifti import image_sha256
from scripts.images.volumes import write_volume
from scripts.jobs.targets import TargetCode
from scripts.methods.haca3.levels import LevelCalibration
from scripts.methods.haca3.tone import ToneCalibration, ToneCurve
from scripts.preprocessing.intensity_scale import ScaleByPercentiled

from ..methods.haca3.own_parts import own_haca3_plus

CURVE = ToneCurve((0.5, 1.0), (0.4, 1.2))
STORED = TargetCode("t1w", (0.1, 0.2), (0.0, 0.3), tone=CURVE)


def preparation(
    tone: ToneCalibration | None, levels: LevelCalibration | None = None, **options: Any
) -> TargetPreparation:
    torch.manual_seed(0)
    network = own_haca3_plus(anatomy_base=2, target_slices=4).eval()
    # Else nothing but black comes out.
    network.decoder.head.bias.data += 1
    transform = Compose([ScaleByPercentiled(percentile=99.999)])
    return TargetPreparation(network, transform, ModelWeights(), tone=tone, levels=levels, **options)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("target")
    for seed, suffix in enumerate(("T1w", "T2w")):
        volume = torch.zeros(40, 40, 40)
        generator = torch.Generator().manual_seed(seed)
        volume[8:32, 8:32, 8:32] = torch.rand(24, 24, 24, generator=generator) * 500 + 100
        write_volume(folder / f"target_{suffix}.nii.gz", volume.numpy(), GRID_AFFINE)
    return folder / "target_T1w.nii.gz"


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


@pytest.mark.parametrize(("heads", "expected"), [((True, True), True), ((True, False), None), ((None,), None)])
def test_the_mean_of_targets_is_of_heads_where_all_are(heads, expected):
    targets = [PreparedTarget("t1w", torch.ones(1, 4), None, {}, head=head) for head in heads]
    assert mean_code(targets, 2, "some", "maker").head is expected


def test_a_target_knows_whether_it_shows_the_head(image):
    assert preparation(None)(image, "t1w").head is False
    assert preparation(None, largest_brain_ml=0.1)(image, "t1w").head is True
    assert [preparation(None)(replace(STORED, head=head), "t1w").head for head in (True, None)] == [True, None]


def test_a_target_image_has_levels_where_its_contrast_is_to_be_made_up(image):
    made_up = preparation(None, LevelCalibration())(image, "t1w", ["t2w", "flair"])
    assert made_up.levels is not None and len(made_up.levels) == 5 and any(made_up.levels)
    assert made_up.origin["beside"] == {"t2w": image_sha256(image.with_name("target_T2w.nii.gz"))}
    whole = made_up.for_making_up()
    torch.testing.assert_close(whole.code, torch.cat([made_up.code, torch.tensor([made_up.levels])], 1))
    assert whole.tone is None


def test_levels_depend_on_the_images_beside_the_target(image):
    found = [preparation(None, LevelCalibration())(image, "t1w", of).levels for of in (["t2w"], ["flair"])]
    assert None not in found and found[0] != found[1]


def test_a_target_that_is_not_made_up_has_neither_levels_nor_images_beside_it(image):
    prepare = preparation(ToneCalibration(), LevelCalibration())
    target = prepare(image, "t1w")
    assert target.levels is None and "beside" not in target.origin
    assert target.for_making_up() is target
    assert prepare.origin(image) == target.origin


def test_what_a_sidecar_says_of_a_target_names_what_its_levels_are_of(image):
    prepare = preparation(None, LevelCalibration())
    assert prepare.origin(image, ["t2w"]) == prepare(image, "t1w", ["t2w"]).origin
    assert "beside" not in preparation(None).origin(image, ["t2w"])


def test_a_stored_code_has_the_levels_that_it_was_stored_with():
    stored = replace(STORED, levels=(0.1, 0.0, 0.0, 0.0, -0.2))
    prepared = preparation(ToneCalibration(), LevelCalibration())(stored, "t1w", ["t2w"])
    torch.testing.assert_close(prepared.for_making_up().code, torch.tensor([[0.1, 0.2, 0, 0.3, 0.1, 0, 0, 0, -0.2]]))
    assert preparation(None)(stored, "t1w", ["t2w"]).levels is None


def test_levels_of_another_number_of_classes_are_refused():
    with pytest.raises(InputError, match="target code  must have 5 levels, one for each class of anatomy, it has 2"):
        preparation(None, LevelCalibration())(replace(STORED, levels=(0.1, 0.2)), "t1w", ["t2w"])


def test_the_mean_of_targets_has_the_mean_of_their_levels():
    targets = [PreparedTarget("t1w", torch.zeros(1, 4), None, {}, levels=levels) for levels in ((0.5, 0.0), (1.0, 0.5))]
    assert mean_code(targets, 2, "two", "maker").levels == (0.75, 0.25)
