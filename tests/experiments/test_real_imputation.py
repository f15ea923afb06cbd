import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.base.errors import InputError, find_cause

from ..harmonize.tiny_subjects import AFFINE, SHAPE, harmonize, write_ball, write_image

OVERLAY = "real_imputation.json"


def write_people(folder: Path, names: tuple[str, ...] = ("one", "two")) -> dict[str, dict[str, str]]:
    lesions = np.zeros(SHAPE)
    center = np.linalg.solve(AFFINE, [0, -14, 10, 1])[:3].astype(int)
    lesions[tuple(center)] = 1
    people: dict[str, dict[str, str]] = {}
    for number, name in enumerate(names):
        people[name] = {contrast: f"{name}_{contrast}.nii.gz" for contrast in ("t1w", "t2w", "flair")}
        for seed, file in enumerate(people[name].values()):
            write_ball(folder / file, 10 * number + seed)
        people[name]["lesions"] = f"{name}_lesions.nii.gz"
        write_image(folder / people[name]["lesions"], lesions)
    return people


def run(folder: Path, people: dict[str, Any]) -> dict[str, Any]:
    output = harmonize(folder / "out", OVERLAY, people=people, data_dir=str(folder))
    results: dict[str, Any] = json.loads((output / "results.json").read_text())
    return results


def test_each_contrast_of_each_person_is_imputed_and_compared(tmp_path):
    results = run(tmp_path, write_people(tmp_path))
    found = [(row["person"], row["contrast"], row["method"]) for row in results["rows"]]
    ways = ("regression", "HACA3+")
    assert found == [(name, what, way) for name in ("one", "two") for what in ("t2w", "flair") for way in ways]
    regression = results["rows"][0]["measures"]
    # The ball has two tissues, 2.5 and 2 times the gain, with uniform noise of half as much between.
    assert 0.3 < regression["correlation"] < 0.9
    assert results["lesions"]["one"][0] == pytest.approx(1.0, abs=0.35)
    assert "| one | t2w | regression |" in (tmp_path / "out" / "table.md").read_text()


def refusal(folder: Path, people: dict[str, Any]) -> str:
    with pytest.raises(RuntimeError) as caught:
        run(folder, people)
    return str(find_cause(caught.value, InputError))


def test_a_missing_file_is_named(tmp_path):
    people = write_people(tmp_path)
    people["two"]["flair"] = "nowhere.nii.gz"
    assert refusal(tmp_path, people) == (f"`people` two: flair must be in `data_dir` {tmp_path}, nowhere.nii.gz is not")


def test_one_person_is_refused(tmp_path):
    assert refusal(tmp_path, write_people(tmp_path, ("one",))) == "`people` must be at least 2, got ['one']"
