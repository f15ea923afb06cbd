import json
from pathlib import Path
from typing import Any

import pytest

from scripts.base.errors import InputError
from scripts.base.text_files import write_json
from scripts.jobs.from_file import SubjectsFile
from scripts.jobs.jobs import Job
from scripts.jobs.targets import SiteTarget, StoredCode, write_target_code
from scripts.jobs.wanted import WantedTargets

CLEAN = StoredCode("t1w", {"theta": [0.0]}, name="clean")
CLEAN_PD = StoredCode("pd", {"theta": [1.0]}, name="clean")


def write(folder: Path, content: Any, name: str = "") -> Path:
    """A CSV file for text or bytes, a JSON file for anything else."""
    path = folder / (name or ("subjects.csv" if isinstance(content, str | bytes) else "subjects.json"))
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def read(path: Path, **defaults: Any) -> list[Job]:
    named = path.parent / "named.json"
    write_json(named, {"clean": {code.contrast: code.to_json() for code in (CLEAN, CLEAN_PD)}})
    return SubjectsFile(str(path)).jobs(WantedTargets(**defaults, named_targets=named))


def refusal(path: Path, **defaults: Any) -> str:
    with pytest.raises(InputError) as caught:
        read(path, **defaults)
    return str(caught.value)


def test_a_row_is_a_job_with_paths_from_the_files_folder(tmp_path):
    table = """subject,session,t1w,flair,target_flair,target_t1w
007,02,a/t1.nii.gz,/data/flair.nii.gz,../site.nii.gz,clean
sub-b,ses-x,,b.nii.gz,,clean
"""
    assert read(write(tmp_path, table)) == [
        Job(
            "sub-007",
            "ses-02",
            None,
            {"t1w": tmp_path / "a" / "t1.nii.gz", "flair": Path("/data/flair.nii.gz")},
            {"t1w": CLEAN, "flair": tmp_path / ".." / "site.nii.gz"},
        ),
        Job("sub-b", "ses-x", None, {"flair": tmp_path / "b.nii.gz"}, {"t1w": CLEAN}),
    ]


def test_a_row_may_say_where_it_was_scanned(tmp_path):
    table = "subject,t1w,site\n01,a.nii,Oslo\n02,b.nii,\n"
    first, second = read(write(tmp_path, table), target="auto", target_contrast="t1w")
    assert (first.site, second.site) == ("Oslo", None)
    assert first.targets == second.targets == {"t1w": SiteTarget(None)}
    entries = [{"subject": "01", "site": "Oslo", "sources": {"t1w": "a.nii"}, "targets": {"t1w": "site:Bergen 2"}}]
    (job,) = read(write(tmp_path, entries))
    assert (job.site, job.targets) == ("Oslo", {"t1w": SiteTarget("Bergen 2")})


def test_a_row_may_have_a_brain_mask_beside_the_table(tmp_path):
    table = "subject,t1w,brain_mask\n01,a.nii,masks/a.nii\n02,b.nii,\n"
    first, second = read(write(tmp_path, table), target="clean", target_contrast="t1w")
    assert (first.brain_mask, second.brain_mask) == (tmp_path / "masks" / "a.nii", None)
    entries = [{"subject": "01", "brain_mask": "/data/a.nii", "sources": {"t1w": "a.nii"}}]
    (job,) = read(write(tmp_path, entries), target="clean", target_contrast="t1w")
    assert job.brain_mask == Path("/data/a.nii")


def test_what_a_spreadsheet_writes_is_read(tmp_path):
    # A byte order mark, semicolons, Windows line ends, emptied columns and rows, capitals, spaces, quotes.
    table = '\ufeffSubject;T1w;target_t1w;;\r\n01; "a;1.nii.gz";clean;;\r\n;;;;\r\n"02";b,2.nii.gz;clean\r\n\r\n'
    jobs = read(write(tmp_path, table.replace('; "', ';"').encode()))
    assert [(job.name, job.sources["t1w"].name) for job in jobs] == [("sub-01", "a;1.nii.gz"), ("sub-02", "b,2.nii.gz")]


def test_a_rows_target_stands_before_the_default_of_its_contrast(tmp_path):
    table = "subject,t1w,target_t1w\n01,a.nii,\n02,b.nii,own.nii\n"
    first, second = read(write(tmp_path, table), targets={"flair": "f.nii", "t1w": "clean"})
    # Defaults are from the command line, so their paths begin where the user is.
    assert list(first.targets.items()) == [("t1w", CLEAN), ("flair", Path("f.nii"))]
    assert second.targets == {"t1w": tmp_path / "own.nii", "flair": Path("f.nii")}
    assert read(write(tmp_path, table), target="clean", target_contrast="pd")[0].targets == {"pd": CLEAN_PD}


def test_a_code_file_is_found_beside_the_table(tmp_path):
    write_target_code(tmp_path / "code.json", CLEAN.to_json())
    (job,) = read(write(tmp_path, "subject,pd,target_t1w\n1,a.nii,code.json\n"))
    target = job.targets["t1w"]
    assert isinstance(target, StoredCode) and target.name == "code.json"


