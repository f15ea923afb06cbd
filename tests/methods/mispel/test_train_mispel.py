"""MISPEL's two steps by their configs, then inference with what they made."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from scripts.base.errors import InputError, find_cause

from ...harmonize.tiny_subjects import harmonize
from ...training.training_state import equal, state, stop_after_the_first_epoch
from .paired_scans import SCANNERS, scan, train_mispel, voxels, write_pairs

DECODERS = "train_mispel_decoders.json"
METHOD: dict[str, Any] = {"network_def#width": 2, "network_def#embeddings": 3, "scanners": list(SCANNERS)}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def embeddings(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_mispel(cohort, tmp_path_factory.mktemp("embeddings"))


def train_decoders(cohort: Path, embeddings: Path, output: Path, **options: Any) -> Path:
    return train_mispel(cohort, output, DECODERS, initial_weights=str(embeddings / "mispel.pt"), **options)


@pytest.fixture(scope="module")
def trained(cohort: Path, embeddings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_decoders(cohort, embeddings, tmp_path_factory.mktemp("trained"))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "mispel.pt", weights_only=True)


def curves(folder: Path) -> set[str]:
    return set(EventAccumulator(str(folder / "logs")).Reload().Tags()["scalars"])


def test_each_step_logs_its_own_losses_and_the_norm_of_z(embeddings, trained):
    assert {"total", "reconstruction", "coupling", "embedding_norm"} <= curves(embeddings)
    assert "harmonization" not in curves(embeddings)
    assert {"total", "reconstruction", "harmonization", "embedding_norm"} <= curves(trained)
    assert "coupling" not in curves(trained)
    assert sorted(path.name for path in (trained / "pictures").iterdir()) == ["epoch-0001.png", "epoch-0002.png"]


def test_the_second_step_leaves_the_encoders_bit_identical(embeddings, trained):
    before, after = weights(embeddings), weights(trained)
    assert before.keys() == after.keys()
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed == {f"decoders.t1w {name.replace('.', '%2E')}.gamma" for name in SCANNERS}


def test_the_first_step_changes_both(embeddings, cohort, tmp_path):
    longer = state(train_mispel(cohort, tmp_path, epochs=1))["parts"]["stage"]
    now = state(embeddings)["parts"]["stage"]
    assert not any(
        torch.equal(longer[name], value) for name, value in now.items() if name.endswith((".gamma", ".weight"))
    )


def test_the_best_weights_are_those_of_the_lowest_loss(embeddings):
    made = json.loads((embeddings / "training.json").read_text())
    assert made["metrics"]["total"] == state(embeddings)["best"]


def test_an_interrupted_second_step_goes_on_exactly(embeddings, trained, cohort, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop_after_the_first_epoch(patch)
        with pytest.raises(RuntimeError):
            train_decoders(cohort, embeddings, tmp_path)
    assert state(tmp_path)["epoch"] == 1
    train_decoders(cohort, embeddings, tmp_path)
    assert equal(state(tmp_path), state(trained))


def test_the_second_step_needs_the_first(cohort, tmp_path):
    with pytest.raises(RuntimeError) as caught:
        train_decoders(cohort, tmp_path / "nowhere", tmp_path / "out")
    cause = find_cause(caught.value, InputError)
    assert "mispel.pt does not exist; train it first, with train_mispel.json alone" in str(cause)


def test_a_cohort_of_one_scanner_is_refused_before_anything_is_made(cohort, tmp_path):
    with pytest.raises(RuntimeError) as caught:
        train_mispel(cohort, tmp_path / "out", scanners=[SCANNERS[0]])
    words = (
        f"a paired cohort must have at least 2 scanners, got {SCANNERS[0]}; scanners are told apart by `StationName`"
    )
    assert words in str(find_cause(caught.value, InputError))
    assert not (tmp_path / "out").exists()


def test_every_scan_of_a_cohort_comes_to_the_middle_ground(trained, cohort, tmp_path):
    output = harmonize(
        tmp_path, "method_mispel.json", dataset_dir=str(cohort), weights_file=str(trained / "mispel.pt"), **METHOD
    )
    images = sorted(output.rglob("*_desc-harmonized_T1w.nii.gz"))
    assert len(images) == 6
    shown = scan(1, 0) > 0
    for path in images[:2]:
        image = voxels(path)
        assert not image[~shown].any()
        assert image[shown].any()
    sidecar = json.loads((images[1].with_name(images[1].name.replace(".nii.gz", ".json"))).read_text())
    assert sidecar["Target"] == {"contrast": "t1w", "middle_ground": True, "scanner": SCANNERS[1]}


@pytest.mark.parametrize(
    ("scanner", "words"),
    [
        ("scanner-9", f"a scanner that MISPEL was trained on, {', '.join(SCANNERS)}, got scanner-9"),
        (None, f"a scanner that MISPEL was trained on, {', '.join(SCANNERS)}, got None"),
    ],
)
def test_scans_of_a_scanner_that_was_not_trained_on_are_refused(scanner, words, trained, cohort, tmp_path):
    image = tmp_path / "head_T1w.nii.gz"
    image.write_bytes((cohort / "sub-01/ses-01/anat/sub-01_ses-01_run-1_T1w.nii.gz").read_bytes())
    with pytest.raises(RuntimeError) as caught:
        harmonize(
            tmp_path / "out",
            "method_mispel.json",
            sources={"t1w": str(image)},
            scanner=scanner,
            weights_file=str(trained / "mispel.pt"),
            **METHOD,
        )
    assert words in str(find_cause(caught.value, InputError))
    assert not list(tmp_path.glob("out/**/*.nii.gz"))


def test_a_target_is_refused(cohort, tmp_path):
    with pytest.raises(RuntimeError) as caught:
        harmonize(tmp_path, "method_mispel.json", dataset_dir=str(cohort), target="siemens_3t", **METHOD)
    assert "this run takes no target, got 'siemens_3t'" in str(find_cause(caught.value, InputError))


def test_weights_of_other_scanners_are_refused(trained, cohort, tmp_path):
    others = {**METHOD, "scanners": [SCANNERS[0], "scanner-3"]}
    with pytest.raises(RuntimeError) as caught:
        harmonize(
            tmp_path, "method_mispel.json", dataset_dir=str(cohort), weights_file=str(trained / "mispel.pt"), **others
        )
    assert "holds another network: parameters missing" in str(find_cause(caught.value, InputError))


def test_weights_that_are_not_there_are_asked_for(cohort, tmp_path):
    with pytest.raises(RuntimeError) as caught:
        harmonize(tmp_path, "method_mispel.json", dataset_dir=str(cohort), weights_file="nowhere.pt", **METHOD)
    assert "train MISPEL on paired scans of your scanners" in str(find_cause(caught.value, InputError))
