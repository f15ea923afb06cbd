from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.transforms import Compose

from scripts.base.errors import InputError
from scripts.harmonize.model_weights import ModelWeights
from scripts.harmonize.targets import TargetPreparation
from scripts.images.grid import GRID_AFFINE
from scripts.images.nifti import image_sha256
from scripts.images.volumes import write_volume
from scripts.inferers.harmonization import VolumeInferer
from scripts.jobs.jobs import Job
from scripts.jobs.targets import MiddleGround, StoredCode
from scripts.methods.classical.method import ClassicalMethod
from scripts.methods.classical.none import NoHarmonization
from scripts.methods.haca3.code import Haca3Code
from scripts.methods.haca3.fusing import MedianFusion
from scripts.methods.haca3.levels import LevelCalibration
from scripts.methods.haca3.method import Haca3Method
from scripts.methods.haca3.tone import ToneCalibration, ToneCurve
from scripts.methods.haca3.triplanar import TriPlanarInferer
from scripts.preprocessing.intensity_scale import ScaleByPercentiled

from ..methods.haca3.own_parts import own_haca3_plus

CURVE = ToneCurve((0.5, 1.0), (0.4, 1.2))
NUMBERS = {"theta": [0.1, 0.2], "eta": [0.0, 0.3], "tone": {"made": [0.5, 1.0], "wanted": [0.4, 1.2]}}
STORED = StoredCode("t1w", NUMBERS, name="mine")
WITH_LEVELS = replace(STORED, numbers={**NUMBERS, "levels": [0.1, 0.0, 0.0, 0.0, -0.2]})


def preparation(
    tone: ToneCalibration | None, levels: LevelCalibration | None = None, **options: Any
) -> TargetPreparation:
    torch.manual_seed(0)
    network = own_haca3_plus(anatomy_base=2, target_slices=4).eval()
    # Else nothing but black comes out.
    network.decoder.head.bias.data += 1
    method = Haca3Method("haca3plus", network, TriPlanarInferer(MedianFusion()), tone, levels)
    transform = Compose([ScaleByPercentiled(percentile=99.999)])
    return TargetPreparation(method, transform, ModelWeights(), **options)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("target")
    for seed, suffix in enumerate(("T1w", "T2w")):
        volume = torch.zeros(40, 40, 40)
        generator = torch.Generator().manual_seed(seed)
        volume[8:32, 8:32, 8:32] = torch.rand(24, 24, 24, generator=generator) * 500 + 100
        write_volume(folder / f"target_{suffix}.nii.gz", volume.numpy(), GRID_AFFINE)
    return folder / "target_T1w.nii.gz"


def code_of(preparation: TargetPreparation, *target: Any) -> Haca3Code:
    code = preparation(*target).code
    assert isinstance(code, Haca3Code)
    return code


def job(image: Path, *sources: str, target: Any = None) -> Job:
    return Job("sub-1", None, None, {c: Path(f"{c}.nii") for c in sources}, {"t1w": target or image})


def test_a_target_image_has_the_curve_from_what_the_network_makes_of_it(image):
    tone = code_of(preparation(ToneCalibration()), image, "t1w").tone
    assert isinstance(tone, ToneCurve) and len(tone.made) == 9
    # What was in the middle of what was made is now in the middle of what is wanted.
    middle = tone(torch.tensor([tone.made[4]])).item()
    assert middle == pytest.approx(tone.wanted[4], rel=1e-4)
    assert tone.made != pytest.approx(tone.wanted, rel=0.01)


def test_a_stored_code_has_the_curve_that_it_was_stored_with():
    assert code_of(preparation(ToneCalibration()), STORED, "t1w").tone == CURVE


def test_without_tone_no_target_has_a_curve(image):
    assert code_of(preparation(None), image, "t1w").tone is None
    assert code_of(preparation(None), STORED, "t1w").tone is None


def test_a_target_image_has_the_scale_that_preprocessing_gave_it(image):
    scale = preparation(None)(image, "t1w").code.scale
    assert scale == pytest.approx(600, rel=0.01)
    assert preparation(None)(replace(STORED, scale=812.5), "t1w").code.scale == 812.5


def test_a_target_knows_whether_it_shows_the_head(image):
    assert preparation(None)(image, "t1w").code.head is False
    assert preparation(None, largest_brain_ml=0.1)(image, "t1w").code.head is True
    assert [preparation(None)(replace(STORED, head=head), "t1w").code.head for head in (True, None)] == [True, None]


