import json
from pathlib import Path

import pytest

from scripts.base.errors import InputError
from scripts.bench.people_apart import main

PERCENTILES = [0.1, 0.3, 0.5, 0.8, 1.2]


def write_code(folder: Path, name: str, levels: list[float], factor: float = 1.0, extent: float = 1000) -> None:
    percentiles = [factor * value for value in PERCENTILES]
    code = {"contrast": "t1w", "percentiles": percentiles, "levels": levels, "extent": [extent]}
    folder.mkdir(exist_ok=True)
    (folder / f"{name}_desc-code_T1w.json").write_text(json.dumps(code))


def test_scans_of_equal_levels_ask_nothing_of_each_other_and_others_do(tmp_path: Path):
    # The percentiles are another person's, so that the levels decide.
    write_code(tmp_path, "sub-01", [0.3, 0.6, 1.0])
    write_code(tmp_path, "sub-02", [0.3, 0.6, 1.0], factor=3, extent=1200)
    head, _, *lines = main([str(tmp_path)]).splitlines()
    assert head == "| contrast | measure | two scans | pairs | 10% | 50% | 90% | 95% |"
    assert lines == [
        "| T1w | asked | of two people, one scanner | 2 | 0.000 | 0.000 | 0.000 | 0.000 |",
        "| T1w | extent | of two people, one scanner | 2 | 0.182 | 0.182 | 0.182 | 0.182 |",
    ]
    write_code(tmp_path, "sub-02", [0.3, 0.9, 1.0], factor=3, extent=1200)
    assert float(main([str(tmp_path)]).splitlines()[2].split(" | ")[4]) > 0.05


def test_scans_of_one_person_have_lines_of_their_own_and_too_few_are_refused(tmp_path: Path):
    write_code(tmp_path, "sub-01_ses-1", [0.3, 0.6, 1.0])
    with pytest.raises(InputError, match="at least two code files are needed, .* has 1"):
        main([str(tmp_path)])
    write_code(tmp_path, "sub-01_ses-2", [0.3, 0.6, 1.0], extent=1010)
    *_, asked, extent = main([str(tmp_path)]).splitlines()
    assert asked == "| T1w | asked | of one person | 2 | 0.000 | 0.000 | 0.000 | 0.000 |"
    assert extent == "| T1w | extent | of one person | 2 | 0.010 | 0.010 | 0.010 | 0.010 |"
