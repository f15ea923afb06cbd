from pathlib import Path
from typing import Any

import pytest
import torch

from scripts.base.errors import InputError
from scripts.jobs.targets import StoredCode, read_target_code, write_target_code
from scripts.methods.haca3plus.code import PlusCode, code_of_tensors, read_plus_code
from scripts.methods.haca3plus.codes import CodeLayout
from scripts.methods.haca3plus.volume_code import VolumeCode

LAYOUT = CodeLayout(theta=2, eta=1, percentiles=3)
NUMBERS = {"theta": [0.5, -1.0], "eta": [2.0], "percentiles": [0.1, 0.5, 1.0]}


def stored(method: str = "haca3plus", **numbers: Any) -> StoredCode:
    return StoredCode("t1w", {**NUMBERS, **numbers}, name="mine", method=method)


def code(contrast: str = "t1w", start: float = 0.0, **common: Any) -> PlusCode:
    numbers = [start + n for n in range(6)]
    return PlusCode(
        contrast=contrast, theta=tuple(numbers[:2]), eta=(numbers[2],), percentiles=tuple(numbers[3:]), **common
    )


def test_a_file_gives_the_code_back_to_the_last_digit(tmp_path: Path):
    one = PlusCode(
        contrast="pd",
        theta=(0.1 + 0.2, -1e-17),
        eta=(1 / 3,),
        percentiles=(0.1, 1 / 7, 1.2),
        scale=812.3,
        head=True,
        origin="3T",
        weights="5d1f",
        name="mine.json",
        levels=(0.25, 1 / 3, 0.0),
        extent=(1234567.0,),
    )
    write_target_code(tmp_path / "mine.json", one.to_json())
    assert vars(read_plus_code(read_target_code(tmp_path / "mine.json"), LAYOUT)) == vars(one)


def test_the_network_takes_the_code_that_it_made():
    row = torch.tensor([[0.5, -1.0, 2.0, 0.1, 0.5, 1.0, 0.0, 0.0, 1.0, 0.0]])
    levels, extent = torch.tensor([[0.25, 0.75, 0.0]]), torch.tensor([[1500.0]])
    volume = VolumeCode(row, row, ("axial",), (0,), torch.ones(1), levels, extent)
    found = code_of_tensors(volume, LAYOUT, "pd")
    assert (found.contrast, found.theta, found.eta) == ("pd", (0.5, -1.0), (2.0,))
    assert (found.levels, found.extent) == ((0.25, 0.75, 0.0), (1500.0,))
    assert torch.equal(found.tensor(torch.device("cpu")), torch.cat([row, levels, extent], 1))


def test_a_code_of_an_earlier_version_has_neither_levels_nor_extent():
    read = read_plus_code(stored(), LAYOUT)
    assert (read.levels, read.extent) == ((0.0, 0.0, 0.0), (0.0,))


def test_the_mean_of_a_level_is_of_those_who_know_it():
    codes = [code(levels=(0.2, 0.6, 0.0)), code(levels=(0.4, 0.0, 0.0))]
    assert PlusCode.mean(codes).levels == pytest.approx((0.3, 0.6, 0.0))


@pytest.mark.parametrize(
    ("extents", "extent"), [([900.0], 900), ([990.0, 1000], 995), ([900.0, 1000], 0), ([0.0, 1000], 0)]
)
def test_scans_of_one_person_have_a_mean_extent_and_several_people_none(extents, extent):
    assert PlusCode.mean([code(extent=(each,)) for each in extents]).extent == (extent,)


def test_the_mean_is_that_of_all_numbers_and_of_what_is_known():
    codes = [code(scale=10.0, head=True), code(start=1.0, scale=30.0, head=True), code(start=2.0, head=True)]
    mean = PlusCode.mean(codes, origin="three", weights="w", name="site")
    assert (mean.theta, mean.eta, mean.percentiles) == ((1.0, 2.0), (3.0,), (4.0, 5.0, 6.0))
    assert (mean.scale, mean.head, mean.origin, mean.weights, mean.name) == (20.0, True, "three", "w", "site")
    assert PlusCode.mean([code(head=True), code(head=False)]).head is None


def test_the_severity_is_the_norm_of_eta():
    one = PlusCode(contrast="t1w", theta=(1.0,), eta=(3.0, -4.0), percentiles=(0.1, 0.2))
    assert one.severity() == pytest.approx(5.0)
    assert one.describe() == {"appearance": [1.0, 0.1, 0.2], "artifacts": [3.0, -4.0]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": "haca3"}, "`method` must be haca3plus, got haca3; encode the target's image again"),
        ({"method": ""}, "`method` must be haca3plus, got haca3, of an earlier version; encode"),
        ({"theta": [0.0]}, "`theta` must be a list of 2 finite numbers, got [0.0]"),
        ({"theta": 3}, "`theta` must be a list of 2 finite numbers, got 3"),
        ({"eta": [True]}, "`eta` must be a list of 1 finite numbers, got [True]"),
        ({"eta": ["1"]}, "`eta` must be a list of 1 finite numbers, got ['1']"),
        ({"percentiles": None}, "`percentiles` must be a list of 3 finite numbers, got None"),
        ({"percentiles": [0.1, float("nan"), 1.0]}, "`percentiles` must be a list of 3 finite numbers, got [0.1, nan"),
        ({"percentiles": [0.1, 1.0, 0.5]}, "`percentiles` must not fall, got [0.1, 1.0, 0.5]"),
        ({"levels": [1.0]}, "`levels` must be a list of 3 finite numbers, got [1.0]"),
        ({"levels": [1.0, -0.5, 0.0]}, "`levels` must be 0, where not known, or above, got [1.0, -0.5, 0.0]"),
        ({"extent": [-2.0]}, "`extent` must be 0, where not known, or above, got [-2.0]"),
        ({"tone": [1.0]}, "unknown key `tone`"),
    ],
)
def test_a_code_that_cannot_be_is_refused(changes, words):
    with pytest.raises(InputError) as caught:
        read_plus_code(stored(**changes), LAYOUT)
    assert str(caught.value).startswith(f"target code mine: {words}")
