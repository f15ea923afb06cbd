from dataclasses import replace

import numpy as np
import pytest
import torch

from scripts.base.contrasts import CONTRASTS
from scripts.phantom.model import tissue_table
from scripts.phantom.scanner import draw_scanner, load_ranges
from scripts.phantom.sequences import SEQUENCES
from scripts.sampler.scanner_law import ScannerLaw, keeps_order, tabulate
from scripts.sampler.scanner_table import KINDS, ScannerTable, tissue_values
from scripts.sampler.signal import Maps, Signals, class_signals


@pytest.fixture(scope="module")
def voxels() -> Maps:
    """Solid voxels of many kinds."""
    rng = np.random.default_rng(0)
    relaxation = np.stack([rng.uniform(0.1, 1, 400), rng.uniform(0.3, 2.5, 400), rng.uniform(0.02, 0.2, 400)])
    fractions = np.zeros((6, 400), dtype=np.uint8)
    fractions[np.arange(400) % 5 + 1, np.arange(400)] = 255
    return Maps.of(relaxation.astype(np.float16), fractions)


@pytest.mark.parametrize("seed", range(6))
def test_signals_are_those_of_the_sequences(voxels: Maps, seed: int) -> None:
    maker = ("GE", "Philips", "Siemens")[seed % 3]
    scanner = draw_scanner("A", "S", maker, 3.0 if seed < 3 else 1.5, CONTRASTS, seed, load_ranges())
    pattern = np.random.default_rng(seed).uniform(-1, 1, 400).astype(np.float32)
    found = Signals(tabulate([scanner])).of(0, range(4), voxels, pattern)
    strength, table = scanner.field_strength / 3, tissue_table()
    pd = torch.from_numpy(voxels.pd)
    t1 = torch.from_numpy(1 / voxels.r1)
    t2 = torch.from_numpy(1 / voxels.r2) * strength ** table["t2_field_exponent"]
    for signal, contrast in zip(found, CONTRASTS, strict=True):
        protocol = scanner.protocols[contrast]
        transmit = torch.from_numpy(1 + protocol.transmit_spread * pattern)
        kept = pd * (1 - protocol.magnetization_transfer * torch.exp(-t1))
        wanted = SEQUENCES[protocol.sequence](protocol, kept, t1 * strength ** table["t1_field_exponent"], t2, transmit)
        assert np.abs(signal - wanted.numpy()).max() < 0.002 * float(wanted.max()), contrast


def test_fluid_is_dark_on_flair_at_any_field_strength() -> None:
    signals = class_signals(ScannerLaw(pool=20).build_pool())[:, 3]
    assert (signals[:, 0] < 0.4 * signals[:, 2]).mean() > 0.95


def test_fluid_has_its_own_signal() -> None:
    pool = ScannerLaw(pool=5).build_pool()
    fractions = np.zeros((6, 2), dtype=np.uint8)
    fractions[0] = 255
    fluid = Maps.of(np.full((3, 2), 0.5, dtype=np.float16), fractions)
    found = Signals(pool).of(0, range(4), fluid, None)
    assert found[:, 0] == pytest.approx(class_signals(pool)[0, :, 0], rel=1e-4)


def test_a_spin_echo_by_hand() -> None:
    pool = ScannerLaw(pool=5).build_pool()
    table = replace(pool.take(slice(0, 1)), family=np.full((1, 4), 2), field_strength=np.array([3.0]))
    table = replace(table, repetition_time=np.full((1, 4), 2.0), echo_time=np.full((1, 4), 0.1))
    table = replace(table, echo_train_length=np.ones((1, 4)), echo_spacing=np.zeros((1, 4)))
    table = replace(table, magnetization_transfer=np.zeros((1, 4)))
    fractions = np.zeros((6, 1), dtype=np.uint8)
    fractions[2] = 255
    white = Maps.of(np.array([[0.7], [1.0], [0.1]], dtype=np.float32), fractions)
    # 0.7 (1 - exp(-2)) exp(-1)
    assert Signals(table).of(0, [1], white, None)[0, 0] == pytest.approx(0.7 * 0.864665 * 0.367879, rel=1e-5)


def test_classes_have_the_brightness_that_was_drawn() -> None:
    table = draw(ScannerLaw(shares=(0, 0, 1), pool=5), 20)
    for tissue in range(6):
        fractions = np.zeros((6, 1), dtype=np.uint8)
        fractions[tissue] = 255
        maps = Maps.of(tissue_values()[tissue].astype(np.float32)[:, None], fractions)
        for scanner in range(20):
            found = Signals(table).of(scanner, range(4), maps, None)[:, 0]
            assert found == pytest.approx(table.brightness[scanner, :, tissue], rel=2e-3)


def draw(law: ScannerLaw, count: int, seed: int = 0) -> ScannerTable:
    return law.draw(law.build_pool(), count, np.random.default_rng(seed))


def test_contrasts_keep_the_order_of_tissues() -> None:
    table = draw(ScannerLaw(wild=0, pool=20), 300)
    assert set(table.kind.tolist()) == {0, 1, 2}
    physical = table.take(table.kind < 2)
    wide = table.kind[table.kind < 2] == 1
    assert keeps_order(class_signals(physical))[wide].mean() > 0.95
    classes = table.brightness[table.kind == 2]
    assert keeps_order(classes, margin=1.0).mean() > 0.95
    wild = draw(ScannerLaw(wild=1, pool=20), 300)
    assert keeps_order(wild.brightness[wild.kind == 2]).all(axis=1).mean() < 0.05


def test_wide_scanners_differ_far_more_than_realistic_ones() -> None:
    spreads = []
    for kind in range(2):
        shares = [float(kind == place) for place in range(len(KINDS))]
        signals = class_signals(draw(ScannerLaw(shares=shares, pool=100), 400))
        spreads.append(np.std(np.log(signals[:, 1, 1] / signals[:, 1, 2])))
    assert spreads[1] > 1.5 * spreads[0]


def test_scanners_follow_from_the_stream() -> None:
    law = ScannerLaw(pool=5)
    first, again, other = draw(law, 3, 1), draw(law, 3, 1), draw(law, 3, 2)
    assert np.array_equal(first.receive, again.receive) and np.array_equal(first.echo_time, again.echo_time)
    assert not np.array_equal(first.receive, other.receive)
