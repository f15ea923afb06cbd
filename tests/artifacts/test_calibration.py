import json

import pytest

from scripts.artifacts.calibration import CALIBRATION_FILE, Curve, load_calibration
from scripts.artifacts.kinds import KINDS, Motion, Noise
from scripts.base.errors import InputError


def test_curve_is_linear_between_knots():
    curve = Curve(Noise(), severities=[0.0, 0.5, 1.0], strengths=[0.0, 0.2, 1.0])
    assert [curve.strength(severity) for severity in (0.0, 0.25, 0.5, 0.75, 1.0)] == pytest.approx(
        [0, 0.1, 0.2, 0.6, 1]
    )


def test_stored_calibration_covers_all_kinds(calibration):
    assert list(calibration) == list(KINDS)
    assert calibration["motion"].kind == Motion(movements=10, timing_jitter=0.3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"severities": [0.0, 0.9]}, "noise must span severity 0 to 1 from its identity 0.0"),
        ({"strengths": [0.1, 0.2]}, "noise must span severity 0 to 1 from its identity 0.0"),
        ({"strengths": [0.0, 0.0]}, "severities and strengths of noise must rise together"),
        ({"strengths": [0.0, 0.1, 0.2]}, "severities and strengths of noise must rise together"),
        ({"settings": {"colour": "pink"}}, "`settings` of artifact kind noise must be arguments of it"),
        ({"strengths": None}, "one that calibrate_artifacts wrote: TypeError"),
    ],
)
def test_damaged_file_is_refused(tmp_path, change, words):
    path = tmp_path / "calibration.json"
    curve = {"settings": {}, "severities": [0.0, 1.0], "strengths": [0.0, 0.1]}
    path.write_text(json.dumps({"kinds": {"noise": curve}}))
    assert load_calibration(path)["noise"].strength(0.5) == pytest.approx(0.05)
    path.write_text(json.dumps({"kinds": {"noise": curve | change}}))
    with pytest.raises(InputError, match=f"calibration file .*calibration.json must be .*{words}"):
        load_calibration(path)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="calibration file .*none.json must be one that .*FileNotFoundError"):
        load_calibration(tmp_path / "none.json")
    assert CALIBRATION_FILE.is_file()
