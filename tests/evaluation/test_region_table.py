import math

import pytest

from scripts.evaluation.measurements import Measurement
from scripts.evaluation.region_table import RegionRow, region_markdown, region_table


def measure(method: str, name: str, values: dict[str, list[float]], region: str = "caudate", first: int = 1) -> list:
    """Values of each subject from session `first` on."""
    return [
        Measurement(method, subject, f"ses-{session:02d}", 1, "t1w", "site", "scanner", name, region, value)
        for subject, scans in values.items()
        for session, value in enumerate(scans, start=first)
    ]


# Shares of the total, 100 in every scan, equal the volumes of `caudate` in per cent.
VOLUMES = {"sub-01": [9.0, 10.0, 11.0], "sub-02": [18.0, 20.0, 22.0]}
REST = {subject: [100.0 - volume for volume in volumes] for subject, volumes in VOLUMES.items()}
MEASUREMENTS = [
    *measure("unharmonized", "volume", VOLUMES),
    *measure("unharmonized", "volume", REST, "thalamus"),
    *measure("unharmonized", "dice", {"sub-01": [0.6, 0.8], "sub-02": [0.8, 0.8]}, first=2),
    *measure("unharmonized", "dice", {"sub-01": [0.9, 0.9], "sub-02": [0.9, 0.9]}, "thalamus", first=2),
    *measure("copy", "volume", {"sub-01": [10.0, 10.0, 10.0], "sub-02": [20.0, 20.0, 20.0]}),
    *measure("copy", "volume", {"sub-01": [90.0, 90.0, 90.0], "sub-02": [80.0, 80.0, 80.0]}, "thalamus"),
    *measure("copy", "dice", {"sub-01": [1.0, 1.0], "sub-02": [1.0, 1.0]}, first=2),
    *measure("copy", "dice", {"sub-01": [0.9, 0.9], "sub-02": [0.9, 0.9]}, "thalamus", first=2),
    *measure("rescan", "volume", {"sub-01": [11.0], "sub-02": [18.0]}),
    *measure("rescan", "volume", {"sub-01": [89.0], "sub-02": [82.0]}, "thalamus"),
    *measure("truth", "true_volume", {"sub-01": [10.0], "sub-02": [20.0]}),
]


def row(method: str, region: str = "caudate") -> RegionRow:
    return next(r for r in region_table(MEASUREMENTS, ddof=1) if (r.method, r.region) == (method, region))


def test_cv_of_volume_by_hand() -> None:
    # sd / mean is 1 / 10 in one subject and 2 / 20 in the other.
    assert (row("unharmonized").volume_cv_mean, row("unharmonized").volume_cv_sd) == pytest.approx((0.1, 0.0))
    assert row("copy").volume_cv_mean == 0.0


def test_cv_of_dice_by_hand() -> None:
    # Subject 1: mean .7, sd sqrt(.02); subject 2 has no spread.
    cv = math.sqrt(0.02) / 0.7
    assert row("unharmonized").dice_cv_mean == pytest.approx(cv / 2)
    assert row("unharmonized").dice_cv_sd == pytest.approx(cv / math.sqrt(2))
    assert row("unharmonized").dice_mean == pytest.approx(0.75)


def test_icc_by_hand() -> None:
    # Shares 9 10 11 and 18 20 22 per cent: mean squares 150 between and (1 + 4) / 2 within, ICC = 147.5 / 155.
    assert row("unharmonized").icc == pytest.approx(147.5 / 155.0, abs=1e-4)
    assert row("copy").icc == pytest.approx(1.0)


def test_preservation_by_hand() -> None:
    assert row("unharmonized").preservation_mean == pytest.approx((0.9 + 1.0 + 0.9) / 3)
    assert math.isnan(row("unharmonized", "thalamus").preservation_mean)


def test_rescan_pairs_scan_and_rescan_of_a_visit() -> None:
    # Subject 1 has 9 and 11: sd sqrt(2), mean 10; subject 2 has 18 twice.
    assert row("rescan").volume_cv_mean == pytest.approx(math.sqrt(2.0) / 10.0 / 2)
    assert math.isnan(row("rescan").dice_cv_mean)


def test_tests_are_corrected_over_regions_and_methods() -> None:
    # Dice of the caudate rises in four of four scans, p = 2 / 2^4, that of the thalamus in none; two tests.
    assert row("copy").dice_p == pytest.approx(0.125)
    assert row("copy").dice_p_benjamini_hochberg == pytest.approx(0.25)
    assert row("copy", "thalamus").dice_p == 1.0
    assert math.isnan(row("unharmonized").dice_p)


def test_a_single_subject_has_no_icc_and_no_sd() -> None:
    single = region_table([m for m in MEASUREMENTS if m.subject == "sub-01"], ddof=1)[0]
    assert single.volume_cv_mean == pytest.approx(0.1)
    assert math.isnan(single.icc)
    assert math.isnan(single.volume_cv_sd)


def test_markdown_has_regions_as_rows_and_methods_as_columns() -> None:
    text = region_markdown(region_table(MEASUREMENTS, ddof=1), significance=0.3)
    section = text.split("### CV of volume")[1].split("###")[0]
    assert "| region | unharmonized | copy | rescan |" in section
    assert "| caudate | 0.1000 ± 0.0000 | 0.0000 ± 0.0000 | 0.0707 ± 0.1000 |" in section
    assert "| mean of regions |" in section
    assert "1.0000 ± 0.0000\\*" in text.split("### Dice")[1].split("###")[0]
