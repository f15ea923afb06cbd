"""The trainings of MMH by their configs, one after the other, then inference with what they made."""

import json
from pathlib import Path
from typing import Any

import monai.bundle
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from scripts.base.errors import InputError, find_cause

from ...harmonize.tiny_subjects import BUNDLE, harmonize
from ...training.training_state import equal, state, stop_after_the_first_epoch
from ..mispel.paired_scans import scan, voxels, write_pairs
from .tiny import NETWORK

STEPS: dict[str, Any] = {"middle": 6, "steps_up": 3, "steps_down": 2}
TINY: dict[str, Any] = {
    "epochs": 2,
    "steps": 2,
    "batch_size": 2,
    "validate#steps": 1,
    "device": "cpu",
    "held_out": "03",
}
SMALL: dict[str, Any] = {**TINY, **NETWORK, **STEPS, "batch_size": 1, "accumulation": 2, "average_decay": 0.5}


def train(cohort: Path, output: Path, *overlays: str, **options: Any) -> Path:
    files = [str(BUNDLE / "configs" / name) for name in ("train.json", "train_scans.json", *overlays)]
    monai.bundle.run(
        config_file=files, bundle_root=str(BUNDLE), dataset_dir=str(cohort), output_dir=str(output), **options
    )
    return output


def train_style(cohort: Path, output: Path, **options: Any) -> Path:
    # At times of which each says something of style.
    given = {"contrasts": ["t1w"], "stage#times": 50}
    return train(cohort, output, "train_mmh_style.json", **{**SMALL, **given, **options})


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def style(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_style(cohort, tmp_path_factory.mktemp("style"))


@pytest.fixture(scope="module")
def encoder(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    sizes = {"grid#shape": [16, 16, 16], "network_def#size": 16, "network_def#width": 4, "stage#slices": 2}
    options = {**TINY, "validate#dataloader#loader#batch_size": 2, **sizes}
    return train(cohort, tmp_path_factory.mktemp("encoder"), "train_mmh_encoder.json", **options)


def train_target(cohort: Path, style: Path, encoder: Path, output: Path, **options: Any) -> Path:
    given = {
        "initial_weights": str(style / "mmh.pt"),
        "encoder_weights": str(encoder / "encoder.pt"),
        "encoder_def#size": 16,
        "encoder_def#width": 4,
        "attention#slices": 4,
        "target": "site:S1",
        "precision": "bf16",
        "learning_rate": 0.001,
    }
    return train(cohort, output, "train_mmh_style.json", "train_mmh_target.json", **{**SMALL, **given, **options})


@pytest.fixture(scope="module")
def target(cohort: Path, style: Path, encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_target(cohort, style, encoder, tmp_path_factory.mktemp("target"))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "mmh.pt", weights_only=True)


def curves(folder: Path) -> set[str]:
    return set(EventAccumulator(str(folder / "logs")).Reload().Tags()["scalars"])


def test_each_stage_logs_its_losses_and_draws_pictures(style, target, encoder):
    assert {"total", "noise", "gradient", "wasserstein", "style"} <= curves(style)
    assert {"total", "style", "consistency", "gradient", "statistics"} <= curves(target)
    assert {"total", "found"} <= curves(encoder)
    for folder in (style, target):
        assert sorted(path.name for path in (folder / "pictures").iterdir()) == ["epoch-0001.png", "epoch-0002.png"]


def test_what_ships_is_the_average_with_its_records(style):
    shipped, parts = weights(style), state(style)["parts"]
    kept = parts["average"]
    assert json.loads((style / "training.json").read_text())["epoch"] in (1, 2)
    if json.loads((style / "training.json").read_text())["epoch"] == 2:
        assert all(torch.equal(kept[f"module.{name}"], value) for name, value in shipped.items())
    assert kept["n_averaged"] == 2
    assert shipped["model.records.updates"][0] > 0 and not shipped["model.records.updates"][1:].any()


def test_the_second_stage_leaves_the_first_as_it_was(style, target):
    before, after = weights(style), weights(target)
    first = {name: value for name, value in after.items() if name.startswith("model.")}
    assert first and all(torch.equal(before[name], value) for name, value in first.items())
    changed = [n for n, v in first.items() if not torch.equal(after[n.replace("model.", "target.", 1)], v)]
    assert any("predictor" in name for name in changed)
    # The copy is told the domain's own style.
    assert "model.records.mean" in changed


def test_the_second_stage_trains_without_attention(cohort, style, encoder, tmp_path):
    attention = {"_target_": "scripts.methods.mmh.axial_mean.AxialMean", "encoder": "@encoder", "slices": 4}
    output = train_target(cohort, style, encoder, tmp_path, attention=attention, epochs=1)
    assert "style" in curves(output)


@pytest.mark.parametrize("stage", ["style", "target"])
def test_an_interrupted_training_goes_on_exactly(stage, cohort, style, encoder, target, tmp_path, monkeypatch):
    def again() -> Path:
        return train_style(cohort, tmp_path) if stage == "style" else train_target(cohort, style, encoder, tmp_path)

    with monkeypatch.context() as patch:
        stop_after_the_first_epoch(patch)
        with pytest.raises(RuntimeError):
            again()
    assert state(tmp_path)["epoch"] == 1
    again()
    assert equal(state(tmp_path), state(style if stage == "style" else target))


def refusal(function: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(RuntimeError) as caught:
        function(*arguments, **options)
    return str(find_cause(caught.value, InputError))


def test_weights_of_another_size_are_refused(cohort, style, encoder, tmp_path):
    words = refusal(train_target, cohort, style, encoder, tmp_path, **{"network_def#grid#voxel_mm": 1})
    assert "missing: 1 (16x16x16 voxels of 1 mm); unexpected: 1 (16x16x16 voxels of 2 mm)" in words
    words = refusal(train_target, cohort, tmp_path / "nowhere", encoder, tmp_path)
    assert "does not exist; train it first, with train_mmh_style.json alone" in words


def test_a_domain_of_too_few_images_is_refused(cohort, style, encoder, tmp_path):
    words = refusal(train_target, cohort, style, encoder, tmp_path / "out", held_out=["02", "03"])
    assert "a target domain must have at least two images of t1w, `site:S1` has 1" in words
    assert not (tmp_path / "out").exists()


def test_another_encoder_than_the_named_one_is_refused(cohort, style, encoder, tmp_path):
    words = refusal(train_target, cohort, style, encoder, tmp_path, style_encoder="biomedclip")
    assert "`style_encoder` must be the name of the encoder, small, got biomedclip" in words


def test_values_out_of_range_are_refused(cohort, tmp_path):
    words = refusal(train_style, cohort, tmp_path, **{"network_def#grid#upper": 0.5})
    assert "must be from -1 to 1 after scaling" in words


@pytest.mark.parametrize("stage", ["style", "target"])
def test_every_scan_of_a_cohort_comes_to_the_domain(stage, style, target, cohort, tmp_path):
    folder, name = (style, "null") if stage == "style" else (target, "small")
    options = {
        "dataset_dir": str(cohort),
        "weights_file": str(folder / "mmh.pt"),
        "style_encoder": name,
        **NETWORK,
        **STEPS,
    }
    output = harmonize(tmp_path, "method_mmh.json", precision="fp32", **options)
    images = sorted(output.rglob("*_desc-harmonized_T1w.nii.gz"))
    assert len(images) == 6
    shown = scan(1, 0) > 0
    image = voxels(images[0])
    assert not image[~shown].any() and image[shown].any()
    sidecar = json.loads(images[0].with_name(images[0].name.replace(".nii.gz", ".json")).read_text())
    assert sidecar["Target"]["middle_ground"] is True
    assert f'"style_encoder": {json.dumps(None if stage == "style" else "small")}' in json.dumps(sidecar)
