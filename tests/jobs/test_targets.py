import json
from pathlib import Path
from typing import Any

import pytest

from scripts.base.errors import InputError
from scripts.jobs.targets import (
    SiteTarget,
    StoredCode,
    read_named_targets,
    read_target_code,
    resolve_target,
    resolve_targets,
    write_target_code,
)

T1W = StoredCode("t1w", {"theta": [0.25, -1.5], "eta": [0.125, 0.0]}, 812.5, "site 3", name="site_3")
FLAIR = StoredCode("flair", {"theta": [1.0, 2.0], "eta": [0.5, 0.5]}, name="site_3")
NAMED = {"site_3": {"t1w": T1W, "flair": FLAIR}, "clean": {"t1w": StoredCode("t1w", {"theta": [0.0], "eta": [0.0]})}}


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_code_file_gives_the_code_back_to_the_last_digit(tmp_path):
    numbers = {"theta": [0.1 + 0.2, -1e-17], "curve": {"made": [0.3, 0.1 + 0.6], "wanted": [0.2, 1 / 3]}, "none": None}
    code = StoredCode("pd", numbers, 812.3, "3T", "5d1f", "mine.json", True, "haca3")
    write_target_code(tmp_path / "mine.json", code.to_json())
    assert read_target_code(tmp_path / "mine.json") == code
    assert json.loads((tmp_path / "mine.json").read_text())["theta"] == [0.30000000000000004, -1e-17]


def test_all_but_contrast_and_numbers_may_be_left_out(tmp_path):
    path = write(tmp_path / "a.json", {"contrast": "t1w", "theta": [1, 2], "eta": [3]})
    assert read_target_code(path) == StoredCode("t1w", {"theta": [1, 2], "eta": [3]}, None, "", "", "a.json")


def test_what_numbers_mean_is_for_the_method_to_know(tmp_path):
    path = write(tmp_path / "a.json", {"contrast": "t1w", "method": "another", "depth": 3, "colour": "red"})
    code = read_target_code(path)
    assert (code.method, code.numbers) == ("another", {"depth": 3, "colour": "red"})


def test_codes_can_be_told_apart_and_looked_up():
    other = StoredCode("flair", {"theta": [1.0, 2.5], "eta": [0.5, 0.5]}, name="site_3")
    assert len({FLAIR, other, StoredCode("flair", dict(FLAIR.numbers), name="site_3")}) == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"contrast": "t1"}, "`contrast` must be one of t1w, t2w, pd, flair, got 't1'"),
        ({"scale": 0}, "`scale` must be a finite number above 0, got 0"),
        ({"scale": float("nan")}, "`scale` must be a finite number above 0, got nan"),
        ({"scale": True}, "`scale` must be a finite number above 0, got True"),
        ({"origin": 3}, "`origin` must be text, got 3"),
        ({"weights": 3}, "`weights` must be text, got 3"),
        ({"method": 3}, "`method` must be text, got 3"),
        ({"head": 1}, "`head` must be true, false or null, got 1"),
    ],
)
def test_a_wrong_code_is_refused_by_file_and_key(tmp_path, changes, words):
    path = write(tmp_path / "a.json", {"contrast": "t1w", "theta": [0.0], "eta": [0.0], **changes})
    with pytest.raises(InputError) as caught:
        read_target_code(path)
    assert str(caught.value).startswith(f"target code {path}: {words}")


def test_a_code_that_is_none_is_refused(tmp_path):
    with pytest.raises(InputError, match="a code must have a contrast, `contrast` is missing"):
        read_target_code(write(tmp_path / "a.json", {"theta": [0.0]}))
    with pytest.raises(InputError, match="a code must have numbers, it has none"):
        read_target_code(write(tmp_path / "a.json", {"contrast": "t1w", "scale": 3}))
    with pytest.raises(InputError, match=r"a code must be an object with a contrast and its numbers, got \[1\]"):
        read_target_code(write(tmp_path / "a.json", [1]))
    with pytest.raises(InputError, match="target code .*a.json must be a readable JSON file: .*line 1"):
        read_target_code(write(tmp_path / "a.json", "{"))
    with pytest.raises(InputError, match="target code .*b.json must be a readable JSON file: .*No such file"):
        read_target_code(tmp_path / "b.json")
    with pytest.raises(InputError, match="a target code must be written to a .json file, got .*code.txt"):
        write_target_code(tmp_path / "code.txt", T1W.to_json())
    assert not (tmp_path / "code.txt").exists()


def test_a_name_has_one_code_or_one_for_each_contrast(tmp_path):
    by_name = {
        "site_3": {
            "t1w": {"theta": [0.25, -1.5], "eta": [0.125, 0], "scale": 812.5, "origin": "site 3"},
            "flair": {"contrast": "flair", "theta": [1, 2], "eta": [0.5, 0.5]},
        },
        "clean": {"contrast": "pd", "theta": [0], "eta": [0]},
    }
    named = read_named_targets(write(tmp_path / "targets.json", by_name))
    assert named["site_3"] == {"t1w": T1W, "flair": FLAIR}
    assert named["clean"] == {"pd": StoredCode("pd", {"theta": [0], "eta": [0]}, name="clean")}
    assert read_named_targets(tmp_path / "absent.json") == {}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([1], r"named targets .* must be an object of names, got \[1\]"),
        ({"a": {}}, "named targets .*, `a` must hold codes by contrast, got {}"),
        ({"a": {"t1w": 3}}, "named targets .*, `a`: a code must be an object with a contrast and its numbers, got 3"),
        ({"a": {"t3w": {"theta": [1], "eta": [1]}}}, "named targets .*, `a`: `contrast` must be one of .* got 't3w'"),
        (
            {"a": {"t1w": {"contrast": "pd", "theta": [1], "eta": [1]}}},
            "named targets .*, `a`: the code under `t1w` must be of that contrast, it is of pd",
        ),
    ],
)
def test_wrong_named_targets_are_refused(tmp_path, content, words):
    with pytest.raises(InputError, match=words):
        read_named_targets(write(tmp_path / "targets.json", content))


