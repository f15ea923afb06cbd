from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from scripts.base.errors import InputError
from scripts.jobs.targets import StoredCode, read_target_code, write_target_code
from scripts.methods.haca3.code import Haca3Code, read_haca3_code
from scripts.methods.haca3.tone import ToneCurve

CURVE = ToneCurve((0.5, 1.0), (0.4, 1.2))
LEVELS = (0.1, 0.0, -0.2)
CODE = Haca3Code(contrast="t1w", theta=(0.25, -1.5), eta=(3.0, -4.0), tone=CURVE, levels=LEVELS)


def stored(**numbers: Any) -> StoredCode:
    return StoredCode("t1w", {"theta": [0.5, -1.0], "eta": [2.0, 0.0], **numbers}, name="mine")


def test_a_file_gives_the_code_back_to_the_last_digit(tmp_path: Path):
    code = Haca3Code(
        contrast="pd",
        theta=(0.1 + 0.2, -1e-17),
        eta=(1 / 3,),
        tone=ToneCurve((0.3, 0.1 + 0.6), (0.2, 1 / 3)),
        levels=(0.1, -1 / 7),
        scale=812.3,
        head=True,
        origin="3T",
        weights="5d1f",
        name="mine.json",
    )
    write_target_code(tmp_path / "mine.json", code.to_json())
    found = read_haca3_code(read_target_code(tmp_path / "mine.json"), (2, 1))
    assert vars(found) == vars(code)


def test_a_code_goes_from_hand_to_hand_without_a_file():
    again = read_haca3_code(StoredCode("t1w", CODE.numbers(), method=CODE.method), (2, 2))
    assert vars(again) == vars(CODE)


def test_curve_levels_and_method_may_be_left_out():
    code = read_haca3_code(stored(), (2, 2))
    assert (code.theta, code.eta, code.tone, code.levels, code.name) == ((0.5, -1.0), (2.0, 0.0), None, None, "mine")


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"theta": []}, "`theta` must be a list of finite numbers, got []"),
        ({"theta": 3}, "`theta` must be a list of finite numbers, got 3"),
        ({"theta": [True, 0.0]}, "`theta` must be a list of finite numbers, got [True, 0.0]"),
        ({"eta": [0.0, float("nan")]}, "`eta` must be a list of finite numbers, got [0.0, nan]"),
        ({"eta": [float("-inf")]}, "`eta` must be a list of finite numbers, got [-inf]"),
        ({"eta": ["1"]}, "`eta` must be a list of finite numbers, got ['1']"),
        ({"eta": [1.0]}, "it must have (2, 2) numbers of theta and eta, it has (2, 1)"),
        ({"scal": 3}, "unknown key `scal`; did you mean `scale`?"),
        ({"them": 3}, "unknown key `them`; did you mean `theta`?"),
        ({"levels": [0.1, None]}, "`levels` must be a list of finite numbers, got [0.1, None]"),
        ({"levels": 2}, "`levels` must be a list of finite numbers, got 2"),
        ({"tone": [1, 2]}, "`tone` must be an object with made and wanted, got [1, 2]"),
        ({"tone": {"made": [1], "wanted": ["a"]}}, "`tone` must hold lists of finite numbers, got"),
        ({"tone": {"made": [1, 0.5], "wanted": [1, 2]}}, "`tone` must have as many numbers `wanted` as `made`"),
    ],
)
def test_a_wrong_code_is_refused_by_name_and_key(numbers, words):
    with pytest.raises(InputError) as caught:
        read_haca3_code(stored(**numbers), (2, 2))
    assert str(caught.value).startswith(f"target code mine: {words}")


@pytest.mark.parametrize(("numbers", "missing"), [({"theta": [0.0]}, "eta"), ({"eta": [0.0]}, "theta")])
def test_a_code_that_lacks_numbers_is_refused(numbers, missing):
    with pytest.raises(InputError, match=f"target code a: a code must have contrast, theta, eta, `{missing}` is missi"):
        read_haca3_code(StoredCode("t1w", numbers, name="a"), (1, 1))


def test_a_code_of_another_method_is_refused():
    with pytest.raises(InputError, match="target code mine: `method` must be haca3, got cyclegan; encode its image"):
        read_haca3_code(replace(stored(), method="cyclegan"), (2, 2))


def test_theta_is_the_appearance_and_the_norm_of_eta_the_severity():
    assert CODE.describe() == {"appearance": [0.25, -1.5], "artifacts": [3.0, -4.0]}
    assert CODE.severity() == pytest.approx(5)


def test_a_network_takes_levels_where_the_contrast_is_absent():
    like = torch.zeros(1, 4, dtype=torch.float64)
    plain, made_up = CODE.tensor(like), CODE.when_absent().tensor(like)
    assert plain.dtype == made_up.dtype == torch.float64
    assert plain.tolist() == [[0.25, -1.5, 3, -4]]
    assert made_up.tolist() == [[0.25, -1.5, 3, -4, *LEVELS]]


def test_levels_take_the_place_of_the_curve_where_the_contrast_is_absent():
    assert CODE.when_absent().tone is None
    without = replace(CODE, levels=None)
    assert without.when_absent() is without and without.tone == CURVE


def code(*numbers: float, **others: Any) -> Haca3Code:
    return Haca3Code(contrast="t1w", theta=numbers[:2], eta=numbers[2:], **others)


def test_a_mean_is_that_of_numbers_and_of_known_scales():
    codes = [code(1, 2, 3, 4, scale=100), code(2, 4, 5, 8, scale=300), code(0, 0, 1, 0)]
    mean = Haca3Code.mean(codes, origin="three", weights="w", name="site:A")
    expected = code(1, 2, 3, 4, scale=200.0, origin="three", weights="w", name="site:A")
    assert vars(mean) == vars(expected)


def test_a_mean_has_the_mean_of_curves():
    codes = [code(1, 1, 1, 1, tone=curve) for curve in (CURVE, ToneCurve((0.7, 1.2), (0.6, 1.0)))]
    assert Haca3Code.mean(codes).tone == ToneCurve((0.6, 1.1), (0.5, 1.1))


def test_a_mean_has_the_mean_of_levels():
    assert Haca3Code.mean([code(0, 0, 0, 0, levels=each) for each in ((0.5, 0.0), (1.0, 0.5))]).levels == (0.75, 0.25)


@pytest.mark.parametrize(("heads", "expected"), [((True, True), True), ((True, False), None), ((None,), None)])
def test_a_mean_is_of_heads_where_all_are(heads, expected):
    assert Haca3Code.mean([code(1, 1, 1, 1, head=head) for head in heads]).head is expected
