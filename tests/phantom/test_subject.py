import numpy as np
import pytest
import torch

from scripts.base.regions import REGIONS
from scripts.images.grid import GRID_SHAPE
from scripts.phantom.subject import Subject
from scripts.phantom.truth import FLUID, GREY, LESION, WHITE, label_regions, label_tissues

pytestmark = pytest.mark.xdist_group("phantom")

# Millilitres; wide enough for small and large heads, young and old.
PLAUSIBLE = {
    "ventricles": (5, 120),
    "cerebellar_gm": (60, 170),
    "cerebrum_gm": (400, 900),
    "caudate": (3, 15),
    "thalamus": (5, 22),
    "putamen": (4, 16),
    "brainstem": (12, 45),
    "cerebellar_wm": (10, 70),
    "cerebral_wm": (300, 850),
}


def test_everything_lies_on_the_grid(patient: Subject):
    for tensor in (*vars(patient.solid).values(), patient.fluid, patient.moving, patient.surface_mm):
        assert tensor.shape == GRID_SHAPE and tensor.dtype == torch.float32 and tensor.isfinite().all()
    for labels in (patient.tissues, patient.regions, patient.lesions, patient.brain):
        assert labels.shape == GRID_SHAPE and labels.dtype == np.uint8
    assert patient.warp.shape == (3, *GRID_SHAPE)


@pytest.mark.parametrize(("label", "name"), list(enumerate(REGIONS, start=1)))
def test_regions_have_plausible_volumes(patient: Subject, label: int, name: str):
    low, high = PLAUSIBLE[name]
    assert low < (patient.regions == label).sum() / 1000 < high


def test_brain_has_a_plausible_volume(patient: Subject):
    assert 1100 < patient.brain.sum() / 1000 < 2200


def test_truth_agrees_with_itself(patient: Subject):
    brain = patient.brain > 0
    ventricles, grey = (patient.regions == REGIONS.index(name) + 1 for name in ("ventricles", "cerebrum_gm"))
    assert np.array_equal(patient.tissues > 0, brain)
    assert brain[patient.regions > 0].all()
    assert (patient.tissues[ventricles] == FLUID).all()
    assert (patient.tissues[grey] == GREY).all()
    assert not (patient.tissues[(patient.regions > 0) & ~ventricles] == FLUID).any()
    assert np.array_equal(patient.lesions == 1, patient.tissues == LESION)


def test_truth_agrees_with_the_tissue_shares(patient: Subject):
    fluid = patient.fluid.numpy()
    assert fluid.min() >= 0 and fluid.max() <= 1
    medians = {label: np.median(fluid[patient.tissues == label]) for label in (FLUID, GREY, WHITE, LESION)}
    assert medians[FLUID] > 0.9 and max(medians[label] for label in (GREY, WHITE, LESION)) < 0.1


def test_white_matter_has_the_shorter_times_and_the_lower_density(patient: Subject):
    solid = [values.numpy() for values in (patient.solid.pd, patient.solid.t1, patient.solid.t2)]
    for values in solid:
        assert np.median(values[patient.tissues == WHITE]) < np.median(values[patient.tissues == GREY])
        assert values[patient.brain > 0].min() > 0


def test_tissue_varies_within_a_region(patient: Subject):
    t1 = patient.solid.t1.numpy()[(patient.tissues == WHITE) & (patient.fluid.numpy() < 0.01)]
    assert 0.02 < np.std(np.log(t1)) < 0.2


def test_rendering_again_gives_the_same_person_with_or_without_head(patient: Subject, whole_head: Subject):
    for name in ("tissues", "regions", "lesions", "brain", "warp"):
        assert np.array_equal(getattr(patient, name), getattr(whole_head, name))
    for name in ("moving", "surface_mm"):
        assert torch.equal(getattr(patient, name), getattr(whole_head, name))
    deep = patient.surface_mm > 5
    assert torch.equal(patient.fluid[deep], whole_head.fluid[deep])
    assert torch.equal(patient.solid.pd[deep], whole_head.solid.pd[deep])


def test_voxel_is_labelled_by_its_largest_share():
    brain = torch.tensor([True, True, True, True, True, False])
    fluid = torch.tensor([0.0, 0.0, 0.6, 0.1, 0.6, 1.0])
    white = torch.tensor([0.4, 0.6, 0.9, 0.9, 0.9, 0.9])
    lesions = torch.tensor([0.0, 0.4, 0.0, 0.8, 0.4, 0.0])
    assert label_tissues(brain, fluid, white, lesions).tolist() == [GREY, WHITE, FLUID, LESION, FLUID, 0]


def test_tissue_decides_between_the_regions_of_a_hemisphere():
    number = {name: label for label, name in enumerate(REGIONS, start=1)}
    warped = np.array(
        [number[n] for n in ("cerebral_wm", "cerebrum_gm", "cerebrum_gm", "ventricles", "putamen")] + [10]
    )
    tissues = np.array([GREY, LESION, FLUID, WHITE, GREY, GREY])
    expected = [number["cerebrum_gm"], number["cerebral_wm"], 0, 0, number["putamen"], 0]
    assert label_regions(tissues, warped).tolist() == expected
