import json
import logging
from pathlib import Path
from typing import Any

import pytest

from scripts.base.errors import InputError
from scripts.jobs.from_bids import BidsFolder
from scripts.jobs.jobs import Job
from scripts.jobs.wanted import WantedTargets

SUFFIXES: dict[str, str | None] = {"T1w": "t1w", "T2w": "t2w", "FLAIR": "flair", "inplaneT2": "t2w", "ce_T1w": None}
TARGETS = {"t1w": Path("site_T1w.nii.gz")}


def touch(folder: Path, *names: str) -> None:
    for name in names:
        entities = dict(pair.split("-", 1) for pair in name.split("_")[:-1])
        session = [f"ses-{entities['ses']}"] if "ses" in entities else []
        path = folder.joinpath(f"sub-{entities['sub']}", *session, "anat", f"{name}.nii.gz")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def read(bids_dir: Any, **changes: Any) -> list[Job]:
    given: dict[str, Any] = {"suffixes": SUFFIXES, "site_fields": ("InstitutionName", "Manufacturer")}
    return BidsFolder(bids_dir, **(given | changes)).jobs(WantedTargets("site_T1w.nii.gz"))


def sources(job: Job) -> dict[str, str]:
    return {contrast: path.name.removesuffix(".nii.gz") for contrast, path in job.sources.items()}


def test_a_visit_is_a_job_and_suffixes_become_contrasts(tmp_path):
    touch(tmp_path, "sub-01_ses-2_FLAIR", "sub-01_ses-2_T1w", "sub-01_ses-1_inplaneT2", "sub-02_T1w", "sub-02_T2starw")
    first, second, third = read(tmp_path)
    assert (first.name, sources(first)) == ("sub-01_ses-1", {"t2w": "sub-01_ses-1_inplaneT2"})
    assert (second.name, list(second.sources)) == ("sub-01_ses-2", ["t1w", "flair"])
    assert (third.name, third.sources) == ("sub-02", {"t1w": tmp_path / "sub-02" / "anat" / "sub-02_T1w.nii.gz"})
    assert all(job.targets == TARGETS and not job.choices for job in (first, second, third))


@pytest.mark.parametrize(
    ("names", "changes", "chosen"),
    [
        (["run-2_T1w", "run-1_T1w"], {}, "run-1_T1w"),
        (["run-2_T1w", "run-1_T1w"], {"runs": (2, 1)}, "run-2_T1w"),
        (["run-3_T1w", "run-2_T1w"], {}, "run-2_T1w"),
        (["acq-a_T1w", "T1w"], {}, "T1w"),
        (["acq-b_T1w", "acq-a_T1w"], {}, "acq-a_T1w"),
        (["acq-b_run-1_T1w", "run-2_T1w"], {}, "acq-b_run-1_T1w"),
        (["part-mag_T1w", "part-phase_T1w"], {}, "part-mag_T1w"),
        (["ce-gad_T1w", "T1w"], {}, "T1w"),
        (["ce-gad_T1w", "run-2_T1w"], {"suffixes": {"T1w": "t1w", "ce_T1w": "t1w"}}, "run-2_T1w"),
        (["ce-gad_T1w", "T1w"], {"suffixes": {"ce_T1w": "t1w"}}, "ce-gad_T1w"),
    ],
)
def test_of_several_images_of_a_contrast_one_is_chosen_by_rule(tmp_path, names, changes, chosen):
    touch(tmp_path, *(f"sub-01_{name}" for name in names))
    (job,) = read(tmp_path, **changes)
    assert sources(job) == {"t1w": f"sub-01_{chosen}"}


def test_the_suffix_that_stands_first_is_preferred_and_the_choice_is_said(tmp_path, caplog):
    caplog.set_level(logging.INFO, "scripts")
    touch(tmp_path, "sub-01_run-1_inplaneT2", "sub-01_run-2_T2w", "sub-01_run-3_T2w", "sub-01_T1w")
    (job,) = read(tmp_path)
    others = "sub-01_run-3_T2w.nii.gz, sub-01_run-1_inplaneT2.nii.gz"
    assert job.choices == (f"t2w is sub-01_run-2_T2w.nii.gz, not {others}",)
    assert f"sub-01: {job.choices[0]}" in caplog.messages


