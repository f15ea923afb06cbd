import ast
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from monai.transforms import Compose, NormalizeIntensityd, OneOf, ScaleIntensityd

from scripts.base.output_folder import describe
from scripts.methods.haca3.fusing import MedianFusion
from scripts.methods.haca3.triplanar import TriPlanarInferer
from scripts.metrics.scaling import divide_by_percentile
from scripts.preprocessing.intensity_scale import ScaleByPercentiled

BUNDLE = Path(__file__).parents[2]
NAMES = ("MedianFusion", "MedianFusion", "divide_by_percentile")
# What a measurement or a picture is made of, and no setting.
RECORDS = {"Comparison", "Crop", "Noise", "Row", "Subject"}


@dataclass
class Settings:
    radius: int = 3
    folder: Path = Path("a/b")
    numbers: tuple[float, ...] = (0.5, 2.0)
    _cache: dict[str, int] = field(default_factory=dict)


def test_an_object_is_its_name_and_the_arguments_it_was_made_with():
    inferer = TriPlanarInferer(MedianFusion(), attention=True, uncertainty=True, samples=4, seed=7)
    described = describe(inferer)
    # Some of them it keeps in a part of itself.
    assert (described["attention"], described["samples"], described["seed"]) == (True, 4, 7)
    assert described["fusion"] == {"_target_": "MedianFusion"}
    assert "maps" not in described
    assert describe(Settings()) == {
        "_target_": "tests.base.test_output_folder.Settings",
        "radius": 3,
        "folder": "a/b",
        "numbers": [0.5, 2.0],
    }


def test_composed_transforms_are_a_list_with_their_settings():
    ours, theirs = describe(Compose([ScaleByPercentiled(percentile=99.0), ScaleIntensityd("image", 0.0, 2.0)]))
    assert (ours["keys"], ours["percentile"], ours["upper"]) == (["image"], 99.0, 5.0)
    # MONAI keeps the settings of a transform of dictionaries in one of arrays.
    assert (theirs["scaler"]["minv"], theirs["scaler"]["maxv"]) == (0.0, 2.0)
    assert describe(OneOf([])) != []


def test_whatever_a_transform_holds_can_be_written_as_json():
    transform = NormalizeIntensityd("image", subtrahend=np.array([1.5]), divisor=np.array([2.0]), dtype=np.float32)
    described = json.loads(json.dumps(describe(transform)))
    assert described["normalizer"]["subtrahend"] == [1.5]
    assert described["normalizer"]["dtype"] == {"_target_": "numpy.float32"}
    assert describe([torch.float16, torch.device("cpu"), torch.tensor([1, 2]), np.float64(3)]) == [
        "torch.float16",
        "cpu",
        [1, 2],
        3.0,
    ]


def made_here(value: int) -> int:
    return value


def test_what_is_of_the_bundle_goes_by_its_bare_name_wherever_it_lies(monkeypatch):
    ours = {"fusion": MedianFusion(), "kind": MedianFusion, "scaling": divide_by_percentile}
    before = describe(ours)
    assert before == {name: {"_target_": kind} for name, kind in zip(ours, NAMES, strict=True)}
    monkeypatch.setattr(MedianFusion, "__module__", "scripts.elsewhere.fusions")
    monkeypatch.setattr(divide_by_percentile, "__module__", "scripts.elsewhere.scalings")
    assert describe(ours) == before
    # What others make may be named alike, and what a config writes out is in no module.
    assert describe(eval("lambda data: data", {})) == {"_target_": "None.<lambda>"}
    assert describe(made_here) == {"_target_": "tests.base.test_output_folder.made_here"}


def named_by_configs() -> set[str]:
    """Bare names of all that a config makes or hands over, which is what settings of an output are made of."""
    text = "".join(path.read_text(encoding="utf-8") for path in (BUNDLE / "configs").glob("*.json"))
    return {path.rpartition(".")[2] for path in re.findall(r"\bscripts(?:\.\w+)+", text)}


def defined() -> dict[str, list[str]]:
    """Modules by the name of the classes and functions that they have."""
    found: dict[str, list[str]] = {}
    for path in sorted((BUNDLE / "scripts").rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                found.setdefault(node.name, []).append(path.relative_to(BUNDLE).as_posix())
    return found


def test_no_two_parts_of_an_output_are_called_alike():
    where = defined()
    named = named_by_configs()
    assert {"TriPlanarInferer", "NyulMatching", "Haca3Method"} <= named
    assert {name: where[name] for name in named if len(where.get(name, ())) > 1} == {}


def test_classes_that_are_no_plain_records_are_called_by_one_name_in_the_bundle():
    alike = {name for name, modules in defined().items() if name[0].isupper() and len(modules) > 1}
    assert alike == RECORDS
    assert not alike & named_by_configs()
