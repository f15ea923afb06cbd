import json

import pytest

from scripts.bench.waiting import Case, CommandTime, command, compare, measure, table, write_cohort


def test_a_cohort_is_of_different_files(tmp_path):
    image = tmp_path / "t1w.nii.gz"
    image.write_bytes(b"voxels")
    people = json.loads(write_cohort(tmp_path, {"t1w": str(image)}, {"flair": "other.nii.gz"}, people=2).read_text())
    assert [person["subject"] for person in people] == ["01", "02"]
    assert len({person["t1w"] for person in people}) == 2
    assert {person["target_flair"] for person in people} == {"other.nii.gz"}


def test_a_command_has_the_options_of_its_case(tmp_path):
    images = {"sources": {"t1w": "a.nii.gz"}, "targets": {"t1w": "b.nii.gz", "t2w": "c.nii.gz"}}
    words = command(Case("one", targets=["t1w"], options={"precision": "bf16"}), images, tmp_path)
    given = dict(
        zip(words[words.index("--config_file") :: 2], words[words.index("--config_file") + 1 :: 2], strict=True)
    )
    assert given["--precision"] == "bf16"
    assert given["--targets"] == "{'t1w': 'b.nii.gz'}"


def test_bundles_are_measured_in_turn_and_compared(monkeypatch, tmp_path):
    seconds = iter([10.0, 40.0, 30.0, 60.0])
    asked = []

    def measure(case, images, bundle):
        asked.append(bundle.name)
        return CommandTime(next(seconds), 1.5)

    monkeypatch.setattr("scripts.bench.waiting.measure", measure)
    case = Case("two people", visits=2)
    found = compare([case], {"brain": {}}, [tmp_path / "now", tmp_path / "before"], repeats=2)
    assert asked == ["now", "before", "now", "before"]
    assert "| two people | 20 | 10 | 1.5 | 50 | 25 | 1.5 | 2.50 |" in table(found, [case])


def test_a_command_that_fails_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("scripts.bench.waiting.command", lambda *_: ["false"])
    with pytest.raises(SystemExit, match="`one` failed"):
        measure(Case("one"), {}, tmp_path)
