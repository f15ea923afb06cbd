import logging
from pathlib import Path

import pytest

from scripts.base.errors import InputError
from scripts.jobs.checks import check_jobs
from scripts.jobs.jobs import Job
from scripts.jobs.targets import SiteTarget, TargetSpec

OSLO = SiteTarget("Oslo")


def job(source: Path, contrast: str = "t1w", target: TargetSpec = OSLO, brain_mask: Path | None = None) -> Job:
    return Job("sub-01", None, None, {contrast: source}, {contrast: target}, brain_mask=brain_mask)


OUTPUT = "sub-01/anat/sub-01_desc-harmonized_T1w.nii.gz"


def test_no_image_that_is_read_may_lie_where_results_go(tmp_path):
    out, elsewhere = tmp_path / "out", tmp_path / "T1w.nii.gz"
    jobs = [job(out / OUTPUT), job(elsewhere, target=out / OUTPUT), job(elsewhere, brain_mask=out / OUTPUT)]
    for each in jobs:
        with pytest.raises(InputError) as caught:
            check_jobs([job(elsewhere), each], out)
        assert str(caught.value) == (
            f"`output_dir` must not be where the run reads from, but {out / OUTPUT} lies where results go, in"
            f" {out / 'sub-01'}; choose another folder"
        )


def test_links_and_relative_paths_hide_nothing(tmp_path, monkeypatch):
    (tmp_path / "out" / "sub-01" / "anat").mkdir(parents=True)
    (tmp_path / "out" / OUTPUT).touch()
    (tmp_path / "link").symlink_to(tmp_path / "out")
    (tmp_path / "T1w.nii.gz").symlink_to(tmp_path / "out" / OUTPUT)
    monkeypatch.chdir(tmp_path)
    for source, folder in (("link/" + OUTPUT, "out"), ("out/" + OUTPUT, "link"), ("T1w.nii.gz", "./out")):
        with pytest.raises(InputError, match=f"but {source} lies where results go"):
            check_jobs([job(Path(source))], folder)


@pytest.mark.parametrize("output_dir", ["study/derivatives/harmonized", "out", "study/sub-01/anat/out"])
def test_results_may_lie_beside_what_is_read_and_below(tmp_path, output_dir):
    jobs = [job(tmp_path / "study" / "sub-01" / "anat" / "sub-01_T1w.nii.gz")]
    assert check_jobs(jobs, tmp_path / output_dir) == jobs
    with pytest.raises(InputError, match="must not be where the run reads from"):
        check_jobs(jobs, tmp_path / "study")


def test_an_image_whose_name_speaks_of_another_contrast_is_warned_of_or_refused(caplog):
    jobs = [
        job(Path("a_FLAIR.nii.gz")),
        job(Path("b_t2w.nii.gz"), "t2w"),
        job(Path("c.nii.gz"), target=Path("d_PDw.nii")),
        job(Path("FLAIR_to_T1w.nii.gz"), "flair"),
    ]
    source = "source `t1w` of sub-01 is a_FLAIR.nii.gz, whose name says flair"
    target = "target of `t1w` is d_PDw.nii, whose name says pd"
    with caplog.at_level(logging.WARNING):
        assert check_jobs(jobs, "out") == jobs
    assert caplog.messages == [f"{line}; check that it is not a slip" for line in (source, target)]
    with pytest.raises(InputError) as caught:
        check_jobs(jobs, "out", strict=True)
    words = "`strict` allows no image whose name speaks of another contrast: "
    assert str(caught.value) == f"{words}{source}; {target}"
    check_jobs(jobs[1:2], "out", strict=True)