def test_an_image_after_a_contrast_agent_is_no_t1w_image(tmp_path, caplog):
    caplog.set_level(logging.INFO, "scripts")
    touch(tmp_path, "sub-01_T1w", "sub-02_ce-gadolinium_T1w", "sub-02_FLAIR")
    # The agent may be in the sidecar alone.
    touch(tmp_path, "sub-03_T1w", "sub-04_T2w")
    (tmp_path / "sub-03/anat/sub-03_T1w.json").write_text('{"ContrastBolusIngredient": "GADOLINIUM"}')
    assert [(job.name, list(job.sources)) for job in read(tmp_path)] == [
        ("sub-01", ["t1w"]),
        ("sub-02", ["flair"]),
        ("sub-04", ["t2w"]),
    ]
    assert caplog.messages == [
        f"{tmp_path}: 3 visits of 3 subjects; images not used: 2 ce_T1w",
        f"{tmp_path}: no usable image of sub-03",
        f"{tmp_path}: 3 images have no sidecar, so that scanner and contrast agent are unknown",
    ]
    asked = read(tmp_path, suffixes=SUFFIXES | {"ce_T1w": "t1w"})
    assert [list(job.sources) for job in asked] == [["t1w"], ["t1w", "flair"], ["t1w"], ["t2w"]]


def test_a_site_comes_from_participants_or_else_from_a_sidecar(tmp_path):
    touch(tmp_path, "sub-01_T1w", "sub-02_T1w", "sub-02_FLAIR", "sub-03_T1w")
    (tmp_path / "sub-02/anat/sub-02_FLAIR.json").write_text('{"Manufacturer": "B"}')
    assert [job.site for job in read(tmp_path)] == [None, "B", None]
    (tmp_path / "T1w.json").write_text('{"InstitutionName": "A"}')
    (tmp_path / "participants.tsv").write_text("participant_id\tsite\nsub-03\tC\n")
    assert [job.site for job in read(tmp_path)] == ["A", "A", "C"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {},
            "`bids_dir` must hold images sub-*/[ses-*/]anat/*_<suffix>.nii[.gz] of a suffix T1w, T2w, FLAIR, inplaneT2,"
            " found none in {}; of others: 1 MESE, 2 ce_T1w",
        ),
        (
            {"suffixes": {"T1w": "t1"}},
            "`suffixes` must give suffixes one of ['t1w', 't2w', 'pd', 'flair'], got {{'T1w'",
        ),
        (
            {"suffixes": {"T1w": None}},
            "`suffixes` must give suffixes one of ['t1w', 't2w', 'pd', 'flair'], got {{'T1w'",
        ),
        ({"bids_dir": "nowhere"}, "`bids_dir` must be a BIDS folder, but nowhere is not a folder"),
        ({"bids_dir": 7}, "`bids_dir` must be text, got 7"),
    ],
)
def test_a_folder_without_usable_images_and_wrong_arguments_are_refused(tmp_path, changes, words):
    touch(tmp_path, "sub-01_ce-gad_T1w", "sub-02_ce-gad_T1w", "sub-02_MESE")
    with pytest.raises(InputError) as caught:
        read(**({"bids_dir": tmp_path} | changes))
    assert str(caught.value).startswith(words.format(tmp_path))


def test_the_table_of_the_config_maps_every_common_suffix(tmp_path):
    config = json.loads((Path(__file__).parents[2] / "configs" / "inference.json").read_text())
    touch(tmp_path, *(f"sub-{suffix}_{suffix}" for suffix in ("T1w", "T2w", "PDw", "FLAIR", "inplaneT1", "inplaneT2")))
    found = {job.subject: list(job.sources) for job in read(tmp_path, suffixes=config["suffixes"])}
    assert found == {
        "sub-FLAIR": ["flair"],
        "sub-PDw": ["pd"],
        "sub-T1w": ["t1w"],
        "sub-T2w": ["t2w"],
        "sub-inplaneT1": ["t1w"],
        "sub-inplaneT2": ["t2w"],
    }


def test_real_scans_are_found(real_data):
    jobs = {job.name: list(job.sources) for job in read(real_data / "bids")}
    assert jobs == {
        "sub-dep01": ["t1w"],
        "sub-dep68": ["t1w"],
        "sub-lh01": ["t1w", "t2w"],
        "sub-lh02": ["t1w", "t2w"],
        "sub-ms12_ses-1": ["t1w", "t2w", "flair"],
        "sub-ms12_ses-2": ["t1w", "t2w", "flair"],
    }
