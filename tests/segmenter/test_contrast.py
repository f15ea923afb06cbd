import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.base.regions import REGIONS
from scripts.metrics.segmentation_network import OTHER_BRAIN
from scripts.segmenter.contrast import Contrast, ContrastLaw

from .ball_people import KINDS

PLAIN = {"times": (np.log(0.37), np.log(0.85), np.log(1.42), np.log(3.0)), "levels": (0.2, 0.9, 0.5, 0.4)}


def shown(contrast: Contrast, density: float, t1: float, fluid: float, label: int) -> float:
    maps = (np.full((1, 1, 1), value) for value in (density, np.log(t1), fluid))
    return float(contrast.show(*maps, np.full((1, 1, 1), label, np.uint8))[0, 0, 0])


def test_tissue_is_as_bright_as_its_t1_says_and_fluid_as_itself():
    contrast = Contrast(**PLAIN, fluid=0.1, factors=(1.0,) * 6)
    white, grey = REGIONS.index("cerebral_wm") + 1, REGIONS.index("cerebrum_gm") + 1
    assert shown(contrast, 0.7, 0.85, 0, white) == pytest.approx(0.9)
    assert shown(contrast, 0.83, 1.42, 0, grey) == pytest.approx(0.5)
    assert shown(contrast, 0.83, 1.42, 0.25, grey) == pytest.approx(0.75 * 0.5 + 0.25 * 0.1)
    # Half of 0.65, from which on tissue is as bright as its T1 says.
    assert shown(contrast, 0.325, 0.85, 0, 0) == pytest.approx(0.45)


def test_nuclei_have_factors_of_their_own():
    contrast = Contrast(**PLAIN, fluid=0.1, factors=(1.1, 1.2, 1.3, 1.4, 1.5, 1.6))
    factors = {
        name: shown(contrast, 0.8, 0.85, 0, REGIONS.index(name) + 1) / 0.9
        for name in ("cerebral_wm", "cerebellar_gm", "cerebellar_wm", "caudate", "thalamus", "putamen", "brainstem")
    }
    assert list(factors.values()) == pytest.approx([1, 1.1, 1.1, 1.2, 1.3, 1.4, 1.5])
    assert shown(contrast, 0.8, 0.85, 0, OTHER_BRAIN) == pytest.approx(0.9 * 1.6)


def test_drawn_contrasts_lie_in_their_ranges_and_tell_white_from_grey():
    wide = {"white": (0.0, 1.0), "grey": (0.0, 1.0), "fluid": (0.5, 0.6)}
    law, rng = ContrastLaw({"wide": wide}, least_difference=0.2), np.random.default_rng(1)
    drawn = [law.draw(rng) for _ in range(200)]
    differences = np.array([contrast.levels[1] - contrast.levels[2] for contrast in drawn])
    assert np.abs(differences).min() >= 0.2 and (differences > 0).any() and (differences < 0).any()
    assert all(0.5 <= contrast.fluid <= 0.6 for contrast in drawn)
    # Cysts lie between gray matter and fluid.
    assert all(min(c.levels[2], c.fluid) <= c.levels[3] <= max(c.levels[2], c.fluid) for c in drawn)


def test_the_same_seed_draws_the_same_contrast():
    first, second, other = (ContrastLaw(KINDS).draw(np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first == second != other


def test_ranges_of_which_nothing_could_be_drawn_are_refused():
    with pytest.raises(InputError, match="contrast flat must let white and grey differ by more than 0.12"):
        ContrastLaw({"flat": {"white": (0.5, 0.55), "grey": (0.5, 0.55), "fluid": (0, 1)}})
    with pytest.raises(InputError, match="contrast short must have ranges of white, grey, fluid, got white"):
        ContrastLaw({"short": {"white": (0.5, 0.55)}})
