import os
import time
from pathlib import Path

import pytest

from scripts.base.whole_file import remove_left_behind, whole_file


def test_a_file_gets_its_name_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with whole_file(path) as partial:
        partial.write_text("content")
        assert [each.name for each in path.parent.iterdir()] == [f".partial-{os.getpid()}-a.txt"]
    assert path.read_text() == "content"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_the_earlier_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("earlier")
    with pytest.raises(ZeroDivisionError), whole_file(path) as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def aged(path: Path, seconds: float) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("half")
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def test_only_partial_files_that_are_older_than_an_hour_were_left_behind(tmp_path):
    kept = [aged(tmp_path / ".partial-1-a.nii.gz", 3500), aged(tmp_path / "anat" / ".partial-notes", 0)]
    kept += [aged(tmp_path / name, 1e6) for name in (".bidsignore", "a.nii.gz")]
    aged(tmp_path / "anat" / ".partial-12-b.nii.gz", 3700)
    remove_left_behind(tmp_path)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)
