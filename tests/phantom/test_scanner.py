import copy
import json
import math

import numpy as np
import pytest

from scripts.base.contrasts import CONTRASTS
from scripts.base.errors import InputError
from scripts.phantom.population import read_scanners
from scripts.phantom.scanner import SEQUENCES, Scanner, draw_scanner, load_ranges, nulling_time

RANGES = load_ranges()


def draw(seed: int = 3, manufacturer: str = "GE", field_strength: float = 3.0, ranges=RANGES, contrasts=CONTRASTS):
    return draw_scanner("X-01", "X", manufacturer, field_strength, contrasts, seed, ranges)


def one_alternative(**parameters) -> dict:
    ranges = copy.deepcopy(RANGES)
    ranges["pd"][0]["parameters"].update(parameters)
    return ranges


def test_same_seed_same_scanner_and_other_seed_another():
    assert draw(seed=3) == draw(seed=3)
    assert draw(seed=3) != draw(seed=4)


def test_protocol_does_not_depend_on_the_other_contrasts():
    assert draw(contrasts=["flair"]).protocols["flair"] == draw().protocols["flair"]


def test_json_round_trip():
    scanner = draw()
    assert Scanner.from_json(json.loads(json.dumps(scanner.to_json()))) == scanner


def test_laws_of_parameters():
    laws = {
        "echo_time": 0.02,
        "repetition_time": [2.0, 3.0],
        "noise": {"log": [0.01, 0.04]},
        "echo_train_length": {"choice": [4, 8], "weights": [3, 1]},
    }
    drawn = [draw(seed, ranges=one_alternative(**laws), contrasts=["pd"]).protocols["pd"] for seed in range(400)]
    assert {p.echo_time for p in drawn} == {0.02}
    assert np.mean([p.repetition_time for p in drawn]) == pytest.approx(2.5, abs=0.05)
    # The median of a log-uniform law is the geometric mean of its ends.
    assert np.median([p.noise for p in drawn]) == pytest.approx(0.02, rel=0.1)
    assert np.mean([p.echo_train_length == 4 for p in drawn]) == pytest.approx(0.75, abs=0.06)


def test_overrides_hold_for_the_scanners_they_name():
    ranges = one_alternative(gain=1.0)
    ranges["pd"][0]["overrides"] = [
        {"when": {"manufacturer": ["GE"]}, "parameters": {"gain": 2.0, "sharpening": 0.0}},
        {"when": {"manufacturer": ["GE"], "field_strength": [1.5]}, "parameters": {"gain": 3.0}},
    ]
    kinds = [("Siemens", 1.5), ("GE", 3.0), ("GE", 1.5)]
    protocols = [draw(1, *kind, ranges=ranges, contrasts=["pd"]).protocols["pd"] for kind in kinds]
    assert [p.gain for p in protocols] == [1.0, 2.0, 3.0]
    assert [p.sharpening == 0.0 for p in protocols] == [False, True, True]


def test_override_of_a_weight_removes_an_alternative():
    protocols = [draw(seed, "Hitachi", 1.1).protocols for seed in range(30)]
    assert {p["t2w"].acquisition for p in protocols} == {"2D"}
    assert {p["t1w"].sequence for p in protocols} == {"mprage", "spgr", "se"}


def test_nulling_time_gives_no_signal():
    # T1 ln(2 / (1 + e^-1)) with T1 = 1 and recovery 1.
    assert nulling_time(1.0, 1.0) == pytest.approx(0.379885, abs=1e-6)
    assert nulling_time(1.0, math.inf) == pytest.approx(math.log(2))
    inversion = nulling_time(4.3, 9.0)
    assert 1 - 2 * math.exp(-inversion / 4.3) + math.exp(-9.0 / 4.3) == pytest.approx(0.0, abs=1e-12)


def test_protocols_of_the_population_are_possible():
    kinds = {(s.manufacturer, s.field_strength) for s in read_scanners()}
    for seed, kind in enumerate(sorted(kinds) * 4):
        for protocol in draw(seed, *kind).protocols.values():
            train = protocol.echo_train_length * protocol.echo_spacing
            assert protocol.sequence in SEQUENCES
            assert protocol.slice_axis in (0, 1, 2) and isinstance(protocol.echo_train_length, int)
            assert protocol.echo_time < protocol.repetition_time > train
            if protocol.sequence == "mprage":
                assert train / 2 <= protocol.inversion_time <= protocol.repetition_time - train / 2
            elif protocol.sequence == "flair":
                assert 0 < protocol.inversion_time < protocol.repetition_time - train
            else:
                assert protocol.inversion_time is None
            if protocol.acquisition == "3D":
                assert protocol.magnetization_transfer == 0.0 and protocol.slice_mm < 2


@pytest.mark.parametrize(("block", "name"), [("pd", "echo_time"), ("common", "noise")])
def test_missing_parameter_is_refused(block, name):
    ranges = copy.deepcopy(RANGES)
    (ranges["pd"][0] if block == "pd" else ranges["common"])["parameters"].pop(name)
    with pytest.raises(InputError, match=rf"pd protocols \(tse\): parameter `{name}` is missing"):
        draw(ranges=ranges, contrasts=["pd"])


def test_unknown_parameter_is_refused():
    with pytest.raises(InputError, match=r"pd protocols \(tse\): parameter `ecko_time` must be one of repetition_time"):
        draw(ranges=one_alternative(ecko_time=1.0))


def test_unknown_sequence_is_refused():
    ranges = one_alternative()
    ranges["pd"][0]["sequence"] = "epi"
    with pytest.raises(
        InputError, match="pd protocols: `sequence` must be among mprage, spgr, se, tse, flair, got epi"
    ):
        draw(ranges=ranges)


def test_contrast_without_a_usable_alternative_is_refused():
    ranges = one_alternative()
    ranges["pd"][0]["weight"] = 0
    with pytest.raises(InputError, match="pd protocols: one `weight` must be above 0 for GE, none is"):
        draw(ranges=ranges)


def test_ranges_that_do_not_exist_are_refused(tmp_path):
    with pytest.raises(InputError, match="protocol ranges must be a JSON file, but .*none.json is not a file"):
        load_ranges(tmp_path / "none.json")
