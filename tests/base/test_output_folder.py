import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from monai.transforms import Compose, NormalizeIntensityd, OneOf, ScaleIntensityd

from scripts.base.output_folder import describe
from scripts.methods.haca3.fusing import MedianFusion
from scripts.methods.haca3.triplanar import TriPlanarInferer
from scripts.preprocessing.intensity_scale import ScaleByPercentiled


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
