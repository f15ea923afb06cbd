"""Every value of an option that a page recommends, in a command or in passing, must be one that the guard takes."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from fire.parser import DefaultParseValue
from monai.bundle import ConfigWorkflow

from scripts.base.current_run import CurrentRun
from scripts.base.errors import InputError
from scripts.base.overrides import OverrideChecker, check_overrides

BUNDLE = Path(__file__).parents[1]
# Decisions tell of options that are gone.
PAGES = [BUNDLE / "README.md", *sorted(path for path in (BUNDLE / "docs").glob("*.md") if path.name != "decisions.md")]
OPTION = re.compile(r"""--([A-Za-z_][\w#]*)[ =]("[^"]*"|[^\s`|]+)""")
# Of MONAI's own command line, of torchrun, containers and schedulers, MONAI Label, and of this bundle's own modules.
FOREIGN = {
    *("config_file", "meta_file", "bundle_root", "net_id", "filepath", "ckpt_file", "key_in_ckpt", "tracking"),
    *("nproc_per_node", "standalone", "nnodes", "rm", "gpus", "nv", "bind", "array", "mem", "time", "cpus"),
    *(
        "download",
        "name",
        "output",
        "app",
        "studies",
        "conf",
        "ways",
        "cases",
        "before",
        "starts",
        "repeats",
        "t1w",
        "flair",
        "source",
        "gres",
    ),
}
WORDS = json.loads((BUNDLE / "docs" / "configuration_words.json").read_text(encoding="utf-8"))["configs"]
# A config's sentence says over which others it is laid, such as: Over `train` and `train_mispel`: ...
SETS = [
    tuple(f"{each}.json" for each in (*re.findall("`([^`]+)`", re.match("(?:Over ([^:]*):)?", text)[0]), name))
    for name, text in WORDS.items()
]


def recommended() -> list[tuple[str, str, str]]:
    found = {}
    for page in PAGES:
        for option, text in OPTION.findall(page.read_text(encoding="utf-8").replace("\\\n", " ")):
            value = text.strip('"').rstrip(".,;:)")
            if option not in FOREIGN and not value.startswith("-") and value.strip("."):
                found.setdefault((option, value), page.name)
    return [(page, option, value) for (option, value), page in found.items()]


@cache
def checker(files: tuple[str, ...]) -> OverrideChecker:
    paths = [str(BUNDLE / "configs" / name) for name in files]
    return OverrideChecker(paths, ConfigWorkflow(paths, str(BUNDLE / "configs" / "metadata.json"), False))


def problem(files: tuple[str, ...], option: str, value: Any) -> tuple[bool, str]:
    """Whether the option is known, and what is wrong with it."""
    try:
        checker(files).check(option, option)
    except InputError as error:
        return False, str(error)
    try:
        checker(files).meaning(option, value, f"--{option}")
    except InputError as error:
        return True, str(error)
    return True, ""


# A layer that reads scans for the configs of other methods, and alone for nobody.
@pytest.mark.parametrize("files", [files for files in SETS if files[-1] != "train_scans.json"], ids="+".join)
def test_configs_that_are_laid_over_each_other_are_not_refused(files):
    paths = [str(BUNDLE / "configs" / name) for name in files]
    check_overrides(CurrentRun(paths, {}, ConfigWorkflow(paths, str(BUNDLE / "configs" / "metadata.json"), False)))


def test_the_pages_recommend_options():
    options = {(option, value) for _, option, value in recommended()}
    assert {("carry_detail", "0.5"), ("precision", "bf16"), ("device", "cuda"), ("space", "mni")} <= options
    assert len(options) > 100


@pytest.mark.parametrize(("page", "option", "value"), recommended())
def test_a_recommended_value_is_one_that_the_guard_takes(monkeypatch, page, option, value):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for files in SETS:
        known, words = problem(files, option, DefaultParseValue(value))
        if known:
            assert words == "", f"{page}: {words}"
            return
    pytest.fail(f"{page}: no config has the option --{option}")