def test_a_target_image_has_levels_where_its_contrast_is_to_be_made_up(image):
    prepare = preparation(ToneCalibration(), LevelCalibration())
    made_up = prepare(image, "t1w", ["t2w", "flair"])
    code = made_up.code
    assert isinstance(code, Haca3Code) and code.tone is not None
    assert code.levels is not None and len(code.levels) == 5 and any(code.levels)
    assert made_up.origin["beside"] == {"t2w": image_sha256(image.with_name("target_T2w.nii.gz"))}
    plain, whole = prepare.method.for_network(code), prepare.of_job(job(image, "t2w", "flair"), "t1w").code
    assert isinstance(whole, Haca3Code) and whole.tone is None
    torch.testing.assert_close(prepare.method.for_network(whole), torch.cat([plain, torch.tensor([code.levels])], 1))


def test_levels_depend_on_the_images_beside_the_target(image):
    found = [code_of(preparation(None, LevelCalibration()), image, "t1w", of).levels for of in (["t2w"], ["flair"])]
    assert None not in found and found[0] != found[1]


def test_a_target_that_is_not_made_up_has_neither_levels_nor_images_beside_it(image):
    prepare = preparation(ToneCalibration(), LevelCalibration())
    target = prepare(image, "t1w")
    assert isinstance(target.code, Haca3Code)
    assert target.code.levels is None and "beside" not in target.origin
    assert prepare.of_job(job(image, "t1w", "t2w"), "t1w") is target
    assert prepare.origin(image) == target.origin


def test_what_a_sidecar_says_of_a_target_names_what_its_levels_are_of(image):
    prepare = preparation(None, LevelCalibration())
    assert prepare.origin(image, ["t2w"]) == prepare(image, "t1w", ["t2w"]).origin
    assert "beside" not in preparation(None).origin(image, ["t2w"])


def test_what_a_sidecar_says_of_a_stored_code_is_what_it_was_stored_with():
    prepare = preparation(None)
    stored = replace(WITH_LEVELS, scale=7.5, origin="two images", head=True)
    assert prepare.origin(stored) == prepare(stored, "t1w").origin
    common = {"contrast": "t1w", "scale": 7.5, "origin": "two images", "weights": "", "head": True, "name": "mine"}
    assert prepare.origin(stored) == {**common, **WITH_LEVELS.numbers}


def test_a_stored_code_has_the_levels_that_it_was_stored_with(image):
    prepare = preparation(ToneCalibration(), LevelCalibration())
    code = prepare.of_job(job(image, "t2w", target=WITH_LEVELS), "t1w").code
    torch.testing.assert_close(prepare.method.for_network(code), torch.tensor([[0.1, 0.2, 0, 0.3, 0.1, 0, 0, 0, -0.2]]))
    there = prepare.of_job(job(image, "t1w", target=WITH_LEVELS), "t1w").code
    torch.testing.assert_close(prepare.method.for_network(there), torch.tensor([[0.1, 0.2, 0, 0.3]]))
    assert code_of(preparation(None), WITH_LEVELS, "t1w", ["t2w"]).levels is None


def test_levels_of_another_number_of_classes_are_refused():
    stored = replace(STORED, numbers={**NUMBERS, "levels": [0.1, 0.2]})
    with pytest.raises(InputError, match="target code mine must have 5 levels, one for each class of anatomy, it has"):
        preparation(None, LevelCalibration())(stored, "t1w", ["t2w"])


def test_stored_codes_of_all_jobs_are_checked_before_any_work(image):
    prepare = preparation(None)
    prepare.transform = None  # nothing is prepared
    prepare.check([job(image, "t1w", target=STORED), job(image, "t1w")])
    foreign = replace(STORED, weights="5d1f")
    with pytest.raises(InputError, match="target code mine must have been made by the weights of this run, .* of 5d1f"):
        prepare.check([job(image, "t1w"), job(image, "t1w", target=foreign)])
    short = replace(STORED, numbers={**NUMBERS, "eta": [0.0]})
    with pytest.raises(InputError, match=r"target code mine: it must have \(2, 2\) numbers of theta and eta"):
        prepare.check([job(image, "t1w", target=short)])


def test_a_method_that_looks_at_no_other_contrasts_has_none_beside_a_target(image):
    method = ClassicalMethod("none", NoHarmonization(), VolumeInferer())
    target = TargetPreparation(method, Compose([]), ModelWeights())(image, "t1w", ["t2w"])
    assert "beside" not in target.origin
    assert target.code.scale is None


def test_a_middle_ground_is_refused_by_a_method_with_targets():
    with pytest.raises(InputError, match="`middle_ground` is for methods without targets, haca3plus needs one"):
        preparation(None)(MiddleGround("A"), "t1w")