@pytest.mark.parametrize("key", [None, "testing"])
def test_json_may_be_flat_nested_or_a_data_list(tmp_path, key):
    entries = [
        {"subject": "01", "session": "02", "sources": {"flair": "f.nii", "t1w": "a.nii"}, "targets": {"t1w": "clean"}},
        {"subject": "02", "session": None, "pd": "p.nii", "flair": None, "target_pd": "clean"},
    ]
    content = entries if key is None else {"name": "mine", "modality": {"0": "T1w"}, "training": [], key: entries}
    first, second = read(write(tmp_path, content))
    expected = {"t1w": tmp_path / "a.nii", "flair": tmp_path / "f.nii"}
    assert (first.name, first.sources, first.targets) == ("sub-01_ses-02", expected, {"t1w": CLEAN})
    assert (second.name, second.sources) == ("sub-02", {"pd": tmp_path / "p.nii"})
    assert second.targets == {"pd": CLEAN_PD}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("", " must have at least one subject, it has none"),
        ("subject,t1w\n", " must have at least one subject, it has none"),
        ("subject,t1\n", ", line 1: unknown column `t1`; did you mean `t1w`? Known are subject, session, t1w"),
        ("\nsubject,t1w,t1w\n", ", line 2: every column must be there once, `t1w` is there 2 times"),
        ("id,t1w\n", ", line 1: unknown column `id`; did you mean `"),
        ("t1w,flair\n", ", line 1: the header must have `subject` and at least one of t1w, t2w, pd, flair, got ['t1w'"),
        ("subject\n01\n", ", line 1: the header must have `subject` and at least one of t1w, t2w, pd, flair, got "),
        (
            "subject,t1w\n01,a.nii\n\n01,b.nii\n",
            ", line 4: a subject must have one row for each `session`, sub-01 is at ",
        ),
        (
            "subject,t1w\n01,a.nii\nsub-01,b.nii\n",
            ", line 3: a subject must have one row for each `session`, sub-01 is",
        ),
        ("subject,t1w\n,a.nii\n", ", line 2: every row needs a `subject`"),
        ("subject,t1w\n01,\n", ", line 2: every subject needs a source, a file under t1w, t2w, pd, flair"),
        ("subject,t1w\n01,a.nii,b.nii\n", ", line 2: a row must have at most 2 cells, as the header has, got 3"),
        ("subject,t1w\n0 1,a.nii\n", ", line 2: `subject` must be letters and digits, as BIDS labels are, got `0 1`"),
        (
            "subject,t1w\n../../etc,a.nii\n",
            ", line 2: `subject` must be letters and digits, as BIDS labels are, got `../../",
        ),
        ("subject,session,t1w\n1,/etc,a.nii\n", ", line 2: `session` must be letters and digits, as BIDS labels are, "),
        ("subject,t1w,pd\n1,a.nii,a.nii\n", ", line 2: `sources` must be different files, t1w and pd are both "),
        ("subject,t1w,target_pd\n1,a.nii,b\n", ", line 2: target `b` must be a name (clean), a code file (.json)"),
        ("subject,t1w,target_flair\n1,a.nii,clean\n", ", line 2: target `clean` is a code of t1w, pd and cannot be"),
        ('subject,t1w\n1,"a.nii\n', ", line 2: unexpected end of data"),
        (b"subject,t1w\nJos\xe9,a.nii\n", " must be a readable UTF-8 file: 'utf-8' codec can't decode"),
    ],
)
def test_a_mistake_in_a_table_is_refused_with_its_line(tmp_path, table, words):
    path = write(tmp_path, table)
    assert refusal(path, target="clean", target_contrast="t1w").startswith(f"cohort_file {path}{words}")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], " must have at least one subject, it has none"),
        (3, " must be a list of subjects, got 3"),
        ({"training": [{}], "testing": [{}]}, " must have one list of subjects, its lists are ['training', 'testing']"),
        ([3], ", entry 1: a subject must be an object, got 3"),
        ([{"subject": 12, "t1w": "a.nii"}], ", entry 1: `subject` must be text, got 12; put what you wrote in quotes"),
        ([{"subject": "1", "t1w": ""}], ", entry 1: `sources t1w` must not be empty"),
        ([{"subject": "1", "image": "a.nii"}], ", entry 1: unknown key `image`; did you mean `"),
        ([{"subject": "1", "sources": {"t1w": "a"}, "pd": "b"}], ", entry 1: unknown key `pd`; did you mean `"),
        (
            [{"subject": "1", "sources": {"t1": "a"}}],
            ", entry 1: unknown contrast of `sources` `t1`; did you mean `t1w`",
        ),
        ([{"subject": "1", "sources": "a.nii"}], ", entry 1: `sources` must give a value for each contrast"),
        ([{"subject": "1", "targets": {"t1w": "clean"}}], ", entry 1: every subject needs a source"),
    ],
)
def test_a_mistake_in_json_is_refused_with_its_entry(tmp_path, content, words):
    path = write(tmp_path, content)
    assert refusal(path, target="clean", target_contrast="t1w").startswith(f"cohort_file {path}{words}")


def test_a_row_without_any_target_is_refused(tmp_path):
    words = (
        ", line 2: every subject needs a target, under target_t1w, target_t2w, target_pd, target_flair or as a `target`"
    )
    path = write(tmp_path, "subject,t1w\n01,a.nii\n")
    assert refusal(path).startswith(f"cohort_file {path}{words}")
    assert refusal(path, target_contrast="t1w") == "exactly one of `target` and `targets` must be given, got neither"


def test_a_file_of_another_kind_is_refused(tmp_path):
    assert refusal(write(tmp_path, "", "a.xlsx")) == f"cohort_file must end in .csv or .json, got {tmp_path / 'a.xlsx'}"
    assert "must be a readable UTF-8 file: [Errno 2] No such file" in refusal(tmp_path / "absent.csv")
    assert "must be a readable JSON file: Expecting" in refusal(write(tmp_path, "[{]", "a.json"))
    with pytest.raises(InputError, match="`cohort_file` must be text, got 12; put what you wrote in quotes"):
        SubjectsFile(12).jobs(WantedTargets())
