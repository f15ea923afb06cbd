import numpy as np

from scripts.evaluation.measurements import Measurement
from scripts.evaluation.probe_table import probe_markdown, probe_table
from scripts.metrics.site_probe import site_accuracy


def describe(method: str, separation: float) -> list[Measurement]:
    """Six subjects at two sites that differ in the first of two features."""
    random = np.random.default_rng(0)
    return [
        Measurement(
            method, f"sub-{subject}", f"ses-{site}", 1, "t1w", f"site-{site}", "", f"feature_{index}", "", value
        )
        for subject in range(6)
        for site in range(2)
        for index, value in enumerate([separation * site + random.standard_normal(), random.standard_normal()])
    ]


def test_a_probe_per_method() -> None:
    rows = probe_table([*describe("unharmonized", 20.0), *describe("perfect", 0.0)], site_accuracy)
    assert [(row.method, row.n_images, row.n_sites, row.n_subjects) for row in rows] == [
        ("unharmonized", 12, 2, 6),
        ("perfect", 12, 2, 6),
    ]
    assert rows[0].accuracy == 1.0 > rows[1].accuracy
    assert rows[0].accuracy_chance == rows[0].balanced_chance == 0.5


def test_markdown() -> None:
    text = probe_markdown(probe_table(describe("unharmonized", 20.0), site_accuracy))
    assert "| unharmonized | t1w | 1.000 | 0.500 | 1.000 | 0.500 | 12 | 2 | 6 |" in text
