"""The configs go over inference.json, some over method_haca3.json too, and say what is wrong before any work."""

import json
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser

from scripts.experiments.experiment import Experiment

BUNDLE = Path(__file__).parents[2]
HACA3 = ("inference.json", "method_haca3.json")
CONFIGS = sorted((BUNDLE / "configs").glob("experiment_*.json"))
OF_ANY_METHOD = ("experiment_field_of_view", "experiment_imputation")


def config(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def parser(*names: str, **overrides: Any) -> ConfigParser:
    parsed = ConfigParser()
    parsed.read_config([str(BUNDLE / "configs" / name) for name in names])
    parsed.update({"bundle_root": str(BUNDLE), "device": "cpu", "random_weights": True, **overrides})
    parsed.parse()
    return parsed


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_networks_are_those_that_the_configs_below_bring(path):
    assert not {"network_def", "network", "inferer", "method", "preprocessing"} & set(config(path))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_people_are_on_scanners_that_no_training_visits(path):
    below = HACA3[:1] if path.stem in OF_ANY_METHOD else HACA3
    experiment = parser(*below, path.name, subjects=8).get_parsed_content("experiment")
    assert isinstance(experiment, Experiment)
    training = parser("train.json", "train_scans.json", "train_haca3.json").get_parsed_content("phantom_scans").draw()
    cohort = experiment.people.draw()
    assert len(cohort.subjects) == 8 and not set(cohort.scanners) & set(training.scanners)
    assert not {plan.seed for plan in cohort.subjects} & {plan.seed for plan in training.subjects}
