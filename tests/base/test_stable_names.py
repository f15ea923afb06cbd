"""Names that outlive a file's place."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch

from scripts.base.stable_names import stable_name, with_stable_names
from scripts.training.update import TrainingUpdate, refuse_not_finite

CONFIGS = Path(__file__).parents[2] / "configs"


def targets(config: Any) -> set[str]:
    if isinstance(config, dict):
        own = {config["_target_"]} if isinstance(config.get("_target_"), str) else set()
        return own.union(*map(targets, config.values()))
    return set().union(*map(targets, config)) if isinstance(config, list) else set()


def test_what_is_ours_loses_its_module():
    assert stable_name("scripts.training.update.TrainingUpdate") == stable_name(TrainingUpdate) == "TrainingUpdate"
    assert stable_name(refuse_not_finite) == "refuse_not_finite"


def test_what_is_foreign_keeps_its_name():
    for name in ("torch.optim.Adam", "Compose", "scriptsofanother.Thing"):
        assert stable_name(name) == name
    assert stable_name(torch.optim.SGD) == "torch.optim.sgd.SGD"


def test_every_part_of_a_config_is_named_and_nothing_else_changes():
    config = {
        "a": {"_target_": "scripts.x.A", "b": [{"_target_": "scripts.y.B", "path": "scripts.y.B"}, 1]},
        "c": {"_target_": "torch.nn.Identity"},
    }
    assert with_stable_names(config) == {
        "a": {"_target_": "A", "b": [{"_target_": "B", "path": "scripts.y.B"}, 1]},
        "c": {"_target_": "torch.nn.Identity"},
    }
    assert config["a"]["_target_"] == "scripts.x.A"


def test_no_two_parts_of_the_configs_have_the_same_name():
    found = defaultdict(set)
    for path in CONFIGS.glob("*.json"):
        for target in targets(json.loads(path.read_text())):
            found[stable_name(target)].add(target)
    assert {name: several for name, several in found.items() if len(several) > 1} == {}
