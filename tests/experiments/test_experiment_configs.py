"""The configs go over inference.json and method_haca3.json, and say what is wrong before any work."""

import json
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser

from scripts.experiments.experiment import Experiment

BUNDLE = Path(__file__).parents[2]
HACA3 = ("inference.json", "method_haca3.json")
CONFIGS = sorted((BUNDLE / "configs").glob("experiment_*.json"))


def config(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def parser(*names: str, **overrides: Any) -> ConfigParser:
    parsed = ConfigParser()
    parsed.read_config([str(BUNDLE / "configs" / name) for name in names])
    parsed.update({"bundle_root": str(BUNDLE), "device": "cpu", "random_weights": True, **overrides})
    parsed.parse()
    return parsed


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_networks_are_those_of_haca3_alone(path):
    assert not {"network_def", "network", "inferer", "method", "preprocessing"} & set(config(path))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_people_are_on_scanners_that_no_training_visits(path):
    experiment = parser(*HACA3, path.name, subjects=8).get_parsed_content("experiment")
    assert isinstance(experiment, Experiment)
    training = parser("train.json", "train_scans.json", "train_haca3.json").get_parsed_content("phantom_scans").draw()
    cohort = experiment.people.draw()
    assert len(cohort.subjects) == 8 and not set(cohort.scanners) & set(training.scanners)
    assert not {plan.seed for plan in cohort.subjects} & {plan.seed for plan in training.subjects}


def test_what_the_inferer_is_told_holds_for_both_methods():
    overrides = {"inferer#mask_fused": False, "inferer#orientations": ["coronal", "axial"]}
    experiment = parser(*HACA3, "experiment_field_of_view.json", **overrides).get_parsed_content("experiment")
    for inferer in (experiment.inferer, experiment.haca3_inferer):
        assert inferer.orientations == ("coronal", "axial") and not inferer.mask_fused
    assert experiment.inferer is not experiment.haca3_inferer
    assert experiment.weights.networks == [experiment.network]
