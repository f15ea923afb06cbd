import json

import numpy as np
import pytest
import torch

from scripts.phantom.anatomy import template_coordinates
from scripts.phantom.atlas import load_atlas
from scripts.phantom.deformation import identity, jacobian_determinant, sample
from scripts.phantom.model import anatomy_model
from scripts.phantom.parameters import draw_subject
from scripts.phantom.subject import Subject

pytestmark = pytest.mark.xdist_group("phantom")


def test_same_seed_draws_the_same_person():
    assert draw_subject(3, 40, 0.2, True) == draw_subject(3, 40, 0.2, True)
    assert draw_subject(3, 40).affine != draw_subject(4, 40).affine


def test_person_can_be_saved():
    content = json.loads(json.dumps(draw_subject(3, 40, 0.2, True).to_json()))
    assert content["seed"] == 3 and content["head"] is True and np.shape(content["affine"]) == (3, 4)


def test_brain_shrinks_with_age():
    ages = [20, 35, 50, 65, 80]
    drawn = [[draw_subject(seed, age) for seed in range(40)] for age in ages]
    for name in ("ventricle_mm", "sulcus_mm", "thinning_mm"):
        means = [np.mean([getattr(person, name) for person in people]) for people in drawn]
        assert means == sorted(means) and means[0] < means[-1]


def test_age_leaves_the_rest_of_a_person_alone():
    young, old = draw_subject(3, 20), draw_subject(3, 80)
    assert young.affine == old.affine
    # One person's place among peers stays: what differs is the mean of the age.
    curve = anatomy_model()["ventricle_mm_at_age"]
    mean = [np.interp(age, [float(a) for a in curve], list(curve.values())) for age in (20, 80)]
    assert old.ventricle_mm - young.ventricle_mm == pytest.approx(mean[1] - mean[0])


def test_heads_differ_in_size():
    volumes = [1 / np.linalg.det(np.array(draw_subject(seed, 40).affine)[:, :3]) for seed in range(200)]
    # Three axes of spread s each make the logarithm of the volume spread by about sqrt(3) s.
    expected = np.sqrt(3) * anatomy_model()["size_spread"]
    assert np.std(np.log(volumes)) == pytest.approx(expected, rel=0.2)
    assert abs(np.mean(np.log(volumes))) < 0.02


def test_warp_folds_nowhere(patient: Subject):
    coordinates = identity(patient.warp.shape[1:]) + torch.from_numpy(patient.warp)
    assert jacobian_determinant(coordinates).min() > 0


def test_warp_that_folds_is_refused(monkeypatch: pytest.MonkeyPatch):
    # So strong that even its exponential, on its lattice of 4 voxels, cannot keep up.
    monkeypatch.setitem(anatomy_model(), "warp_mm", {"4": 12.0})
    with pytest.raises(RuntimeError, match="the warp of subject seed 3 folds: lower `warp_mm` in anatomy.json"):
        template_coordinates(draw_subject(3, 40))


def test_older_person_has_larger_ventricles():
    level = load_atlas().levels[3:4]
    volumes = [int((sample(level, template_coordinates(draw_subject(1, age)))[0] > 0).sum()) for age in (25, 85)]
    assert volumes[1] > 1.3 * volumes[0]
