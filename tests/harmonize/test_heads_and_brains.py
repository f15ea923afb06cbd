"""Where one image shows the head and another the brain alone, a run says so."""

import json
from pathlib import Path

import numpy as np
import pytest

from scripts.base.text_files import write_json

from .tiny_subjects import AFFINE, CENTER, SHAPE, harmonize, write_ball, write_image


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A subject's T1w image and one target, which both show a brain."""
    folder = tmp_path_factory.mktemp("images")
    return {
        "t1w": write_ball(folder / "sub-01_ses-02_T1w.nii.gz", seed=1),
        "target_t1w": write_ball(folder / "site-3_T1w.nii.gz", seed=3, gain=40),
    }


def write_head(path: Path) -> Path:
    """A larger ball; it has 0.9 ml, the others have 0.27 ml."""
    places = np.indices(SHAPE) + AFFINE[:3, 3, None, None, None] - CENTER[:, None, None, None]
    return write_image(path, np.where(np.linalg.norm(places, axis=0) < 6, 100 + np.arange(SHAPE[2]), 0))


def test_a_head_beside_a_brain_is_said(images, tmp_path, capfd):
    sources = {"t1w": str(images["t1w"]), "flair": str(write_head(tmp_path / "head_FLAIR.nii.gz"))}
    given = {"target": str(images["target_t1w"]), "target_contrast": "t1w", "subject": "01"}
    found = []
    for largest in (0.5, 5.0):
        output = harmonize(
            tmp_path / str(largest),
            "method_none.json",
            sources=sources,
            **given,
            **{"outputs#largest_brain_ml": largest},
        )
        (sidecar,) = output.rglob("*_T1w.json")
        found.append(json.loads(sidecar.read_text())["Found"].get("sources_without_skull"))
    assert found == [["t1w"], None]
    words = "sub-01_ses-02: flair shows the head and t1w the brain alone; the latter add nothing outside the brain"
    assert "".join(capfd.readouterr()).count(words) == 1


def test_a_target_that_shows_the_head_is_said_where_sources_do_not(images, tmp_path, capfd):
    head, code = write_head(tmp_path / "head_T1w.nii.gz"), tmp_path / "unknown.json"
    numbers = {"theta": [0.1] * 4, "eta": [0, 0], "percentiles": [1.0] * 11}
    write_json(code, {"contrast": "t1w", "method": "haca3plus", **numbers})
    found = {}
    for source, target in ((images["t1w"], head), (head, images["target_t1w"]), (head, head), (head, code)):
        output = harmonize(
            tmp_path / f"{source.stem}_{target.stem}",
            sources={"t1w": str(source)},
            target=str(target),
            subject="01",
            **{"outputs#largest_brain_ml": 0.5},
        )
        (sidecar,) = output.rglob("*_T1w.json")
        said = json.loads(sidecar.read_text())["Found"].get("target_without_skull")
        found[source == head, target.name] = said
    assert found == {
        (False, "head_T1w.nii.gz"): False,
        (True, images["target_t1w"].name): True,
        (True, "head_T1w.nii.gz"): None,
        (True, "unknown.json"): None,
    }
    log = "".join(capfd.readouterr())
    end = "choose a target that shows what they show"
    assert log.count(f"the target of t1w shows the head and the sources the brain alone; {end}") == 1
    assert log.count(f"the target of t1w shows the brain alone and the sources the head; {end}") == 1
