"""What people and programs write, damaged by the thousand: read as it is meant, or refused by the file's name."""

import json
import logging
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.images.bids import read_bids
from scripts.jobs.from_bids import BidsFolder
from scripts.jobs.from_file import SubjectsFile
from scripts.jobs.jobs import Job
from scripts.jobs.targets import StoredCode, read_named_targets, read_target_code
from scripts.jobs.wanted import WantedTargets

TABLE = "subject,session,t1w,flair,target_t1w\n01,02,a_T1w.nii.gz,b_FLAIR.nii.gz,site:Oslo\n02,01,c.nii,,auto\n"
LIST = [
    {"subject": "01", "sources": {"t1w": "a.nii.gz", "flair": "b.nii.gz"}, "targets": {"t1w": "site:Oslo"}},
    {"subject": "02", "session": "1", "t1w": "c.nii.gz", "target_t1w": "auto", "scanner": "MR 2", "site": "Oslo"},
]
CODE = {"contrast": "t1w", "theta": [0.3, -1.2], "eta": [0.1, 0.4], "scale": 812.3, "origin": "mean", "head": None}
SIDECAR = {"InstitutionName": "Oslo", "StationName": "MR 2", "ContrastBolusIngredient": None, "EchoTime": 0.003}
PIECES = (
    "null",
    "true",
    "1e999",
    "-1",
    "[]",
    "{}",
    '""',
    "'",
    '"',
    ",",
    ";",
    "\n",
    "[" * 2000,
    "\\ud800",
    "\0",
    "\ufeff",
)
MORE_PIECES = ("é", "../", "~", "$x", "@y", "NaN", "9" * 5000, '"a": 1, "a": 2', "t1w", "\r", " ", "a" * 200_000)

ODD = (
    None,
    True,
    0,
    -1,
    1e300,
    10**400,
    float("nan"),
    "",
    " ",
    "x",
    "t1w",
    "~",
    "\0",
    "\ud800",
    "é",
    "a" * 300,
    [],
    {},
    [1],
)


def damaged(text: str, rng: np.random.Generator) -> bytes:
    """One to three changes: a piece put in, a part cut out or doubled, a character or a bit changed."""
    pieces = PIECES + MORE_PIECES
    content = text.encode()
    for _ in range(rng.integers(1, 4)):
        start = int(rng.integers(len(content) + 1))
        stop = min(start + int(rng.integers(1, 30)), len(content))
        piece = pieces[rng.integers(len(pieces))].encode()
        flipped = bytes([content[start] ^ 1 << int(rng.integers(8))]) if start < len(content) else b""
        content = (
            content[:start] + piece + content[start:],
            content[:start] + piece + content[stop:],
            content[:start] + content[stop:],
            content[:stop] + content[start:],
            content[:start] + flipped + content[start + 1 :],
        )[rng.integers(5)]
    return content


def replaced(text: str, rng: np.random.Generator) -> bytes:
    """JSON of which one value, or one key, is another."""
    content = json.loads(text)
    holders = [content]
    for holder in holders:
        holders += [
            inner
            for inner in (holder.values() if isinstance(holder, dict) else holder)
            if isinstance(inner, dict | list)
        ]
    holder = holders[rng.integers(len(holders))]
    odd = ODD[rng.integers(len(ODD))]
    if isinstance(holder, list):
        holder[int(rng.integers(len(holder)))] = odd
    else:
        key = list(holder)[rng.integers(len(holder))]
        value = holder.pop(key)
        holder |= {key: odd} if rng.random() < 0.7 else {str(odd)[:300]: value}
    return json.dumps(content).encode()


def read_cohort_file(path: Path) -> None:
    jobs = SubjectsFile(path).jobs(WantedTargets(named_targets=path.parent / "none"))
    assert jobs and all(isinstance(job, Job) and job.sources and job.targets for job in jobs)
    assert len({job.name for job in jobs}) == len(jobs)


def read_code(path: Path) -> None:
    assert isinstance(read_target_code(path), StoredCode)


def read_names(path: Path) -> None:
    codes = read_named_targets(path)
    assert all(isinstance(code, StoredCode) for entry in codes.values() for code in entry.values())


def read_study(path: Path) -> None:
    (image,) = read_bids(path.parents[2])
    assert image.sidecar is None or isinstance(image.sidecar, dict)
    fields = ("InstitutionName", "StationName")
    study = BidsFolder(str(path.parents[2]), {"T1w": "t1w", "ce_T1w": "t1w"}, 1, fields, fields)
    (job,) = study.jobs(WantedTargets(taken=False))
    for text in (job.site, job.scanner):
        # It is written to files and tables later.
        assert text is None or text.encode()


KINDS: dict[str, tuple[str, str, Callable[[Path], None]]] = {
    "table": ("cohort.csv", TABLE, read_cohort_file),
    "list": ("cohort.json", json.dumps(LIST), read_cohort_file),
    "code": ("code.json", json.dumps(CODE), read_code),
    "names": ("targets.json", json.dumps({"Oslo": CODE, "Bergen": {"t1w": CODE}}), read_names),
    "sidecar": ("sub-01/anat/sub-01_T1w.json", json.dumps(SIDECAR), read_study),
}


@pytest.mark.parametrize("seeds", [range(200), pytest.param(range(200, 10_200), marks=pytest.mark.slow)], ids=len)
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_read_or_refused_by_its_name(tmp_path, kind, seeds):
    logging.disable(logging.CRITICAL)
    name, text, read = KINDS[kind]
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "sub-01_T1w.nii.gz").touch()
    found: Counter[str] = Counter()
    for seed in seeds:
        damage = replaced if seed % 2 and path.suffix == ".json" else damaged
        path.write_bytes(damage(text, np.random.default_rng(seed)))
        try:
            with warnings.catch_warnings(action="ignore"):
                read(path)
            found["read"] += 1
        except InputError as error:
            assert str(path) in str(error)
            assert len(str(error)) < 5000
            found["refused"] += 1
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
    logging.disable(logging.NOTSET)
    print(kind, dict(found))
    assert found["read"] > len(seeds) / 50
