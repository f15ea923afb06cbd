from pathlib import Path

import pytest
from matplotlib.image import imread

from scripts.evaluation.figures import draw_boxes, draw_probe_bars, draw_region_bars
from scripts.evaluation.measurements import Measurement
from scripts.evaluation.probe_table import ProbeRow
from scripts.evaluation.region_table import RegionRow

METHODS = ["unharmonized", "nyul", "rescan"]
MEASUREMENTS = [
    Measurement(method, f"sub-{subject}", "ses-02", 1, contrast, "", "", "psnr", "", 20.0 + place + subject)
    for contrast in ("t1w", "flair")
    for place, method in enumerate(METHODS)
    for subject in range(5)
]


def is_drawn(path: Path) -> bool:
    """Whether there are colours on the white page."""
    picture = imread(path)[..., :3]
    return min(picture.shape[:2]) > 50 and 0.01 < (picture < 0.9).any(axis=2).mean() < 0.9


def test_boxes(tmp_path: Path) -> None:
    draw_boxes(MEASUREMENTS, "psnr", "PSNR (dB)", tmp_path / "boxes.png", dpi=50)
    assert is_drawn(tmp_path / "boxes.png")


def test_same_numbers_draw_the_same_picture(tmp_path: Path) -> None:
    for name in ("first.png", "second.png"):
        draw_boxes(MEASUREMENTS, "psnr", "PSNR (dB)", tmp_path / name, dpi=50)
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()


def test_infinite_values_are_not_drawn(tmp_path: Path) -> None:
    endless = [Measurement("nyul", "sub-1", "ses-02", 1, "t1w", "", "", "psnr", "", float("inf"))]
    draw_boxes(MEASUREMENTS + endless, "psnr", "PSNR (dB)", tmp_path / "with.png", dpi=50)
    draw_boxes(MEASUREMENTS, "psnr", "PSNR (dB)", tmp_path / "without.png", dpi=50)
    assert (tmp_path / "with.png").read_bytes() == (tmp_path / "without.png").read_bytes()


@pytest.mark.parametrize("spread", [0.01, float("nan")])
def test_region_bars(tmp_path: Path, spread: float) -> None:
    rows = [
        RegionRow(method, region, 2, 0.9, spread, 0.05, spread, 0.04, spread, 0.9, 0.8, spread)
        for method in METHODS
        for region in ("caudate", "cerebral_wm")
    ]
    draw_region_bars(rows, tmp_path / "bars.png", dpi=50)
    assert is_drawn(tmp_path / "bars.png")


def test_probe_bars(tmp_path: Path) -> None:
    rows = [ProbeRow(method, "t1w", 0.8, 0.3, 0.7, 0.25, 40, 4, 10) for method in METHODS]
    draw_probe_bars(rows, tmp_path / "probe.png", dpi=50)
    assert is_drawn(tmp_path / "probe.png")
