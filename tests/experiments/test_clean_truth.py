import json
from collections import Counter
from pathlib import Path
from typing import Any

import monai.bundle
import pytest

from scripts.base.errors import InputError, find_cause
from scripts.experiments.clean_truth import Row, clean_truth_markdown
from scripts.sampler.map_library import MapLibrary

from ..harmonize.tiny_subjects import BUNDLE
from ..sampler.small_library import small_maker

CONFIGS = [str(BUNDLE / "configs" / f"{name}.json") for name in ("inference", "method_none", "clean_truth")]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(small_maker(tmp_path_factory.mktemp("library")).run())


def run(library: Path, output: Path, **overrides: Any) -> list[dict[str, Any]]:
    given = {"bundle_root": str(BUNDLE), "library_dir": str(library), "output_dir": str(output), "subjects": 2}
    given |= {"device": "cpu", "scanner_law#pool": 4, **overrides}
    monai.bundle.run(config_file=CONFIGS, **given)
    rows: list[dict[str, Any]] = json.loads((output / "results.json").read_text())["rows"]
    return rows


def test_what_changes_nothing_gains_nothing_and_harms_nobody(library, tmp_path):
    rows = run(library, tmp_path)
    people = MapLibrary(library).validation
    assert {(row["person"], row["target_person"]) for row in rows} == {tuple(people), tuple(people[::-1])}
    assert len(rows) == 2 * 4 * 2
    for row in rows:
        assert row["harmonized"] == pytest.approx(row["unharmonized"], abs=1e-3)
    table = (tmp_path / "table.md").read_text()
    assert "| t1w | PSNR |" in table and "0 of 2 |" in table


def test_who_becomes_worse_is_counted():
    rows = [Row(1, 2, "t1w", "psnr", 20.0, 23.0), Row(2, 1, "t1w", "psnr", 24.0, 23.0)]
    assert "| t1w | PSNR | 22.000 ± 2.828 | 23.000 ± 0.000 | 1.000 ± 2.828 | 1 of 2 |" in clean_truth_markdown(rows)


def test_a_head_goes_to_a_head_and_a_brain_to_a_brain(tmp_path):
    library = Path(small_maker(tmp_path / "library", people=4, validation=3).run())
    rows = run(library, tmp_path / "out", subjects=3)
    whole = {n: MapLibrary(library).about(n)["parameters"]["head"] for n in MapLibrary(library).validation}
    kinds = Counter(whole.values())
    for row in rows:
        assert row["target_person"] != row["person"]
        assert whole[row["target_person"]] == whole[row["person"]] or kinds[whole[row["person"]]] == 1


def test_more_people_than_there_are_held_out_are_refused(library, tmp_path):
    with pytest.raises(RuntimeError) as caught:
        run(library, tmp_path, subjects=3)
    assert "`subjects` must be at most the 2 held-out people, got 3" in str(find_cause(caught.value, InputError))
