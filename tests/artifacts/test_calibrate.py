import json

import monai.bundle
import numpy as np
import pytest

from scripts.artifacts.calibrate import calibrate_artifacts, invert, print_ssim_losses, ssim_losses
from scripts.artifacts.calibration import CALIBRATION_FILE, load_calibration
from scripts.artifacts.kinds import KINDS
from scripts.base.errors import InputError

from .conftest import BUNDLE

CONFIG = json.loads((BUNDLE / "configs" / "calibrate_artifacts.json").read_text())
STORED = json.loads(CALIBRATION_FILE.read_text())


def test_inversion_reads_the_measured_curve_backwards():
    assert invert("noise", [0, 1, 2], [0, 0.1, 0.3], np.array([0, 0.05, 0.2])).tolist() == pytest.approx([0, 0.5, 1.5])


def test_inversion_passes_over_a_dip():
    # From 0.2 at strength 1 the curve falls, and is above that again at strength 4 only.
    strengths = invert("noise", [0, 1, 2, 3, 4], [0, 0.2, 0.1, 0.15, 0.4], np.array([0.1, 0.2, 0.3]))
    assert strengths.tolist() == pytest.approx([0.5, 1.0, 2.5])


@pytest.mark.parametrize("kind", KINDS)
def test_stored_curve_follows_from_stored_measurement_and_config(kind):
    stored, config = STORED["kinds"][kind], CONFIG["kinds"][kind]
    assert stored["settings"] == config["settings"]
    assert stored["measured"]["strengths"] == [KINDS[kind].identity, *config["strengths"]]
    wanted = np.array(stored["severities"]) * STORED["max_ssim_loss"]
    strengths = invert(kind, stored["measured"]["strengths"], stored["measured"]["ssim_losses"], wanted)
    assert stored["strengths"] == pytest.approx(strengths.tolist(), rel=1e-4)


def test_command_makes_equal_severity_equal_loss_on_other_slices(tmp_path, monkeypatch, capsys, held_out_slices):
    monkeypatch.chdir(BUNDLE)
    file = tmp_path / "calibration.json"
    # Slices of the template and every second strength only: about a twentieth of the work.
    few = {name: content | {"strengths": content["strengths"][::-2][::-1]} for name, content in CONFIG["kinds"].items()}
    target = {"_target_": "scripts.artifacts.template_slices.template_slices", "field_of_view": 224}
    monai.bundle.run(
        config_file="configs/calibrate_artifacts.json",
        output_file=str(file),
        logging_file=False,
        max_ssim_loss=0.2,
        kinds=few,
        clean_slices=target | {"positions": [0.42, 0.54]},
        check_slices=target | {"positions": [0.5]},
        check_severities=[0.5],
    )
    printed = capsys.readouterr().out
    assert all(name in printed for name in KINDS)
    calibration = load_calibration(file)
    for name in KINDS:
        losses = ssim_losses(calibration, name, [0.5, 1.0], held_out_slices, draws=2, seed=99).mean(axis=(1, 2))
        assert losses == pytest.approx([0.1, 0.2], abs=0.02), name


def test_losses_begin_at_zero_and_repeat(calibration):
    flat = np.pad(np.ones((24, 24), np.float32), 8)
    losses = ssim_losses(calibration, "noise", [0.0, 1.0], [flat], draws=2, seed=0)
    assert losses.shape == (2, 1, 2)
    assert losses[0].tolist() == [[0.0, 0.0]]
    assert np.array_equal(losses, ssim_losses(calibration, "noise", [0.0, 1.0], [flat], draws=2, seed=0))


def test_losses_are_printed_per_kind_and_severity(held_out_slices, capsys):
    print_ssim_losses(CALIBRATION_FILE, held_out_slices[:1], [0.0, 0.5], draws=1, seed=0)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["severity", "0", "0.5"]
    assert lines[1].split()[:3] == ["noise", "0.000", "±0.000"]
    assert len(lines) == 1 + len(KINDS)


GOOD = {
    "clean_slices": [np.pad(np.ones((16, 16), np.float32), 8)],
    "kinds": {"noise": {"settings": {}, "strengths": [0.2]}},
    "max_ssim_loss": 0.3,
    "knots": 2,
    "draws": 1,
    "seed": 0,
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"max_ssim_loss": 1.0}, "`max_ssim_loss` must be between 0 and 1, got 1.0"),
        ({"knots": 0}, "`knots` and `draws` must be at least 1, got 0 and 1"),
        ({"draws": 0}, "`knots` and `draws` must be at least 1, got 2 and 0"),
        ({"clean_slices": []}, "`clean_slices` must hold at least one slice, it is empty"),
        ({"clean_slices": [np.zeros((9, 9))]}, "`clean_slices` must be 2D, finite and not empty, number 0 is not"),
        (
            {"kinds": {"noise": {"strengths": [0.2]}}},
            "`kinds` must hold settings and strengths of noise, got strengths",
        ),
        ({"kinds": {"spike": GOOD["kinds"]["noise"]}}, "`kind` must be one of .*, got 'spike'"),
        (
            {"kinds": {"noise": {"settings": {}, "strengths": [0.2, 0.1]}}},
            r"`strengths` of artifact kind noise must rise from above 0, got \[0.2, 0.1\]",
        ),
        (
            {"kinds": {"noise": {"settings": {}, "strengths": [0.001]}}},
            "`strengths` of artifact kind noise must reach an SSIM loss of 0.3, they reach 0.0",
        ),
    ],
)
def test_bad_settings_are_refused_and_nothing_is_written(tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        calibrate_artifacts(tmp_path / "calibration.json", **GOOD | change)
    assert not list(tmp_path.iterdir())


def test_good_settings_are_accepted(tmp_path):
    calibrate_artifacts(tmp_path / "calibration.json", **GOOD)
    assert load_calibration(tmp_path / "calibration.json")["noise"].severities == [0.0, 0.5, 1.0]
