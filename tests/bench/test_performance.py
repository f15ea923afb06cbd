import numpy as np
import pytest

from scripts.bench import performance
from scripts.bench.performance import BEGIN, END, Machine, likeness_text, tables


@pytest.fixture(scope="module")
def machine() -> Machine:
    return Machine()


def test_work_of_the_network_is_counted(machine):
    gflop = machine.gflop
    # Worked out from the sizes of the published convolutions.
    assert gflop["encode anatomy"] == pytest.approx(6.5, abs=0.1)
    assert gflop["encode code"] == pytest.approx(1.2, abs=0.1)
    assert gflop["decode"] == pytest.approx(26, abs=0.5)


def test_table_compares_with_the_naive_way(machine, monkeypatch):
    monkeypatch.setattr(machine, "peaks", {"fp32": 100.0, "bf16": 400.0})
    monkeypatch.setattr(machine, "gflop", {"encode anatomy": 6.0, "encode code": 1.0, "decode": 25.0})
    stages = {"encode anatomy": 10.0, "encode code": 2.0, "decode": 8.0}
    calls = {"encode anatomy": 100, "encode code": 100, "decode": 50}
    ways = {
        "naive": {"seconds": 100.0, "peak_gib": 5.0, "likeness": "identical", "stages": {"all slices": 90.0}},
        "bf16": {
            "seconds": 20.0,
            "peak_gib": 1.5,
            "likeness": "50 dB",
            "second": 0.4,
            "stages": stages,
            "calls": calls,
        },
    }
    lines = tables("subject", ways, "one turn", 3, machine).splitlines()
    # 100 * 6 + 100 * 1 + 50 * 25 GFLOP in 20 s, of 400 a second.
    assert "| bf16 | 20.0 | 5.0 | 1.50 | 40% | 24% | 50 dB |" in lines
    assert "| naive | 90.0 | 0.0 | 0.0 | 0.0 |" in lines
    assert lines[2].endswith("100 GFLOP/s in fp32 and 400 GFLOP/s in bf16; one turn.")


def test_likeness_is_the_psnr_to_the_99th_percentile():
    exact = np.ones(1000)
    assert likeness_text(exact, exact) == "identical"
    assert likeness_text(exact + 0.01, exact) == "40.0 dB, 100.0% of voxels differ by > 0.001"


def test_a_section_takes_the_place_of_its_predecessor_alone(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text(f"before\n\n{BEGIN}\n\n### a\n\nold a\n\n### b\n\nold b\n\n{END}\n\nafter\n")
    monkeypatch.setattr(performance, "PAGE", page)
    performance.write_section("### b\n\nnew b\n")
    performance.write_section("### c\n\nc\n")
    expected = f"before\n\n{BEGIN}\n\n### a\n\nold a\n\n### b\n\nnew b\n\n### c\n\nc\n\n{END}\n\nafter\n"
    assert page.read_text() == expected
