"""configs/name_targets.json from end to end, on two people who were scanned on two scanners."""

import shutil
from pathlib import Path

import pytest
import torch

from scripts.base.errors import InputError, find_cause
from scripts.base.text_files import write_json
from scripts.jobs.targets import StoredCode, read_named_targets, read_target_code

from .tiny_subjects import harmonize, write_ball

SCANNERS = {"ses-01": "siemens", "ses-02": "ge"}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    for seed, subject in enumerate(("sub-01", "sub-02")):
        for session, scanner in SCANNERS.items():
            image = folder / subject / session / "anat" / f"{subject}_{session}_T1w.nii.gz"
            write_ball(image, seed=seed, gain=100.0 if scanner == "ge" else 300.0)
            write_json(str(image).replace(".nii.gz", ".json"), {"StationName": scanner})
    return folder


@pytest.fixture(scope="module")
def named(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = tmp_path_factory.mktemp("models")
    harmonize(models, "name_targets.json", dataset_dir=str(cohort), models_dir=str(models))
    return models / "targets.json"


def numbers(code: StoredCode) -> list[float]:
    return [*code.numbers["theta"], *code.numbers["eta"], *code.numbers["percentiles"]]


def test_scanners_are_named(named):
    targets = read_named_targets(named)
    assert {name: list(codes) for name, codes in targets.items()} == {"siemens": ["t1w"], "ge": ["t1w"]}
    code = targets["ge"]["t1w"]
    assert (code.origin, code.weights) == ("mean of 2 images", "random-0")
    assert code.method == "haca3plus"
    assert code.head is False
    # One is three times as bright as the other.
    assert targets["siemens"]["t1w"].scale == pytest.approx(3 * code.scale, rel=1e-3)


def test_a_user_may_say_that_all_are_heads(cohort, tmp_path):
    given = {"dataset_dir": str(cohort), "models_dir": str(tmp_path), "heads": True}
    harmonize(tmp_path, "name_targets.json", **given)
    named = read_named_targets(tmp_path / "targets.json")
    assert [code.head for codes in named.values() for code in codes.values()] == [True, True]


def test_codes_of_haca3_lie_in_a_file_of_their_own_and_have_levels(cohort, tmp_path):
    harmonize(tmp_path, "method_haca3.json", "name_targets.json", dataset_dir=str(cohort), models_dir=str(tmp_path))
    code = read_named_targets(tmp_path / "haca3_targets.json")["ge"]["t1w"]
    assert code.method == "haca3"
    assert len(code.numbers["levels"] or ()) == 5


def test_a_code_is_the_mean_over_people(named, cohort, tmp_path):
    images = sorted(cohort.glob("*/ses-01/anat/*.nii.gz"))
    each = []
    for number, image in enumerate(images):
        output = harmonize(tmp_path / f"{number}", "encode.json", sources={"t1w": str(image)})
        each.append(read_target_code(next(output.rglob("*code_T1w.json"))))
    mean = torch.tensor([numbers(code) for code in each]).mean(0)
    found = read_named_targets(named)["siemens"]["t1w"]
    torch.testing.assert_close(torch.tensor(numbers(found)), mean)
    assert not torch.allclose(*(torch.tensor(code.numbers["theta"]) for code in each))


def test_names_of_the_same_weights_stay(named, cohort, tmp_path):
    given = {"dataset_dir": str(cohort), "models_dir": str(tmp_path)}
    shutil.copy(named, tmp_path)
    harmonize(tmp_path, "name_targets.json", suffix="_head", **given)
    assert sorted(read_named_targets(tmp_path / "targets.json")) == ["ge", "ge_head", "siemens", "siemens_head"]
    harmonize(tmp_path, "name_targets.json", seed=1, **given)
    assert sorted(read_named_targets(tmp_path / "targets.json")) == ["ge", "siemens"]


def test_a_cohort_must_be_given(tmp_path):
    with pytest.raises(RuntimeError) as caught:
        harmonize(tmp_path, "name_targets.json", models_dir=str(tmp_path))
    assert "`dataset_dir` must be the folder of a cohort" in str(find_cause(caught.value, InputError))
    assert not list(tmp_path.iterdir())


def test_a_method_whose_codes_are_not_kept_is_refused(cohort, tmp_path):
    given = {"dataset_dir": str(cohort), "models_dir": str(tmp_path)}
    with pytest.raises(RuntimeError) as caught:
        harmonize(tmp_path, "method_none.json", "name_targets.json", **given)
    words = "named targets need a method whose codes can be kept, as HACA3's; this is none"
    assert str(find_cause(caught.value, InputError)) == words
    assert not list(tmp_path.iterdir())
