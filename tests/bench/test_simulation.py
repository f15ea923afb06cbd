import json
from dataclasses import dataclass
from time import sleep
from types import SimpleNamespace

import numpy as np
import pytest

from scripts.bench.simulation import DESIGNS_FILE, Row, bench_table, main, phantom_rows


@dataclass(frozen=True)
class SlowPhantom:
    """Takes 0.1 s to render and 0.05 s to scan."""

    def draw_subject(self, *parameters) -> int:
        return 0

    def render_subject(self, parameters: int) -> SimpleNamespace:
        sleep(0.1)
        brain = np.ones((8, 8, 8), dtype=np.uint8)
        return SimpleNamespace(brain=brain, tissues=brain)

    def acquire(self, subject: SimpleNamespace, *scan) -> np.ndarray:
        sleep(0.05)
        return subject.brain.astype(np.float32)


def test_rows_measure_rendering_and_all_contrasts():
    designs = json.loads(DESIGNS_FILE.read_text())["designs"]
    visit, slices = phantom_rows(designs, SlowPhantom(), field_of_view=50)
    assert visit.what == "render and scan one subject, 4 contrasts, 192x224x192 (s)"
    assert 0.3 <= visit.measure() < 3
    # Two scans of three times eight slices that show something, in at least 0.1 + 2 * 4 * 0.05 s.
    assert slices.what == "training slices of 4 contrasts per second"
    assert 10 < slices.measure() <= 48 / 0.5


def test_table_has_medians_and_measures_once_what_happens_once():
    numbers, single = iter([3.0, 9.0, 1.0]), iter([7.0])
    table = bench_table([Row("many", lambda: next(numbers)), Row("one", lambda: next(single), once=True)], repeats=3)
    assert table == "| what | median |\n| --- | ---: |\n| many | 3.0 |\n| one | 7.0 |\n"


def test_wrong_number_of_repeats_is_refused(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench", "--repeats", "0"])
    with pytest.raises(SystemExit):
        main()
    assert "--repeats must be at least 1, got 0" in capsys.readouterr().err
