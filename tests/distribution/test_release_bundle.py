import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from monai.bundle import ConfigParser

from scripts.base.errors import InputError
from scripts.distribution.release_bundle import BundleRelease


def small_bundle(folder: Path) -> Path:
    for name in ("configs/metadata.json", "models/model.pt", "models/published/model.pt", "scripts/a.py", "LICENSE"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    for name in ("scripts/__pycache__/a.pyc", "scripts/.partial-1-a.py", "notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("not to be packed")
    (folder / "metadata.json").symlink_to("configs/metadata.json")
    return folder


def release(bundle: Path, output: Path, **options) -> BundleRelease:
    given = {"contents": ["LICENSE", "configs", "metadata.json", "models", "scripts"], "left_out": ["models/published"]}
    return BundleRelease(str(bundle), str(output), "bundle", "1.2.3", **{**given, **options})


def test_what_belongs_to_the_bundle_is_in_it_and_links_are_files(tmp_path):
    said = release(small_bundle(tmp_path / "one"), tmp_path).run()
    packed = tmp_path / "bundle_v1.2.3.zip"
    assert said == f"{packed} (6 files, SHA-256 {hashlib.sha256(packed.read_bytes()).hexdigest()})"
    with zipfile.ZipFile(packed) as archive:
        content = {name: archive.read(name).decode() for name in archive.namelist()}
    files = ["LICENSE", "configs/metadata.json", "metadata.json", "models/model.pt", "scripts/a.py"]
    assert list(content) == [f"bundle/{name}" for name in [*files, "manifest.json"]]
    assert content["bundle/metadata.json"] == "configs/metadata.json"
    hashes = json.loads(content["bundle/manifest.json"])
    assert hashes == {name: hashlib.sha256(content[f"bundle/{name}"].encode()).hexdigest() for name in files}


def test_the_same_files_are_the_same_bytes_wherever_they_lie(tmp_path):
    packed = []
    for name in ("one", "another"):
        release(small_bundle(tmp_path / name), tmp_path / f"out-{name}").run()
        packed.append((tmp_path / f"out-{name}" / "bundle_v1.2.3.zip").read_bytes())
    assert packed[0] == packed[1]


def test_what_is_not_there_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(InputError, match="`contents` must name what is in .*, README.md is not there"):
        release(small_bundle(tmp_path / "one"), tmp_path / "out", contents=["README.md"]).run()
    assert not (tmp_path / "out").exists()


def test_the_release_has_what_the_model_zoo_asks_for(released_bundle):
    for name in (
        "configs/metadata.json",
        "configs/inference.json",
        "docs/README.md",
        "docs/data_license.txt",
        "LICENSE",
    ):
        assert (released_bundle / name).is_file()
    assert not (released_bundle / "metadata.json").is_symlink()
    assert (released_bundle / "metadata.json").read_bytes() == (
        released_bundle / "configs" / "metadata.json"
    ).read_bytes()
    assert not list(released_bundle.rglob("*.pyc"))
    parser = ConfigParser()
    parser.read_config(str(released_bundle / "configs" / "inference.json"))
    assert parser.get("network_def")


def test_the_release_runs_from_any_folder(released_bundle, tmp_path):
    command = [
        sys.executable,
        "-m",
        "monai.bundle",
        "run",
        "--config_file",
        str(released_bundle / "configs/inference.json"),
    ]
    result = subprocess.run(
        [*command, "--bundle_root", str(released_bundle)], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 1
    assert "exactly one of sources, cohort_file, cohort_dir, bids_dir must be given, got none" in result.stderr
