from pathlib import Path

from scripts.evaluation.measurements import Measurement, read_measurements, write_rows


def test_numbers_come_back_exactly(tmp_path: Path) -> None:
    rows = [
        Measurement("nyul", "sub-01", "ses-02", 1, "t1w", "site, one", "scanner-2", "psnr", "", 0.1 + 0.2),
        Measurement("nyul", "sub-01", "ses-02", 2, "t1w", "12", "3", "dice", "caudate", float("inf")),
    ]
    write_rows(tmp_path / "new" / "rows.csv", Measurement, rows)
    assert read_measurements(tmp_path / "new" / "rows.csv") == rows
