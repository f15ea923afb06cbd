import math

import numpy as np
import pytest

from scripts.phantom.acquisition import acquire, acquire_clean
from scripts.phantom.subject import Subject
from scripts.phantom.truth import FLUID, GREY, WHITE

from .conftest import make_scanner

pytestmark = pytest.mark.xdist_group("phantom")

SILENCE = {"noise": 0.0, "apodization": 0.0}


@pytest.fixture(scope="module")
def quiet(patient: Subject) -> np.ndarray:
    """A T1w image that only tissue and matrix have shaped."""
    return acquire(patient, make_scanner("t1w", **SILENCE), "t1w", 1)


def medians(image: np.ndarray, subject: Subject) -> list[float]:
    return [float(np.median(image[subject.tissues == label])) for label in (FLUID, GREY, WHITE)]


@pytest.mark.parametrize(
    ("contrast", "darkest_first"),
    [("t1w", (FLUID, GREY, WHITE)), ("t2w", (WHITE, GREY, FLUID))],
)
def test_tissues_have_the_order_of_the_contrast(patient: Subject, images, contrast, darkest_first):
    fluid, grey, white = medians(images[contrast], patient)
    level = {FLUID: fluid, GREY: grey, WHITE: white}
    assert sorted(level, key=level.get) == list(darkest_first)
    assert level[darkest_first[1]] > 1.1 * level[darkest_first[0]]


def test_grey_matter_is_brighter_than_white_on_pd(patient: Subject, images):
    _, grey, white = medians(images["pd"], patient)
    assert 1.02 < grey / white < 1.5


def test_fluid_is_black_on_flair(patient: Subject, images):
    fluid, grey, white = medians(images["flair"], patient)
    assert fluid < 0.2 * min(grey, white)
    assert 0.85 < grey / white < 1.5


def test_white_matter_is_about_one(patient: Subject, images):
    for image in images.values():
        assert medians(image, patient)[2] == pytest.approx(1, abs=0.06)


def test_image_is_stripped_a_little_outside_the_brain(patient: Subject, images):
    image = images["t1w"]
    assert image.shape == patient.brain.shape and image.dtype == np.float32 and image.min() == 0
    assert np.mean(image[patient.surface_mm > 2] > 0) > 0.999
    assert not image[patient.surface_mm < -6].any()


def test_same_visit_gives_the_same_bytes(patient: Subject, images):
    assert np.array_equal(acquire(patient, make_scanner("t1w"), "t1w", 1), images["t1w"])


def test_other_visit_gives_other_noise_of_the_same_anatomy(patient: Subject, images):
    other = acquire(patient, make_scanner("t1w", gain=2.0), "t1w", 2)
    deep = (patient.tissues == WHITE) & (patient.surface_mm.numpy() > 10)
    difference = (other / 2 - images["t1w"])[deep]
    # Two images of noise 0.03 each, k-space narrowed by a window of 0.3.
    assert 0.8 * 0.03 * math.sqrt(2) * 0.5 < difference.std() < 1.1 * 0.03 * math.sqrt(2)
    assert abs(difference.mean()) < 0.003
    assert np.corrcoef(other[patient.brain > 0], images["t1w"][patient.brain > 0])[0, 1] > 0.95


def unexplained(source: np.ndarray, target: np.ndarray, bins: int = 1000) -> float:
    """Share of the target's variance that no curve of the source's values, monotone or not, can explain."""
    place = np.searchsorted(np.quantile(source, np.linspace(0, 1, bins + 1)[1:-1]), source)
    count = np.bincount(place, minlength=bins)
    means = np.bincount(place, target, minlength=bins) / np.maximum(count, 1)
    return float(np.var(target - means[place]) / np.var(target))


def test_no_curve_maps_one_scanner_to_another(patient: Subject, quiet: np.ndarray):
    spin_echo = {"sequence": "se", "repetition_time": 0.5, "echo_time": 0.012, "inversion_time": None}
    other = acquire(patient, make_scanner("t1w", **SILENCE, **spin_echo, echo_train_length=1), "t1w", 1)
    every_other = (slice(None, None, 2),) * 3
    brain = patient.brain[every_other] > 0
    first, second = quiet[every_other][brain], other[every_other][brain]
    assert unexplained(first, np.sqrt(first)) < 0.0005
    assert unexplained(first, second) > 0.005


def test_field_of_the_coil_stays_with_the_scanner(patient: Subject, quiet: np.ndarray):
    deep = (patient.tissues == WHITE) & (patient.surface_mm.numpy() > 10)
    biased = (acquire(patient, make_scanner("t1w", **SILENCE, bias_strength=0.1), "t1w", visit) for visit in (1, 2))
    first, second = (np.log(image[deep] / quiet[deep]) for image in biased)
    assert 0.03 < np.std(first) < 0.15
    assert np.std(second - first) > 0.003
    assert np.corrcoef(first, second)[0, 1] > 0.5


def test_clean_truth_is_the_wanted_scan_without_noise_where_the_person_lay(patient: Subject):
    other = {"sequence": "se", "repetition_time": 0.5, "echo_time": 0.012, "inversion_time": None}
    lain = {"misalignment_mm": 2.0, "misalignment_deg": 2.0, "distortion_mm": 1.0}
    visited = make_scanner("t1w", 6, **other, **lain, bias_strength=0.1)
    wanted = make_scanner("t1w", 7, bias_strength=0.1)
    clean = acquire_clean(patient, visited, wanted, "t1w", 3)
    # What the visited scanner would show by the wanted protocol without noise and receive field.
    expected = acquire(patient, make_scanner("t1w", 6, **lain, noise=0.0), "t1w", 3)
    deep = patient.surface_mm.numpy() > 6
    assert np.abs(clean - expected)[deep].max() < 1e-4
    straight = acquire(patient, make_scanner("t1w", 7, noise=0.0), "t1w", 3)
    assert np.abs(clean - straight)[deep].mean() > 0.01
