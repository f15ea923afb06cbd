import json
from pathlib import Path

import pytest

from scripts.base.text_files import write_json
from scripts.harmonize.usual_scores import usual_scores
from scripts.methods.haca3.code import Haca3Code
from scripts.methods.haca3.fusing import MedianFusion
from scripts.methods.haca3.method import Haca3Method
from scripts.methods.haca3.triplanar import TriPlanarInferer

from .tiny_subjects import narrow_haca3

METHOD = Haca3Method("haca3", narrow_haca3(), TriPlanarInferer(MedianFusion()))


@pytest.fixture
def named(tmp_path: Path) -> Path:
    def code(eta: list[float], head: bool, weights: str = "ours") -> dict[str, object]:
        return {"theta": [0.0, 0.0], "eta": eta, "head": head, "weights": weights}

    targets = {
        "one": {"t1w": code([0.3, 0.4], False), "t2w": code([0.1, 0.0], False)},
        "two": {"t1w": code([0.0, -0.7], False)},
        "two_head": {"t1w": code([0.9, 0.0], True)},
        "other": {"t1w": code([5.0, 0.0], False, weights="theirs"), "flair": code([1.0, 0.0], False, weights="theirs")},
    }
    write_json(tmp_path / "targets.json", targets)
    return tmp_path / "targets.json"


def test_usual_is_the_mean_of_the_targets_that_the_weights_made_of_the_same(named):
    assert usual_scores(METHOD, named, "ours", False, ["t1w"]) == pytest.approx({"t1w": 0.6})
    assert usual_scores(METHOD, named, "ours", False, ["t2w", "t1w"]) == pytest.approx({"t2w": 0.1, "t1w": 0.6})
    assert usual_scores(METHOD, named, "ours", True, ["t1w"]) == pytest.approx({"t1w": 0.9})


def test_nothing_is_usual_where_one_contrast_is_not_known(named, tmp_path):
    assert usual_scores(METHOD, named, "ours", False, ["t1w", "flair"]) == {}
    assert usual_scores(METHOD, named, "ours", True, ["t1w", "t2w"]) == {}
    assert usual_scores(METHOD, tmp_path / "missing.json", "ours", False, ["t1w"]) == {}
    assert usual_scores(METHOD, None, "ours", False, ["t1w"]) == {}


def test_nothing_is_usual_where_codes_do_not_tell_of_artifacts(named, monkeypatch):
    monkeypatch.setattr(Haca3Code, "describe", lambda code: {"appearance": list(code.theta)})
    assert usual_scores(METHOD, named, "ours", False, ["t1w"]) == {}


def test_a_target_that_the_method_does_not_take_says_nothing(named):
    targets = json.loads(named.read_text())
    targets["short"] = {"t1w": {"theta": [0.0, 0.0], "eta": [9.0], "head": False, "weights": "ours"}}
    write_json(named, targets)
    assert usual_scores(METHOD, named, "ours", False, ["t1w"]) == pytest.approx({"t1w": 0.6})
