import math
from dataclasses import dataclass

import pytest
import torch

from scripts.phantom import scanner
from scripts.phantom.sequences import SEQUENCES, T2_STAR_SHARE, flair, mprage, spin_echo, spoiled_gradient_echo

LN2 = math.log(2)
ONE = torch.tensor(1.0)


@dataclass(frozen=True)
class Times:
    repetition_time: float = 1e6
    echo_time: float = 0.0
    inversion_time: float | None = None
    flip_angle: float = 90.0
    echo_train_length: int = 1
    echo_spacing: float = 0.0


def signal(equation, times: Times, pd: float = 1.0, t1: float = 1.0, t2: float = 0.1, transmit: float = 1.0) -> float:
    return float(equation(times, *(torch.tensor(value, dtype=torch.float64) for value in (pd, t1, t2, transmit))))


def test_scanner_prescribes_the_sequences_that_have_equations():
    assert tuple(SEQUENCES) == scanner.SEQUENCES


def test_spin_echo_recovers_half_and_decays_to_a_quarter():
    # TR = T1 ln 2 recovers 1/2, TE = 2 T2 ln 2 leaves 1/4; of a proton density of 0.8 remains 0.1.
    times = Times(repetition_time=0.9 * LN2, echo_time=2 * 0.1 * LN2)
    assert signal(spin_echo, times, pd=0.8, t1=0.9) == pytest.approx(0.1)


def test_spin_echo_recovers_only_after_the_echo_train():
    times = Times(repetition_time=0.9 * LN2 + 10 * 0.012, echo_train_length=10, echo_spacing=0.012)
    assert signal(spin_echo, times, t1=0.9) == pytest.approx(0.5)


@pytest.mark.parametrize("equation", [spin_echo, flair])
@pytest.mark.parametrize("transmit", [1 / 3, 5 / 3])
def test_wrong_transmit_field_costs_signal(equation, transmit):
    # sin^3 of 30 or of 150 degrees.
    times = Times(inversion_time=2.0)
    share = signal(equation, times, transmit=transmit) / signal(equation, times)
    assert share == pytest.approx(1 / 8)


def test_gradient_echo_of_sixty_degrees_at_half_recovery():
    # E1 = 1/2: sin 60 (1 - 1/2) / (1 - 1/2 * 1/2) = 1 / sqrt 3.
    assert signal(spoiled_gradient_echo, Times(LN2, flip_angle=60)) == pytest.approx(1 / math.sqrt(3))


@pytest.mark.parametrize("ratio", [0.01, 0.03, LN2])
def test_gradient_echo_is_brightest_at_the_ernst_angle(ratio):
    angles = [0.25 * step for step in range(1, 361)]
    signals = [signal(spoiled_gradient_echo, Times(ratio, flip_angle=angle)) for angle in angles]
    assert angles[signals.index(max(signals))] == pytest.approx(math.degrees(math.acos(math.exp(-ratio))), abs=0.25)


@pytest.mark.parametrize("equation", [spoiled_gradient_echo, mprage])
def test_gradient_echoes_decay_with_t2_star(equation):
    prepared = {"repetition_time": 2.3, "inversion_time": 0.9, "flip_angle": 9, "echo_train_length": 10}
    halved = Times(**prepared, echo_spacing=0.007, echo_time=T2_STAR_SHARE * 0.1 * LN2)
    assert signal(equation, halved) == pytest.approx(signal(equation, Times(**prepared, echo_spacing=0.007)) / 2)


def test_flair_nulls_what_has_its_inversion_time():
    assert signal(flair, Times(inversion_time=4.3 * LN2), t1=4.3) == pytest.approx(0, abs=1e-9)
    recovery = 8.0 - 16 * 0.01
    times = Times(8.0, 0.0, scanner.nulling_time(4.3, recovery), echo_train_length=16, echo_spacing=0.01)
    assert signal(flair, times, t1=4.3) == pytest.approx(0, abs=1e-9)


def test_flair_of_tissue_after_two_half_lives():
    # TI = 2 T1 ln 2: 1 - 2 / 4 = 1/2, and TE = T2 ln 2 halves it again.
    assert signal(flair, Times(inversion_time=2 * LN2, echo_time=0.1 * LN2)) == pytest.approx(1 / 4)


def test_flair_is_a_magnitude():
    # TI = T1 ln(4/3): 1 - 2 * 3/4 = -1/2.
    assert signal(flair, Times(inversion_time=math.log(4 / 3))) == pytest.approx(1 / 2)


def simulate_mprage(times: Times, t1: float, transmit: float) -> float:
    """Follow the longitudinal magnetisation pulse by pulse over many repetitions; the signal of the middle echo."""
    angle = math.radians(times.flip_angle) * transmit
    train = times.echo_train_length * times.echo_spacing
    before = times.inversion_time - train / 2
    after = times.repetition_time - before - train
    magnetisation, middle = 1.0, 0.0
    for _ in range(20):
        magnetisation = 1 - (1 + magnetisation) * math.exp(-before / t1)
        for pulse in range(times.echo_train_length):
            if pulse == times.echo_train_length // 2:
                middle = magnetisation * math.sin(angle)
            magnetisation = 1 - (1 - magnetisation * math.cos(angle)) * math.exp(-times.echo_spacing / t1)
        magnetisation = 1 - (1 - magnetisation) * math.exp(-after / t1)
    return abs(middle)


@pytest.mark.parametrize("t1", [0.35, 0.85, 1.4, 4.3])
@pytest.mark.parametrize("transmit", [0.8, 1.0, 1.2])
@pytest.mark.parametrize(
    "times",
    [
        Times(2.3, 0.0, 0.9, 9, 176, 0.007),
        Times(1.9, 0.0, 1.1, 15, 160, 0.0065),
        Times(3.0, 0.0, 0.85, 8, 192, 0.0085),
    ],
)
def test_mprage_agrees_with_magnetisation_followed_pulse_by_pulse(times, t1, transmit):
    # The equation lets the pulses act continuously: half a pulse, up to 1 - cos(9 degrees), early in the middle one.
    expected = pytest.approx(simulate_mprage(times, t1, transmit), rel=0.025, abs=1e-4)
    assert signal(mprage, times, t1=t1, transmit=transmit) == expected


def test_mprage_without_pulses_is_inversion_recovery():
    # A vanishing angle leaves |1 - 2 exp(-TI / T1)| to be tipped, TR being long.
    times = Times(1e3, 0.0, 2 * LN2, 0.01, 100, 0.005)
    assert signal(mprage, times) / math.sin(math.radians(0.01)) == pytest.approx(0.5, rel=1e-3)
