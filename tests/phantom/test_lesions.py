import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation

from scripts.phantom.lesions import render_lesions
from scripts.phantom.model import anatomy_model
from scripts.phantom.parameters import draw_subject
from scripts.phantom.subject import Subject
from scripts.phantom.truth import LESION, WHITE

SHAPE = (80, 40, 40)
# White matter everywhere; a wall of fluid, the ventricle, lies before x = 10.
VENTRICLE_MM = (10 - torch.arange(80.0))[:, None, None].expand(SHAPE)
FLUID = (VENTRICLE_MM > 0).float()


def render(load: float, seed: int = 1) -> torch.Tensor:
    return render_lesions(draw_subject(seed, 40, load), torch.ones(SHAPE), FLUID, VENTRICLE_MM)


def test_no_load_is_no_lesion():
    assert not render(0.0).any()


def test_load_is_volume():
    volumes = [float(sum(render(load, seed).sum() for seed in range(4))) for load in (0.1, 0.3, 0.9)]
    assert 0 < volumes[0] < volumes[1] < volumes[2]


def test_same_seed_gives_the_same_lesions():
    assert torch.equal(render(0.5), render(0.5))
    assert not torch.equal(render(0.5), render(0.5, seed=2))


def test_lesions_are_shares_outside_the_fluid():
    lesions = render(1.0)
    assert lesions.min() >= 0 and lesions.max() <= 1 and lesions.max() > 0.9
    assert not lesions[FLUID == 1].any()


def test_most_lesions_are_periventricular():
    lesions = sum(render(0.5, seed) for seed in range(8))
    # Centres fall off exponentially: 1 - exp(-2), 86 percent, lie within twice the distance.
    near = 2 * anatomy_model()["lesion_distance_mm"] > -VENTRICLE_MM
    assert lesions[near].sum() / lesions.sum() == pytest.approx(0.86, abs=0.1)


@pytest.mark.xdist_group("phantom")
def test_lesions_of_a_person_lie_in_white_matter(patient: Subject):
    lesions = patient.lesions > 0
    assert lesions.sum() > 200
    assert np.array_equal(lesions, patient.tissues == LESION)
    around = patient.tissues[binary_dilation(lesions) & ~lesions]
    assert np.mean(around == WHITE) > 0.7


@pytest.mark.xdist_group("phantom")
def test_lesions_are_dark_on_t1w_and_bright_on_t2w_and_flair(patient: Subject, images: dict[str, np.ndarray]):
    ratio = {
        contrast: np.median(image[patient.tissues == LESION]) / np.median(image[patient.tissues == WHITE])
        for contrast, image in images.items()
    }
    assert ratio["t1w"] < 0.85
    assert ratio["t2w"] > 1.3 and ratio["flair"] > 1.2 and ratio["pd"] > 1.05