def test_a_target_is_a_name_a_code_file_or_an_image(tmp_path):
    write_target_code(tmp_path / "code.json", FLAIR.to_json())
    (tmp_path / "scan.mgz").write_text("")
    assert resolve_target("site_3", "flair", NAMED) is FLAIR
    code = resolve_target("code.json", "flair", NAMED, tmp_path)
    assert isinstance(code, StoredCode) and code.numbers == FLAIR.numbers and code.name == "code.json"
    # Whether an image can be read is for each subject to find out.
    assert resolve_target("absent.nii.gz", "pd", NAMED, Path("/data")) == Path("/data/absent.nii.gz")
    assert resolve_target("/abs/absent.nii", "pd", NAMED, tmp_path) == Path("/abs/absent.nii")
    assert resolve_target("~/a.nii.gz", "pd", NAMED, tmp_path) == Path.home() / "a.nii.gz"
    assert resolve_target("scan.mgz", "pd", NAMED, tmp_path) == tmp_path / "scan.mgz"


def test_a_target_may_be_a_site_of_the_cohort():
    assert resolve_target("auto", "pd", NAMED) == SiteTarget(None)
    assert resolve_target("site:Oslo, ward 7", "t1w", NAMED) == SiteTarget("Oslo, ward 7")


def test_an_unknown_target_is_refused_with_what_is_known():
    words = r"target `site_4` must be a name \(site_3, clean\), a code file \(.json\) or an image \(.nii, .nii.gz\)"
    with pytest.raises(InputError, match=words):
        resolve_target("site_4", "t1w", NAMED)
    with pytest.raises(InputError, match="a name .these weights come with none., a code file"):
        resolve_target("site_4", "t1w", {})


def test_a_code_of_another_contrast_is_refused(tmp_path):
    with pytest.raises(InputError, match="target `site_3` is a code of t1w, flair and cannot be the target of pd"):
        resolve_targets(None, {"pd": "site_3"}, None, NAMED)
    write_target_code(tmp_path / "code.json", FLAIR.to_json())
    with pytest.raises(InputError, match="code.json` is a code of flair and cannot be the target of t1w"):
        resolve_targets(str(tmp_path / "code.json"), None, "t1w", NAMED)


@pytest.mark.parametrize(
    ("target", "asked", "contrast"),
    [
        ("clean", None, "t1w"),
        ("site_3", "flair", "flair"),
        ("sub-01_ses-02_space-T1w_FLAIR.nii.gz", None, "flair"),
        ("site_PDw.nii", None, "pd"),
        ("T2w.nii.gz", None, "t2w"),
        ("FLAIR_to_T1w.nii.gz", "flair", "flair"),
        ("scan.nii.gz", "pd", "pd"),
    ],
)
def test_a_single_target_says_its_contrast_or_is_told(target, asked, contrast):
    found = resolve_targets(target, None, asked, NAMED)
    assert found == {contrast: NAMED[target][contrast] if target in NAMED else Path(target)}


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("scan.nii.gz", "`scan.nii.gz` does not end in one of _T1w, _T2w, _PDw, _FLAIR: say .* with `target_contrast`"),
        ("FLAIR_to_T1w.nii.gz", "`FLAIR_to_T1w.nii.gz` does not end in one of .*: say .* with `target_contrast`"),
        ("auto", "`auto` may be of any contrast: say which contrast is meant with `target_contrast`, one of t1w"),
        ("site_3", "`site_3` has codes of t1w, flair: say which contrast is meant with `target_contrast`, one of t1w"),
    ],
)
def test_a_single_target_of_unclear_contrast_is_refused_with_the_way_out(target, words):
    with pytest.raises(InputError, match=words):
        resolve_targets(target, None, None, NAMED)


@pytest.mark.parametrize(
    ("target", "targets", "asked", "words"),
    [
        (None, None, None, "exactly one of `target` and `targets` must be given, got neither"),
        ("clean", {"t1w": "clean"}, None, "exactly one of `target` and `targets` must be given, got both"),
        (None, {"t1w": "clean"}, "t1w", "`target_contrast` belongs to `target`, got 't1w' beside `targets`"),
        ("clean", None, "t1", "`target_contrast` must be one of t1w, t2w, pd, flair, got 't1'"),
        (None, {"t1": "clean"}, None, "unknown contrast of `targets` `t1`; did you mean `t1w`?"),
        (12, None, "t1w", "`target` must be text, got 12; put what you wrote in quotes"),
        (None, {"t1w": True}, None, "`targets t1w` must be text, got True; put what you wrote in quotes"),
        (None, {"t1w": ["a", "b"]}, None, r"`targets t1w` must be text, got \['a', 'b'\]$"),
        ("", None, "t1w", "`target` must not be empty"),
    ],
)
def test_a_wrong_choice_of_targets_is_refused(target, targets, asked, words):
    with pytest.raises(InputError, match=words):
        resolve_targets(target, targets, asked, NAMED)


def test_several_targets_come_in_the_order_of_contrasts():
    found = resolve_targets(None, {"flair": "site_3", "pd": None, "t1w": "a.nii.gz"}, None, NAMED)
    assert list(found.items()) == [("t1w", Path("a.nii.gz")), ("flair", FLAIR)]
