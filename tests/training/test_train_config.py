"""HACA3's three stages by their configs, on small images, with networks of a few thousand weights."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import monai.bundle
import pytest
import torch
from monai.bundle import ConfigParser
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from scripts.base.output_folder import describe

from ..harmonize.tiny_subjects import BUNDLE, narrow_haca3, write_ball
from .training_state import equal, state

HACA3 = ("train.json", "train_scans.json", "train_haca3.json")
TINY: dict[str, Any] = {
    "network_def#encoders#anatomy#base": 1,
    "network_def#decoder#base": 2,
    "intensity_scale#percentile": 99.999,
    "background_removal#radius": 1,
    "cohort_samples#slices_per_orientation": 30,
    "cohort_samples#reference_slices": 20,
    # Else people are read again and again until it is full.
    "cohort_samples#buffer_size": 8,
    "validate#samples": "@cohort_samples",
    "validate#steps": 1,
    "validate#dataloader#loader#batch_size": 2,
    "epochs": 2,
    "steps": 2,
    "batch_size": 2,
    "workers": 0,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A datalist of two subjects with three contrasts each."""
    folder = tmp_path_factory.mktemp("cohort")
    subjects = []
    for number in (1, 2):
        sources = {
            contrast: str(write_ball(folder / f"sub-{number}_{contrast}.nii.gz", seed=10 * number + index))
            for index, contrast in enumerate(("t1w", "t2w", "flair"))
        }
        subjects.append({"subject": f"{number}", **sources})
    path = folder / "cohort.json"
    path.write_text(json.dumps(subjects))
    return path


def train(cohort: Path, output: Path, *overlays: str, **overrides: Any) -> Path:
    files = [str(BUNDLE / "configs" / name) for name in (*HACA3, *overlays)]
    given = {"bundle_root": str(BUNDLE), "cohort_file": str(cohort), "output_dir": str(output), **TINY, **overrides}
    if not overlays:
        given = {"artifact_weights": "", **given}
    monai.bundle.run(config_file=files, **given)
    return output


@pytest.fixture(scope="module")
def trained(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(cohort, tmp_path_factory.mktemp("trained"))


def test_training_leaves_weights_pictures_and_curves(trained):
    network = narrow_haca3()
    network.load_state_dict(torch.load(trained / "model.pt", weights_only=True))
    assert sorted(path.name for path in (trained / "pictures").iterdir()) == ["epoch-0001.png", "epoch-0002.png"]
    curves = EventAccumulator(str(trained / "logs")).Reload()
    assert {"total", "reconstruction", "contrastive", "psnr", "ssim"} <= set(curves.Tags()["scalars"])
    assert [event.step for event in curves.Scalars("total")] == [1, 2, 3, 4]
    assert state(trained)["iteration"] == 4


def test_the_artifact_encoder_of_its_stage_is_taken_and_frozen(cohort, tmp_path):
    enough = {"validate#task#kinds": ["noise"], "validate#dataloader#loader#batch_size": 16}
    first = train(cohort, tmp_path / "artifact", "train_artifact.json", epochs=1, **enough)
    found = torch.load(first / "artifact.pt", weights_only=True)
    second = train(cohort, tmp_path / "harmonizer", epochs=1, artifact_weights=str(first / "artifact.pt"))
    kept = torch.load(second / "model.pt", weights_only=True)
    assert equal({name: kept[f"artifact_encoder.{name}"] for name in found}, found)


def test_fine_tuning_starts_from_weights(trained, cohort, tmp_path):
    tuned = train(cohort, tmp_path, epochs=1, learning_rate=1e-12, initial_weights=str(trained / "model.pt"))
    before, after = (torch.load(folder / "model.pt", weights_only=True) for folder in (trained, tuned))
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, rtol=0, atol=1e-9)


def test_another_width_is_refused(trained, cohort, tmp_path):
    with pytest.raises(RuntimeError) as caught:
        train(cohort, tmp_path, initial_weights=str(trained / "model.pt"), **{"network_def#decoder#base": 3})
    causes = [caught.value]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    assert "model.pt holds another network: parameters of another shape" in str(causes[-1])


def built(configs: Sequence[str], id: str) -> Any:
    parser = ConfigParser()
    parser.read_config([str(BUNDLE / "configs" / config) for config in configs])
    parser["bundle_root"] = str(BUNDLE)
    return parser.get_parsed_content(id)


def test_phantoms_and_cohorts_are_prepared_as_at_inference():
    expected = describe(built(["inference.json"], "preprocessing"))
    for scans in ("phantom_scans", "validate#scans"):
        assert describe(built(HACA3, scans).preprocessing) == expected
    config = ConfigParser.load_config_file(str(BUNDLE / "configs" / "train_scans.json"))
    assert config["cohort_scans"]["preprocessing"] == "@preprocessing"


def test_the_network_is_that_of_inference():
    trained, used = (built(configs, "network_def") for configs in (HACA3, ("inference.json", "method_haca3.json")))
    assert {name: value.shape for name, value in trained.state_dict().items()} == {
        name: value.shape for name, value in used.state_dict().items()
    }
    for setting in ("field_of_view", "soft_anatomy", "foreground_threshold", "theta"):
        assert getattr(trained, setting) == getattr(used, setting)
    # They attend to sources in ways of their own, without weights.
    kinds = [[type(m) for m in network.modules() if m is not network.attention] for network in (trained, used)]
    assert kinds[0] == kinds[1]


PUBLISHED = "train_haca3plus_published.json"


def test_the_network_of_the_published_preset_is_that_of_published_weights():
    trained = built((*HACA3, PUBLISHED), "network_def")
    used = built(("inference.json", "published_weights.json"), "network_def")
    assert {name: value.shape for name, value in trained.state_dict().items()} == {
        name: value.shape for name, value in used.state_dict().items()
    }
    assert (trained.field_of_view, trained.foreground_threshold) == (used.field_of_view, used.foreground_threshold)


def test_the_published_preset_trains_both_stages_on_whole_slices_and_its_cycle_follows(cohort, tmp_path):
    enough = {"validate#task#kinds": ["noise"], "validate#dataloader#loader#batch_size": 16}
    first = train(cohort, tmp_path / "artifact", PUBLISHED, "train_artifact.json", epochs=1, **enough)
    weights = {"artifact_weights": str(first / "artifact.pt")}
    second = train(cohort, tmp_path / "harmonizer", PUBLISHED, **weights)
    curves = EventAccumulator(str(second / "logs")).Reload()
    # The cycle begins with the second epoch, of two steps.
    assert [event.step for event in curves.Scalars("cycle_theta")] == [3, 4]
    assert not {"structural", "tissue"} & set(curves.Tags()["scalars"])
    assert 4e-4 < state(second)["parts"]["scheduler"]["_last_lr"][0] < 7e-4
