"""Training by its config, on cohorts and on simulated people, then inference with what it made."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import monai.bundle
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from scripts.base.errors import InputError, find_cause

from ...harmonize.bids_study import ENVIRONMENT, command_line
from ...harmonize.tiny_subjects import BUNDLE, harmonize
from ...training.training_state import equal, state, stop_after_the_first_epoch
from ..mispel.paired_scans import scan, voxels
from .tiny import FIELD, NARROW, train_ssim, training, write_unpaired

METHOD: dict[str, Any] = {**NARROW, "field": FIELD, "background#radius": 1, "scaling#percentile": 99.999}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_unpaired(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def trained(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_ssim(cohort, tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One person of each place."""
    return write_unpaired(tmp_path_factory.mktemp("single"), people=1)


def refusal(caught: pytest.ExceptionInfo[BaseException]) -> str:
    return str(find_cause(caught.value, InputError))


def test_both_players_learn_and_pictures_show_every_style(trained):
    tags = set(EventAccumulator(str(trained / "logs")).Reload().Tags()["scalars"])
    assert {"translator_total", "translator_structure", "discriminators_image_label", "luminance"} <= tags
    assert sorted(path.name for path in (trained / "pictures").iterdir()) == ["epoch-0001.png", "epoch-0002.png"]
    made, kept = json.loads((trained / "training.json").read_text()), state(trained)
    assert made["metrics"]["total"] == kept["best"] and made["config"]["label_fields"] == ["scanner"]
    shipped = torch.load(trained / "ssim.pt", weights_only=True)
    assert {key for key in shipped if "columns" in key} == {
        f"generator.style.columns.scanner:{name}" for name in ("A", "B", "C%2E5")
    }


def test_an_interrupted_training_goes_on_exactly(trained, cohort, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop_after_the_first_epoch(patch)
        with pytest.raises(RuntimeError):
            train_ssim(cohort, tmp_path)
    first = state(tmp_path)
    assert first["epoch"] == 1
    train_ssim(cohort, tmp_path)
    assert equal(state(tmp_path), state(trained))
    changed = {
        name.partition(".")[0]
        for name, value in state(trained)["parts"]["stage"].items()
        if not torch.equal(value, first["parts"]["stage"][name])
    }
    assert changed == {"network", "discriminators"}


# The gate watches the same update in test_tiny_methods.py.
@pytest.mark.slow
def test_processes_train_one_network(single, tmp_path):
    given = training(tmp_path, "multi_gpu_train.json", dataset_dir=str(single), epochs=1, steps=1)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command = [*launcher, "-m", "monai.bundle", "run", *command_line(given)]
    result = subprocess.run(command, cwd=BUNDLE, env=ENVIRONMENT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert json.loads((tmp_path / "training.json").read_text())["processes"] == 2


def test_simulated_people_are_trained_on_where_no_cohort_is_given(tmp_path):
    box = {"_target_": "tests.training.test_phantom_scans.BoxPhantom"}
    options = {"phantom_scans#phantom": box, "validate#scans#phantom": box, "whole_volumes": False, "epochs": 1}
    shallow = {"discriminator_halvings": 1, "structure_discriminator#layers": 1, "ssim_window": 3}
    monai.bundle.run(**training(tmp_path, **options, **shallow, field=[8, 8, 8], patches=2))
    styles = [key for key in torch.load(tmp_path / "ssim.pt", weights_only=True) if "columns" in key]
    assert len(styles) == 5


def test_a_scanner_that_is_another_field_of_the_sidecar(single, tmp_path):
    options = {"label_fields": ["scanner", "site"], "scanner_fields": ["Ward"], "epochs": 1, "steps": 1}
    state = torch.load(train_ssim(single, tmp_path, **options) / "ssim.pt", weights_only=True)
    labels = [key.partition("columns.")[2] for key in state if "columns" in key]
    assert labels == ["scanner:ward of A", "scanner:ward of B", "scanner:ward of C%2E5", "site:S", "site:T"]
    assert state["vectors"].tolist()[2] == [-1, -1, 1, -1, 1]


@pytest.mark.parametrize(
    ("places", "options", "words"),
    [
        (
            (("A", "S"), ("B", "S")),
            {"label_fields": ["site"]},
            "at least two places by site (`label_fields`), got site:S",
        ),
        ((("A", "S"), ("", "S")), {}, "every image to train on must have a scanner, but that of some is unknown"),
        ((("A", "S"), ("B", "S")), {"batch_size": 1}, "`batch_size` must be at least 2"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(places, options, words, tmp_path):
    with pytest.raises(RuntimeError) as caught:
        train_ssim(write_unpaired(tmp_path / "cohort", places, 1), tmp_path / "out", **options)
    assert words in refusal(caught)


@pytest.mark.parametrize("target", ["scanner:C.5", "agnostic", None])
def test_scans_come_to_a_label_to_none_or_to_an_image(target, trained, cohort, tmp_path):
    source = cohort / "sub-01" / "ses-01" / "anat" / "sub-01_ses-01_T1w.nii.gz"
    image = str(cohort / "sub-03" / "ses-01" / "anat" / "sub-03_ses-01_T1w.nii.gz")
    options = {**METHOD, "weights_file": str(trained / "ssim.pt"), "target": target or image}
    output = harmonize(tmp_path, "method_ssim.json", sources={"t1w": str(source)}, **options)
    (path,) = output.rglob("*_desc-harmonized_T1w.nii.gz")
    made, shown = voxels(path), scan(0, 0) > 0
    assert not made[~shown].any() and made[shown].any()
    told = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())["Target"]
    if target is None:
        assert told["file"] == "sub-03_ses-01_T1w.nii.gz"
    else:
        assert told["name"] == target and told["labels"]["scanner:C.5"] == (1 if target == "scanner:C.5" else -1)


def test_a_label_that_was_not_trained_and_weights_that_are_not_there_are_refused(trained, cohort, tmp_path):
    source = {"t1w": str(cohort / "sub-01" / "ses-01" / "anat" / "sub-01_ses-01_T1w.nii.gz")}
    for weights, words in (
        (trained / "ssim.pt", "target `scanner:Z` must be a name (scanner:A, scanner:B, scanner:C.5, agnostic)"),
        (tmp_path / "nowhere.pt", "nowhere.pt does not exist; train it on scans of at least two"),
    ):
        options = {**METHOD, "weights_file": str(weights), "target": "scanner:Z"}
        with pytest.raises(RuntimeError) as caught:
            harmonize(tmp_path / "out", "method_ssim.json", sources=source, **options)
        assert words in refusal(caught)


def test_the_small_sizes_fit_training_and_inference():
    for files in (("train.json", "train_scans.json", "train_ssim.json"), ("inference.json", "method_ssim.json")):
        parser = monai.bundle.ConfigParser()
        parser.read_config([str(BUNDLE / "configs" / name) for name in (*files, "ssim_small.json")])
        assert parser.get_parsed_content("network_def#sizes").width == 16
        assert parser.get_parsed_content("voxel_mm") == 2
