"""configs/make_library.json: which library it makes, and what it refuses."""

from pathlib import Path
from typing import Any

import monai.bundle
import pytest
from monai.bundle import ConfigParser

from scripts.base.errors import InputError, find_cause

from ..harmonize.tiny_subjects import BUNDLE
from .small_library import render_small

CONFIG = str(BUNDLE / "configs" / "make_library.json")


def make(folder: Path, **options: Any) -> None:
    monai.bundle.run(config_file=CONFIG, bundle_root=str(BUNDLE), library_dir=str(folder), **options)


def test_colin27_that_is_not_installed_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as caught:
        make(tmp_path / "library", colin27=str(tmp_path))
    message = str(find_cause(caught.value, InputError))
    assert "of the Debian package mricron-data" in message
    assert "without it, `--colin27 null` makes people of MNI152 alone" in message
    assert not (tmp_path / "library").exists()


@pytest.mark.parametrize(("colin27", "anatomies"), [(None, ["mni152"]), ("somewhere", ["mni152", "colin27"])])
def test_people_are_made_from_what_there_is(tmp_path: Path, colin27: str | None, anatomies: list[str]) -> None:
    parser = ConfigParser()
    parser.read_config(CONFIG)
    parser["bundle_root"], parser["colin27"] = str(tmp_path), colin27
    maker = parser.get_parsed_content("maker")
    assert list(maker.anatomies) == anatomies
    assert maker.folder == f"{tmp_path}/output/library"


def test_a_library_is_made_by_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.sampler.map_library.load_anatomy", lambda name, *_, **__: name)
    monkeypatch.setattr("scripts.sampler.map_library.render_maps", render_small)
    make(tmp_path, people=2, validation=1, colin27="null", **{"maker#voxels": 1000, "maker#bytes_per_person": 10**7})
    assert {"plan.json", "library.json", "person-0001.maps", "person-0002.maps"} == {p.name for p in tmp_path.iterdir()}
